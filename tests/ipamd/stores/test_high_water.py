"""An old copy of a store is noticed when it is put in the store's place."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ipamd.errors import OldCopy, StartError, StoreUnavailable
from ipamd.fsck import check
from ipamd.log import Log
from ipamd.model import Lease, LeaseFilter, Owner, Pool, Wish
from ipamd.service import Service
from ipamd.stores import Tx
from ipamd.stores.high_water import HighWater, Seen, read_seen
from ipamd.stores.sqlite import SqliteStore
from ipamd.stores.sqlite_copy import restore
from tests.ipamd.clock import Clock

LAB = Pool("lab", ("192.0.2.0/28",))


async def opened(path: Path) -> Service:
    store = SqliteStore(path, Clock())
    service = Service(store, Log(store, 1000), Random(1))
    await service.ensure_pools([LAB])
    return service


async def lease(service: Service, name: str) -> Lease:
    return (await service.lease(Owner("Container", name), Wish(pool="lab")))[0]


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store with a lease, then put aside as `copy`, then one lease more."""
    service = await opened(tmp_path / "store.sqlite")
    await lease(service, "before")
    await service.store.close()
    shutil.copytree(tmp_path, tmp_path / "copy")
    service = await opened(tmp_path / "store.sqlite")
    await lease(service, "after")
    await service.store.close()
    return tmp_path / "store.sqlite"


def put_back(path: Path, *names: str) -> None:
    for name in names:
        shutil.copyfile(path.parent / "copy" / name, path.with_name(name))


async def test_a_store_that_is_opened_again_is_no_copy(path: Path) -> None:
    for _ in range(2):
        service = await opened(path)
        assert service.store.old_because == ""
        await lease(service, "again")
        await service.store.close()


def lose_mark(path: Path) -> None:
    path.with_name("store.sqlite.seen").unlink()


def take_mark_of_another(path: Path) -> None:
    water = HighWater(path)
    water.note("0" * 32, 1)
    water.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: put_back(path, "store.sqlite"), "it is of revision 2, and revision 3 had been reached"),
        (lose_mark, "store.sqlite.seen, which tells how far it had come, is missing"),
        (take_mark_of_another, "store.sqlite.seen is of another store, which stood here before"),
        (lambda path: restore(path, path), "it was put back from a copy"),
    ],
)
async def test_an_old_copy_gives_nothing_until_its_age_is_accepted(
    path: Path, change: Callable[[Path], object], reason: str
) -> None:
    change(path)
    for told in (reason, ""):  # it does not forget that it is old, even if it has forgotten why
        service = await opened(path)
        assert service.store.old_because
        assert service.store.old_because.endswith(told)
        with pytest.raises(OldCopy, match="accept-rollback"):
            await lease(service, "new")
        (refused,) = await service.lease_batch(
            [(Owner("Container", "new"), Wish(pool="lab"))], atomic=False, is_trial=False
        )
        assert isinstance(refused, OldCopy)
        held = await lease(service, "before")  # who has something keeps it
        await service.store.update(lambda tx: tx.put("Thing", "", "a", {}))
        await service.store.close()

    service = await opened(path)
    await service.store.update(lambda tx: tx.accept_age())
    given = await lease(service, "new")

    assert service.store.old_because == ""
    assert given.id > 1 << 32 > held.id
    assert service.store.view(lambda view: [*check(view)]) == []
    await service.store.close()
    again = await opened(path)
    assert again.store.old_because == ""
    await again.store.close()


async def test_what_is_given_back_of_an_old_copy_is_free_once_its_age_is_accepted(path: Path) -> None:
    put_back(path, "store.sqlite")
    service = await opened(path)
    (held,) = service.list_leases(LeaseFilter(), 0, 9)
    await service.release(held.id)
    await service.store.update(lambda tx: tx.accept_age())

    assert (await lease(service, "new")).address == held.address
    await service.store.close()


async def test_age_is_not_accepted_by_a_transaction_that_fails(path: Path) -> None:
    put_back(path, "store.sqlite")
    service = await opened(path)

    def fail(tx: Tx) -> None:
        tx.accept_age()
        raise LookupError

    results = await asyncio.gather(service.store.update(fail), lease(service, "new"), return_exceptions=True)
    await service.store.close()

    assert [type(each) for each in results] == [LookupError, OldCopy]


