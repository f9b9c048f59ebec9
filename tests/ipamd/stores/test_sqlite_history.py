"""Who had an address when, as the store knows it."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ipamd.model import Lease, Owner, Tenure, TenureFilter
from ipamd.stores import Tx
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.clock import Clock

START = Clock().now
OWNERS = [Owner("Container", name, "web") for name in ("a", "b", "c")]


def lease(owner: Owner, address: str = "192.0.2.7", length: int = 32, pool: str = "tiny") -> Lease:
    return Lease(0, 0, pool, address, length, owner, START)


def put(tx: Tx, wanted: Lease) -> Lease:
    for pool in ("tiny", "blocks"):
        if tx.get("Pool", "", pool) is None:
            tx.put("Pool", "", pool, {})
    return tx.put_lease(replace(wanted, created=tx.now))


def told(tenures: list[Tenure]) -> list[tuple[str, float, float | None, str]]:
    return [
        (each.owner.name, each.since - START, None if each.until is None else each.until - START, each.reason)
        for each in tenures
    ]


def find(store: SqliteStore, limit: int = 99, **wanted: Any) -> list[tuple[str, float, float | None, str]]:
    return told([*store.view(lambda view: view.tenures(TenureFilter(**wanted), limit))])


async def take(store: SqliteStore, owner: Owner, address: str = "192.0.2.7", **more: Any) -> Lease:
    return await store.update(lambda tx: put(tx, lease(owner, address, **more)))


async def hand_over(store: SqliteStore, held: Lease, owner: Owner) -> Lease:
    return await store.update(lambda tx: tx.put_lease(replace(held, owner=owner)))


async def end(store: SqliteStore, held: Lease, reason: str = "released") -> None:
    await store.update(lambda tx: tx.delete_lease(held, reason))


@pytest.fixture
async def past(store: SqliteStore, clock: Clock) -> SqliteStore:
    """192.0.2.7 was a's from 0 to 10 and is b's since 20; its block is c's since 5."""
    first = await take(store, OWNERS[0])
    clock.now = START + 5
    await take(store, OWNERS[2], "192.0.2.0", length=24, pool="blocks")
    clock.now = START + 10
    await end(store, first)
    clock.now = START + 20
    await take(store, OWNERS[1])
    return store


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, [("b", 20, None, ""), ("c", 5, None, ""), ("a", 0, 10, "released")]),
        (0, 0, [("a", 0, 10, "released")]),
        (9.5, 9.5, [("c", 5, None, ""), ("a", 0, 10, "released")]),
        (10, 10, [("c", 5, None, "")]),  # at its end a tenure is over
        (20, 20, [("b", 20, None, ""), ("c", 5, None, "")]),  # and at its beginning it has begun
        (-5, -1, []),
        (4, 12, [("c", 5, None, ""), ("a", 0, 10, "released")]),
        (12, None, [("b", 20, None, ""), ("c", 5, None, "")]),
        (None, 4, [("a", 0, 10, "released")]),
    ],
)
async def test_finds_who_had_an_address_in_a_time(
    past: SqliteStore, since: float | None, until: float | None, expected: list[object]
) -> None:
    times = {name: START + at for name, at in (("since", since), ("until", until)) if at is not None}

    assert find(past, address="192.0.2.7", **times) == expected


@pytest.mark.parametrize(
    ("wanted", "owners"),
    [
        ({"name": "a"}, ["a"]),
        ({"name": "b", "namespace": "web"}, ["b"]),
        ({"name": "b", "namespace": "other"}, []),
        ({"name": "b", "kind": "Pod"}, []),
        ({"name": "b", "address": "192.0.2.7"}, ["b"]),
        ({"address": "192.0.2.8"}, ["c"]),
        ({"address": "192.0.3.7"}, []),
        ({"address": "2001:db8::7"}, []),
        ({}, ["b", "c", "a"]),
    ],
)
async def test_finds_what_an_owner_had(past: SqliteStore, wanted: dict[str, str], owners: list[str]) -> None:
    assert [row[0] for row in find(past, **wanted)] == owners


async def test_shows_no_more_than_asked_for_and_the_latest_first(past: SqliteStore) -> None:
    assert [row[0] for row in find(past, limit=2)] == ["b", "c"]


async def test_ipv6_blocks_are_found_by_an_address_in_them(store: SqliteStore) -> None:
    await take(store, OWNERS[0], "fd00:10:244::", length=64)

    assert [row[0] for row in find(store, address="fd00:10:244::ffff:1")] == ["a"]
    assert find(store, address="fd00:10:244:1::1") == []


