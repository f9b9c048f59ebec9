"""The SQLite store: durable, in one order, all or nothing. On real files."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipamd.errors import Compacted, StartError, StoreUnavailable
from ipamd.model import Lease, LeaseFilter, Owner
from ipamd.ranges import read_block
from ipamd.stores import Change, Tx, View, tried
from ipamd.stores.sqlite import BATCH, SqliteStore


def lease(address: str, name: str = "web-0", length: int = 32, **settings: object) -> Lease:
    """A lease that has no id yet."""
    owner = Owner("Pod", name, "default")
    return Lease(0, 0, "pods", address, length, owner, 1.5, **settings)  # type: ignore[arg-type]


def everything(view: View) -> dict[str, bytes]:
    """All objects of kind Pod, by name."""
    return {stored.name: stored.body for stored in view.list("Pod")}


async def put(store: SqliteStore, *names: str, kind: str = "Pod") -> None:
    """Add or change objects, each in an update of its own."""
    for name in names:
        await store.update(lambda tx, name=name: tx.put(kind, "default", name, {"metadata": {"name": name}}))


@asynccontextmanager
async def reopened(path: Path) -> AsyncIterator[SqliteStore]:
    """The store on that path, closed again at the end."""
    store = SqliteStore(path)
    yield store
    await store.close()


async def test_an_object_carries_the_revision_of_its_last_change(store: SqliteStore) -> None:
    first = await store.update(lambda tx: tx.put("Pod", "default", "a", {"metadata": {"name": "a"}}))
    second = await store.update(lambda tx: tx.put("Pod", "default", "a", {"metadata": {"name": "a", "x": 1}}))

    assert (first.revision, second.revision, store.revision) == (1, 2, 2)
    assert json.loads(second.body)["metadata"] == {"name": "a", "x": 1, "resourceVersion": "2"}
    assert store.view(lambda view: view.get("Pod", "default", "a")) == second


async def test_what_is_only_tried_is_told_and_not_kept(store: SqliteStore) -> None:
    would_be = await tried(store, lambda tx: tx.put("Pod", "default", "a", {"metadata": {"name": "a"}}))

    assert (would_be.name, would_be.revision) == ("a", 1)
    assert (store.revision, store.view(lambda view: view.get("Pod", "default", "a"))) == (0, None)


async def test_what_is_refused_when_tried_is_raised(store: SqliteStore) -> None:
    def refuse(tx: Tx) -> None:
        raise StoreUnavailable("no")

    with pytest.raises(StoreUnavailable, match="no"):
        await tried(store, refuse)


async def test_a_deleted_object_is_returned_under_the_revision_of_its_deletion(store: SqliteStore) -> None:
    await put(store, "a")
    gone = await store.update(lambda tx: tx.delete("Pod", "default", "a"))

    assert gone is not None
    assert (gone.revision, json.loads(gone.body)["metadata"]["resourceVersion"]) == (2, "2")
    assert store.view(lambda view: view.get("Pod", "default", "a")) is None
    assert await store.update(lambda tx: tx.delete("Pod", "default", "a")) is None
    assert store.revision == 2  # what changes nothing has no revision


async def test_an_update_that_raises_leaves_nothing_and_those_beside_it_alone(store: SqliteStore) -> None:
    undone: list[str] = []

    def fail(tx: Tx) -> None:
        tx.put("Pod", "default", "bad", {})
        tx.on_rollback(lambda: undone.append("first"))
        tx.on_rollback(lambda: undone.append("second"))
        raise ZeroDivisionError

    outcomes = await asyncio.gather(put(store, "a"), store.update(fail), put(store, "b"), return_exceptions=True)

    assert isinstance(outcomes[1], ZeroDivisionError)
    assert undone == ["second", "first"]
    assert sorted(store.view(everything)) == ["a", "b"]
    assert [change.revision for change in store.changes(0, {"Pod"}, 10).rows] == [1, 2]


async def test_updates_that_are_asked_for_together_share_a_commit(store: SqliteStore) -> None:
    commits: list[int] = []
    store.listen(lambda changes, seconds: commits.append(len(changes)))

    await asyncio.gather(*(put(store, f"p{n}") for n in range(BATCH + 1)))

    assert commits == [BATCH, 1]


async def test_an_update_sees_what_the_one_before_it_wrote_but_a_view_only_what_is_committed(
    store: SqliteStore,
) -> None:
    seen: list[tuple[int, int]] = []

    def count(tx: Tx) -> None:
        tx.put("Pod", "default", f"p{tx.revision}", {})
        seen.append((len(tx.list("Pod")), store.view(lambda view: len(view.list("Pod")))))

    await asyncio.gather(store.update(count), store.update(count))

    assert seen == [(1, 0), (2, 0)]


async def test_a_caller_that_gave_up_before_its_turn_changes_nothing(store: SqliteStore) -> None:
    task = asyncio.create_task(put(store, "a"))

    async def give_up() -> None:
        task.cancel()  # the update is in the queue by now, and its batch not yet begun

    await asyncio.gather(task, give_up(), return_exceptions=True)
    await put(store, "b")

    assert sorted(store.view(everything)) == ["b"]


async def test_while_somebody_else_writes_updates_fail_and_the_store_goes_on_after(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with reopened(path) as store:
        await put(store, "a")
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await put(store, "b")
        other.execute("ROLLBACK")
        await put(store, "c")

        assert sorted(store.view(everything)) == ["a", "c"]
        assert store.revision == 2


async def test_a_commit_that_fails_takes_the_batch_back_and_the_store_goes_on(tmp_path: Path) -> None:
    path, undone = tmp_path / "store.sqlite", []
    async with reopened(path) as store:
        await put(store, "a")

        def note(tx: Tx) -> None:
            tx.put("Pod", "default", "noted", {})
            tx.on_rollback(lambda: undone.append(tx.revision))

        with no_file_above((tmp_path / "store.sqlite-wal").stat().st_size):
            outcomes = await asyncio.gather(put(store, "b"), store.update(note), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable, StoreUnavailable]
        assert len(undone) == 1
        assert sorted(store.view(everything)) == ["a"]
        await put(store, "c")

        assert [row.revision for row in store.changes(0, {"Pod"}, 9).rows] == [1, 2]
    async with reopened(path) as store:
        assert sorted(store.view(everything)) == ["a", "c"]


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let no write take a file beyond that size; the system refuses it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_lists_are_in_order_of_their_keys_and_in_pages(store: SqliteStore) -> None:
    for namespace, name in (("b", "x"), ("a", "z"), ("", "y"), ("a", "a-1"), ("a", "a"), ("a", "Z")):
        await store.update(lambda tx, ns=namespace, n=name: tx.put("Pod", ns, n, {}))
    keys = [("", "y"), ("a", "Z"), ("a", "a"), ("a", "a-1"), ("a", "z"), ("b", "x")]

    def page(view: View) -> list[tuple[str, str]]:
        return [stored[:2] for stored in view.list("Pod", after=("a", "a"), limit=2)]

    assert store.view(lambda view: [stored[:2] for stored in view.list("Pod")]) == keys
    assert store.view(lambda view: [stored[:2] for stored in view.list("Pod", "a")]) == keys[1:5]
    assert store.view(page) == keys[3:5]


async def test_the_log_tells_what_changed_by_kind_and_in_pieces(store: SqliteStore) -> None:
    await put(store, "a")
    await put(store, "n", kind="Node")
    await put(store, "a", "b")
    await store.update(lambda tx: tx.delete("Pod", "default", "a"))

    def told(changes: list[Change]) -> list[tuple[int, str, str]]:
        return [(change.revision, change.op, change.name) for change in changes]

    changes = store.changes(0, {"Pod"}, 10)
    assert told([*changes.rows]) == [(1, "ADDED", "a"), (3, "MODIFIED", "a"), (4, "ADDED", "b"), (5, "DELETED", "a")]
    assert changes.upto == 5
    assert [change.previous is None for change in changes.rows] == [True, False, True, False]
    assert store.changes(0, {"Pod"}, 2).upto == 3
    assert store.changes(1, {"Node"}, 10).upto == 5
    assert told([*store.changes(1, {"Node", "Pod"}, 2).rows]) == [(2, "ADDED", "n"), (3, "MODIFIED", "a")]
    assert store.last_changes() == {"Pod": 5, "Node": 2}


async def test_followers_see_a_change_in_its_transaction_and_may_add_to_it(store: SqliteStore) -> None:
    def echo(tx: Tx, change: Change) -> None:
        if change.kind == "Pod":
            tx.put("Echo", change.namespace, change.name, {"op": change.op})

    store.follow(echo)
    await put(store, "a")
    await store.update(lambda tx: tx.delete("Pod", "default", "a"))

    assert [json.loads(c.body)["op"] for c in store.changes(0, {"Echo"}, 10).rows] == ["ADDED", "DELETED"]


async def test_after_compaction_revisions_go_on_and_older_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with reopened(path) as store:
        await put(store, "a", "b", "c")
        await store.update(lambda tx: tx.compact(3))
    async with reopened(path) as store:
        assert (store.revision, store.compacted) == (3, 3)
        assert store.changes(3, {"Pod"}, 10) == ([], 3)
        with pytest.raises(Compacted):
            store.changes(2, {"Pod"}, 10)
        with pytest.raises(Compacted):
            store.view(lambda view: view.list("Pod", at=2))
        await put(store, "d")
        assert store.changes(3, {"Pod"}, 10).rows[0].revision == 4


async def test_leases_are_found_by_what_they_hold_and_by_who_holds_them(store: SqliteStore) -> None:
    one = await store.update(lambda tx: tx.put_lease(lease("10.0.0.9", labels={"app": "web", "tier": "a"})))
    block = await store.update(lambda tx: tx.put_lease(lease("10.0.1.0", "web-1", 24, expires=9.0, ttl=4)))
    other = await store.update(lambda tx: tx.put_lease(lease("fd00::1", "web-2", 128, labels={"app": "db"})))

    def found(**wanted: object) -> list[Lease]:
        return [*store.view(lambda view: view.leases(LeaseFilter(**wanted)))]  # type: ignore[arg-type]

    def meeting(text: str) -> Lease | None:
        return store.view(lambda view: view.lease_meeting("pods", read_block(text)))

    assert (one.id, block.id, other.id) == (1, 2, 3)
    assert found() == [one, block, other]
    assert found(labels={"app": "web"}) == [one]
    assert found(labels={"app": "web", "tier": "b"}) == []
    assert found(name="web-1", namespace="default", kind="Pod", pool="pods") == [block]
    assert found(pool="other") == found(namespace="x") == found(kind="Node") == []
    assert store.view(lambda view: view.leases(LeaseFilter(), after=1, limit=1)) == [block]
    assert store.view(lambda view: view.leases_of(Owner("Pod", "web-2", "default", "any"))) == [other]
    assert meeting("10.0.0.9") == meeting("10.0.0.8/30") == one
    assert meeting("10.0.1.77") == block
    assert meeting("10.0.0.10") is meeting("10.0.2.0") is meeting("10.0.0.0") is None
    assert meeting("fd00::1") == other
    assert store.view(lambda view: view.expiring(8.9, 5)) == []
    assert store.view(lambda view: view.expiring(9.0, 5)) == [block]


async def test_a_lease_is_logged_under_its_pool_and_address(store: SqliteStore) -> None:
    made = await store.update(lambda tx: tx.put_lease(lease("10.0.1.0", "web-1", 24)))
    renewed = await store.update(lambda tx: tx.put_lease(made))
    await store.update(lambda tx: tx.delete_lease(renewed, "released"))
    rows = store.changes(0, {"Lease"}, 10).rows

    assert [(row.op, row.namespace, row.name) for row in rows] == [
        (op, "pods", "10.0.1.0/24") for op in ("ADDED", "MODIFIED", "DELETED")
    ]
    assert [json.loads(row.body)["revision"] for row in rows] == [1, 2, 3]


def test_a_second_daemon_is_kept_out_while_the_first_one_runs(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"

    async def both() -> None:
        async with reopened(path):
            with pytest.raises(StartError, match="in use by another ipamd"):
                SqliteStore(path)
        async with reopened(path):
            pass

    asyncio.run(both())


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is no database" * 100)

    with pytest.raises(StartError, match="not a database"):
        SqliteStore(path)


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StartError, match="cannot open the store"):
        SqliteStore(tmp_path / "file" / "store.sqlite")


KEYS = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z"]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, 9)),
        st.tuples(st.just("delete"), KEYS, st.just(0)),
        st.tuples(st.just("fail"), KEYS, st.integers(0, 9)),
        st.tuples(st.just("reopen"), KEYS, st.just(0)),
    ),
    max_size=25,
)
State = dict[tuple[str, str], int]


def step(tx: Tx, what: str, key: tuple[str, str], value: int) -> None:
    """Carry out one step of the model test."""
    if what == "delete":
        tx.delete("Pod", *key)
    else:
        tx.put("Pod", *key, {"value": value})
    if what == "fail":
        raise ZeroDivisionError


def state(view: View, at: int | None = None) -> State:
    """What the store holds, or held at a revision."""
    return {stored[:2]: json.loads(stored.body)["value"] for stored in view.list("Pod", at=at)}


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_the_store_equals_a_dictionary_now_and_at_every_revision(steps: list[tuple[str, tuple[str, str], int]]) -> None:
    async def compare(path: Path) -> None:
        store, model = SqliteStore(path), State()
        history = [State()]
        for what, key, value in steps:
            if what == "reopen":
                await store.close()
                store = SqliteStore(path)
                continue
            outcome = await asyncio.gather(
                store.update(partial(step, what=what, key=key, value=value)), return_exceptions=True
            )
            assert (what == "fail") == isinstance(outcome[0], ZeroDivisionError)
            if what == "put":
                model[key] = value
            elif what == "delete":
                model.pop(key, None)
            if store.revision == len(history):
                history.append(dict(model))
        assert store.view(state) == model == history[-1]
        for revision, then in enumerate(history):
            assert store.view(lambda view, at=revision: state(view, at)) == then
        assert [row.revision for row in store.changes(0, {"Pod"}, 99).rows] == [*range(1, len(history))]
        await store.close()

    with TemporaryDirectory() as directory:
        asyncio.run(compare(Path(directory) / "store.sqlite"))
