"""The log: cursors, wake-ups, and its end."""

import asyncio
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipamd import log as log_module
from ipamd.errors import Compacted
from ipamd.log import SLICE, TAIL_ROWS, Log
from ipamd.stores import Changes, Tx
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.clock import Clock


async def put(store: SqliteStore, *names: str, kind: str = "Pod") -> None:
    """Add objects, one after another, all in flight at once."""
    await asyncio.gather(*(store.update(lambda tx, n=name: tx.put(kind, "", n, {})) for name in names))


def names(changes: Changes) -> list[str]:
    """Of the objects that changed."""
    return [change.name for change in changes.rows]


async def test_a_watcher_is_woken_by_a_change_of_its_kind_only(store: SqliteStore) -> None:
    log = Log(store, 1000)
    waiting = asyncio.create_task(log.wait(0, {"Pod", "Service"}))
    await put(store, "n", kind="Node")
    assert not waiting.done()

    await put(store, "p")
    await waiting

    assert log.changes(0, {"Pod", "Service"}) == Changes(log.changes(0, {"Pod"}).rows, 2)


async def test_a_watcher_that_is_behind_does_not_wait(store: SqliteStore) -> None:
    await put(store, "p")
    log = Log(store, 1000)  # knows of what happened before it was made

    await log.wait(0, {"Pod"})

    assert names(log.changes(0, {"Pod"})) == ["p"]


async def test_a_watcher_that_gives_up_is_forgotten(store: SqliteStore) -> None:
    log = Log(store, 1000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(log.wait(0, {"Pod"}), 0)
    await put(store, "p")

    await log.wait(0, {"Pod"})


async def test_changes_come_in_pieces_and_nothing_is_left_out(store: SqliteStore) -> None:
    log = Log(store, 10_000)
    for start in range(0, TAIL_ROWS + 300, 100):
        await put(store, *(f"p{n}" for n in range(start, start + 100)), kind="Pod" if start % 200 else "Node")
    cursor, seen = 0, []
    while (changes := log.changes(cursor, {"Pod"}, 70)).rows:
        seen += [change.revision for change in changes.rows]
        cursor = changes.upto

    assert seen == [change.revision for change in store.changes(0, {"Pod"}, 10_000).rows]
    assert len(seen) > TAIL_ROWS / 3
    assert cursor == log.revision


async def test_large_changes_are_read_from_the_store_and_not_kept(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "TAIL_OCTETS", 10)
    log = Log(store, 1000)
    await put(store, "a", "b")

    assert names(log.changes(0, {"Pod"})) == ["a", "b"]
    assert names(log.changes(1, {"Pod"})) == ["b"]


class ReadAgain(SqliteStore):
    """A store that counts how often its file is asked for changes."""

    readings = 0

    def changes(self, since: int, kinds: Collection[str], limit: int) -> Changes:
        """What a store answers, counted."""
        self.readings += 1
        return super().changes(since, kinds, limit)


def put_all(tx: Tx, names: Collection[str]) -> None:
    """Add objects in one update."""
    for name in names:
        tx.put("Pod", "", name, {})


async def test_many_changes_of_one_commit_are_read_from_memory(tmp_path: Path) -> None:
    store = ReadAgain(tmp_path / "store.sqlite", Clock())
    log = Log(store, 1000)
    for names_of_commit in (["a"], ["b", "c", "d"], ["e", "f"]):
        await store.update(lambda tx, given=names_of_commit: put_all(tx, given))

    assert names(log.changes(0, {"Pod"})) == [*"abcdef"]
    assert names(log.changes(2, {"Pod"}, 2)) == ["c", "d"]
    assert store.readings == 0
    await store.close()


async def test_behind_a_leap_of_revisions_memory_begins_anew(store: SqliteStore) -> None:
    log = Log(store, 1000)
    await store.update(lambda tx: put_all(tx, "ab"))

    def leap(tx: Tx) -> None:
        tx.put("Pod", "", "before", {})
        tx.accept_age()
        put_all(tx, "cd")

    await store.update(leap)
    with pytest.raises(Compacted):
        log.changes(2, {"Pod"})
    assert names(log.changes(store.compacted, {"Pod"})) == ["c", "d"]
    await store.update(lambda tx: put_all(tx, "ef"))
    assert names(log.changes(store.compacted, {"Pod"})) == [*"cdef"]
    assert names(log.changes(store.revision - 1, {"Pod"})) == ["f"]


@settings(max_examples=25, deadline=None)
@given(
    commits=st.lists(st.lists(st.sampled_from(["Pod", "Node"]), min_size=1, max_size=9), min_size=1, max_size=8),
    rows=st.integers(1, 12),
    limit=st.integers(1, 12),
)
def test_memory_tells_what_the_store_tells(commits: list[list[str]], rows: int, limit: int) -> None:
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "TAIL_ROWS", rows)
        asyncio.run(compare(Path(directory), commits, limit))


async def compare(directory: Path, commits: list[list[str]], limit: int) -> None:
    """Make commits, and read them from every revision on, in the log and in the store."""
    store = SqliteStore(directory / "store.sqlite", Clock())
    log = Log(store, 1000)

    def change(tx: Tx, kinds: list[str]) -> None:
        for kind in kinds:
            tx.put(kind, "", f"n{tx.revision}", {})

    for kinds in commits:
        await store.update(lambda tx, given=kinds: change(tx, given))
    for since in range(store.revision + 1):
        told, stored = (each.changes(since, {"Pod"}, limit).rows for each in (log, store))
        assert [*told] == [*stored]
    await store.close()


async def test_an_idle_kind_costs_nothing_and_moves_the_cursor(store: SqliteStore) -> None:
    log = Log(store, 1000)
    await put(store, "a", "b")

    assert log.changes(0, {"Node"}) == Changes((), 2)


async def test_the_log_is_compacted_beyond_its_retention(store: SqliteStore) -> None:
    log = Log(store, retention=10)
    running = asyncio.create_task(log.run())
    await put(store, *(f"p{n}" for n in range(SLICE + 10)))
    while store.compacted < SLICE:
        await put(store, "one-more")

    with pytest.raises(Compacted) as caught:
        log.changes(0, {"Pod"})
    assert caught.value.members == {"compacted": store.compacted}
    assert names(log.changes(store.compacted, {"Pod"}))[-1] == "one-more"
    running.cancel()


async def test_closing_the_log_ends_every_wait(store: SqliteStore) -> None:
    log = Log(store, 1000)
    waiting = asyncio.create_task(log.wait(0, {"Pod"}))
    await put(store, "n", kind="Node")
    log.close()

    await waiting
    await log.wait(0, {"Pod"})
    assert log.is_closed