async def test_a_lease_that_goes_from_owner_to_owner_has_a_tenure_of_each(store: SqliteStore, clock: Clock) -> None:
    held = await take(store, OWNERS[0])
    for number, owner in enumerate(OWNERS[1:], 1):
        clock.now = START + number * 10
        held = await hand_over(store, held, owner)
    clock.now = START + 30
    await end(store, held, "expired")

    assert find(store, address="192.0.2.7") == [
        ("c", 20, 30, "expired"),
        ("b", 10, 20, "went to Container web/c"),
        ("a", 0, 10, "went to Container web/b"),
    ]


async def test_an_owner_that_gets_a_uid_stays_who_it_is(store: SqliteStore) -> None:
    await hand_over(store, await take(store, OWNERS[0]), replace(OWNERS[0], uid="1"))

    assert find(store, address="192.0.2.7") == [("a", 0, None, "")]


async def test_compaction_of_the_log_forgets_nothing_of_the_history(past: SqliteStore) -> None:
    await past.update(lambda tx: tx.compact(tx.revision))

    assert [row[0] for row in find(past, address="192.0.2.7")] == ["b", "c", "a"]


async def test_forgets_what_ended_long_ago_in_slices_and_keeps_what_a_lease_that_stands_rests_on(
    store: SqliteStore, clock: Clock
) -> None:
    for number in range(3):
        await end(store, await take(store, OWNERS[0], f"192.0.2.{number}"))
    stands = await take(store, OWNERS[1])
    clock.now = START + 10
    await hand_over(store, stands, OWNERS[2])

    forgotten = [await store.update(lambda tx: tx.forget_history(START + 100, 2)) for _ in range(3)]

    assert forgotten == [2, 1, 0]
    assert find(store) == [("c", 10, None, ""), ("b", 0, 10, "went to Container web/c")]


@pytest.mark.parametrize("wanted", [{"address": "192.0.2.7"}, {"name": "a"}])
async def test_no_question_reads_a_whole_table(past: SqliteStore, wanted: dict[str, str]) -> None:
    plan = await past.update(lambda tx: explained(tx, TenureFilter(**wanted)))

    assert not [line for line in plan if line.startswith(("SCAN leases", "SCAN history"))], plan


def explained(tx: Tx, wanted: TenureFilter) -> list[str]:
    connection = tx._connection  # type: ignore[attr-defined]
    lines: list[str] = []

    def note(_cursor: object, statement: str, values: object) -> bool:
        if statement.lstrip().startswith("SELECT"):
            rows = connection.cursor()
            rows.exec_trace = None
            lines.extend(str(row[3]) for row in rows.execute(f"EXPLAIN QUERY PLAN {statement}", values))
        return True

    connection.exec_trace = note
    try:
        tx.tenures(wanted, 9)
    finally:
        connection.exec_trace = None
    return lines


ADDRESSES = [f"192.0.2.{number}" for number in range(3)]
ACTIONS = st.sampled_from(["take", "hand over", "release", "compact", "reopen"])
STEPS = st.lists(st.tuples(ACTIONS, st.integers(0, 2), st.integers(0, 2)), max_size=25)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_at_any_time_an_address_was_whose_it_was(steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(replay(Path(directory), steps))


async def replay(directory: Path, steps: list[tuple[str, int, int]]) -> None:
    """Carry the steps out, a second each, beside a list of who had what at the end of every second."""
    clock, held, seconds = Clock(), dict[str, Lease](), list[dict[str, str]]()
    store = SqliteStore(directory / "store.sqlite", clock)
    for step, place, number in steps:
        address, owner = ADDRESSES[place], OWNERS[number]
        has = held.get(address)
        if step == "take" and has is None:
            held[address] = await take(store, owner, address)
        elif step == "hand over" and has is not None:
            held[address] = await hand_over(store, has, owner)
        elif step == "release" and has is not None:
            await end(store, held.pop(address))
        elif step == "compact":
            await store.update(lambda tx: tx.compact(tx.revision))
        elif step == "reopen":
            await store.close()
            store = SqliteStore(directory / "store.sqlite", clock)
        seconds.append({address: held[address].owner.name for address in held})
        clock.now += 1
    for second, expected in enumerate(seconds):
        at = START + second
        for address in ADDRESSES:
            found = find(store, address=address, since=at, until=at)
            assert [row[0] for row in found] == [expected[name] for name in [address] if name in expected]
    await store.close()
