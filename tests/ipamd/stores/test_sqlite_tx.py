"""What a transaction sees of itself and of the batch that it is in."""

import asyncio
from pathlib import Path

import pytest

from ipamd.errors import TooLarge
from ipamd.stores import LARGEST_OBJECT, Kept, Tx, sqlite_tx
from ipamd.stores.sqlite import SqliteStore


def put(tx: Tx, value: int) -> None:
    tx.put("Thing", "", "a", {"value": value})


def fail(tx: Tx, value: int) -> None:
    put(tx, value)
    raise LookupError


def read(tx: Tx) -> bytes | None:
    stored = tx.get("Thing", "", "a")
    return None if stored is None else stored.body


async def test_what_a_failed_update_wrote_is_not_seen_by_the_next_of_its_batch(store: SqliteStore) -> None:
    failed, seen = await asyncio.gather(
        store.update(lambda tx: fail(tx, 1)), store.update(read), return_exceptions=True
    )

    assert (type(failed), seen) == (LookupError, None)
    assert store.view(lambda view: view.get("Thing", "", "a")) is None


async def test_an_update_sees_what_those_before_it_wrote_in_one_batch_and_in_another(store: SqliteStore) -> None:
    seen = await asyncio.gather(
        store.update(read),
        store.update(lambda tx: put(tx, 1)),
        store.update(read),
        store.update(lambda tx: tx.delete("Thing", "", "a")),
        store.update(read),
        store.update(lambda tx: put(tx, 2)),
    )

    assert [seen[0], seen[2], seen[4]] == [None, b'{"value":1}', None]
    assert await store.update(read) == b'{"value":2}'
    with pytest.raises(LookupError):
        await store.update(lambda tx: fail(tx, 3))
    assert await store.update(read) == b'{"value":2}'


async def test_an_object_of_more_than_a_megabyte_and_a_half_is_refused_and_nothing_of_it_stays(
    store: SqliteStore,
) -> None:
    around = len(b'{"value":""}')
    await store.update(lambda tx: tx.put("Thing", "", "a", {"value": "x" * (LARGEST_OBJECT - around)}))
    with pytest.raises(TooLarge, match=f"Thing a has {LARGEST_OBJECT + 1} octets, limit is {LARGEST_OBJECT}"):
        await store.update(lambda tx: tx.put("Thing", "", "a", {"value": "x" * (LARGEST_OBJECT - around + 1)}))

    stored = await store.update(read)
    assert stored is not None
    assert (len(stored), store.revision) == (LARGEST_OBJECT, 1)


async def test_of_too_many_replies_those_go_that_would_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_tx, "MOST_REPLIES", 3)

    def keep(tx: Tx, *keys: str) -> None:
        for key in keys:
            tx.keep_reply(key, Kept(b"", 201, b""), ord(key))

    def keep_and_fail(tx: Tx) -> None:
        keep(tx, "x", "y", "z")
        raise LookupError

    def kept(store: SqliteStore) -> str:
        return store.view(lambda view: "".join(key for key in "abcdexyz" if view.reply(key) is not None))

    store = SqliteStore(tmp_path / "replies.sqlite")
    await store.update(lambda tx: keep(tx, "b", "a", "c", "c"))
    assert kept(store) == "abc"
    with pytest.raises(LookupError):
        await store.update(keep_and_fail)
    await store.update(lambda tx: keep(tx, "d"))
    assert kept(store) == "bcd"
    await store.close()

    again = SqliteStore(tmp_path / "replies.sqlite")
    await again.update(lambda tx: tx.forget_replies(ord("b"), 9))
    await again.update(lambda tx: keep(tx, "e"))
    assert kept(again) == "cde"
    await again.close()
