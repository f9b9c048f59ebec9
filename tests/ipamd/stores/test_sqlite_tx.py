"""What a transaction sees of itself and of the batch that it is in."""

import asyncio

import pytest

from ipamd.stores import Tx
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