async def test_watchers_of_an_old_copy_list_again_and_go_on(path: Path) -> None:
    put_back(path, "store.sqlite")
    service = await opened(path)
    await service.store.update(lambda tx: tx.put("Thing", "", "a", {}))
    await service.store.update(lambda tx: tx.accept_age())
    since = service.log.revision
    await service.store.update(lambda tx: tx.put("Thing", "", "b", {}))

    assert service.store.compacted == since
    assert [row.name for row in service.log.changes(since, {"Thing"}).rows] == ["b"]
    await service.store.close()


async def test_a_copy_of_a_store_in_use_is_whole_and_knows_that_it_is_one(path: Path, tmp_path: Path) -> None:
    service = await opened(path)
    target = tmp_path / "elsewhere" / "copy.sqlite"
    target.parent.mkdir()
    copy, *leases = await asyncio.gather(service.store.copy(), *(lease(service, f"c{n}") for n in range(5)))
    with copy:
        target.write_bytes(copy.read())
    await service.store.close()

    copied = await opened(target)
    assert copied.store.old_because == "it was put back from a copy"
    assert copied.store.view(lambda view: [*check(view)]) == []
    assert {"before", "after"} <= {each.owner.name for each in copied.list_leases(LeaseFilter(), 0, 99)}
    await copied.store.close()
    assert len(leases) == 5


async def test_a_copy_is_put_in_the_place_of_a_store_with_nothing_left_of_that(path: Path) -> None:
    service = await opened(path)
    with await service.store.copy() as copy:
        path.with_name("copy.sqlite").write_bytes(copy.read())
    await lease(service, "later")
    with pytest.raises(StartError, match="in use"):
        restore(path.with_name("copy.sqlite"), path)
    shutil.copyfile(path.with_name("store.sqlite-wal"), path.with_name("wal"))
    await service.store.close()
    path.with_name("wal").rename(path.with_name("store.sqlite-wal"))  # as after a kill

    assert restore(path.with_name("copy.sqlite"), path) == 3
    service = await opened(path)
    assert [each.owner.name for each in service.list_leases(LeaseFilter(), 0, 9)] == ["before", "after"]
    await service.store.close()


async def test_what_was_left_of_a_copy_by_a_kill_goes_when_the_store_is_opened(path: Path) -> None:
    left, others = (path.with_name(name) for name in (".store.sqlite.copy-x", ".other.sqlite.copy-x"))
    for place in (left, others):
        place.mkdir()
        (place / "copy.sqlite").write_bytes(b"half")
    service = await opened(path)
    assert not left.exists()
    assert others.exists()
    await service.store.close()


async def test_a_copy_that_cannot_be_made_is_refused_and_leaves_nothing(path: Path) -> None:
    service = await opened(path)
    before = {each.name for each in path.parent.iterdir()}
    shutil.move(path, path.with_name("moved.sqlite"))
    with pytest.raises(StoreUnavailable):
        await service.store.copy()
    shutil.move(path.with_name("moved.sqlite"), path)
    assert {each.name for each in path.parent.iterdir()} == before
    await service.store.close()


@pytest.mark.parametrize("content", [b"", b"no store" * 1000, None])
def test_what_is_no_copy_is_put_nowhere(path: Path, content: bytes | None) -> None:
    before, other = path.read_bytes(), path.with_name("other")
    if content is not None:
        other.write_bytes(content)

    with pytest.raises(StartError):
        restore(other, path)
    assert path.read_bytes() == before


async def test_a_store_whose_mark_cannot_be_made_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite.seen").mkdir()

    with pytest.raises(StartError, match="cannot open"):
        SqliteStore(tmp_path / "store.sqlite")


@pytest.mark.parametrize(
    ("octets", "seen"),
    [(b"", None), (b"abc", None), (b"abc x\n", None), (b"\xff\xff", None), (b"abc 00012\n", Seen("abc", 12))],
)
def test_a_mark_that_says_nothing_is_none(octets: bytes, seen: Seen | None) -> None:
    assert read_seen(octets) == seen


async def test_a_mark_is_never_ahead_of_its_store(path: Path) -> None:
    """Whatever is on the disk when the machine fails, the mark is of a revision that the store has."""
    service = await opened(path)
    for number in range(3):
        await lease(service, f"c{number}")
        seen = read_seen(path.with_name("store.sqlite.seen").read_bytes())
        assert seen == Seen(service.store.view(lambda view: view.identity), service.store.revision)
    await service.store.close()
