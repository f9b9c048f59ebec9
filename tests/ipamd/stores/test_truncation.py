"""Files of a store that were cut off anywhere: what they still tell is true, and nothing is given twice."""

import asyncio
import shutil
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from ipamd.errors import OldCopy, StartError, StoreUnavailable
from ipamd.fsck import check
from ipamd.fsck.running import found_running
from ipamd.log import Log
from ipamd.model import LeaseFilter, Owner, Pool, Wish
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.clock import Clock

LAB = Pool("lab", ("10.0.0.0/16",))
LEASES = 60  # not so many that what is in the log beside the file is moved into it
CUTS = 25
Leases = dict[str, tuple[int, str]]


class Killed(NamedTuple):
    """The files that a killed daemon left, and what was acknowledged by each revision."""

    directory: Path
    acknowledged: dict[int, Leases]


def opened(directory: Path) -> Service:
    store = SqliteStore(directory / "store.sqlite", Clock())
    return Service(store, Log(store, 1000), Random(1))


def leases(service: Service) -> Leases:
    return {lease.owner.name: (lease.id, lease.address) for lease in service.list_leases(LeaseFilter(), 0, 1000)}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    directory = tmp_path_factory.mktemp("live")
    acknowledged: dict[int, Leases] = {0: {}, 1: {}}

    async def fill() -> None:
        service = opened(directory)
        await service.ensure_pools([LAB])
        for number in range(LEASES):
            lease, _ = await service.lease(Owner("Container", f"c{number}"), Wish(pool="lab"))
            acknowledged[service.store.revision] = leases(service)
            if number % 5 == 0:
                await service.release(lease.id)
                acknowledged[service.store.revision] = leases(service)
        shutil.copytree(directory, directory / "killed")
        await service.store.close()

    asyncio.run(fill())
    return Killed(directory / "killed", acknowledged)


@pytest.fixture
def cut(killed: Killed, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The files, of which one has lost its end."""
    name, seed = request.param
    copied = tmp_path / "cut"
    shutil.copytree(killed.directory, copied)
    with (copied / name).open("r+b") as file:
        file.truncate(Random(seed).randrange((copied / name).stat().st_size))
    return copied


def each(name: str) -> list[tuple[str, int]]:
    return [(name, seed) for seed in range(CUTS)]


@pytest.mark.parametrize("cut", each("store.sqlite-wal"), indirect=True)
async def test_without_its_last_commits_a_store_is_what_it_was_and_gives_nothing(cut: Path, killed: Killed) -> None:
    service = opened(cut)

    assert leases(service) == killed.acknowledged[service.store.revision]
    await service.ensure_pools([LAB])
    with pytest.raises(OldCopy):
        await service.lease(Owner("Container", "new"), Wish(pool="lab"))
    assert [*service.store.view(lambda view: [*check(view)]), *await found_running(service)] == []
    await service.store.close()


@pytest.mark.parametrize("cut", [*each("store.sqlite"), *each("store.sqlite-shm")], indirect=True)
async def test_a_store_without_its_end_is_refused_unless_nothing_is_lost(cut: Path, killed: Killed) -> None:
    try:
        service = opened(cut)
    except (StartError, StoreUnavailable):
        return
    assert leases(service) == killed.acknowledged[max(killed.acknowledged)]
    given, _ = await service.lease(Owner("Container", "new"), Wish(pool="lab"))
    assert given.address not in {address for _, address in killed.acknowledged[max(killed.acknowledged)].values()}
    assert [*service.store.view(lambda view: [*check(view)]), *await found_running(service)] == []
    await service.store.close()


@pytest.mark.parametrize("kept", [0, 1, 700])
async def test_a_file_that_was_closed_and_has_lost_its_end_is_told(killed: Killed, tmp_path: Path, kept: int) -> None:
    shutil.copytree(killed.directory, tmp_path / "closed")
    path = tmp_path / "closed" / "store.sqlite"
    await opened(path.parent).store.close()  # which leaves nothing beside the file
    with path.open("r+b") as file:
        file.truncate(kept * path.stat().st_size // 1000)

    if kept:
        with pytest.raises(StartError, match=f"cannot open the store {path}: "):
            opened(path.parent)
        return
    service = opened(path.parent)  # as if there had been none: what stands beside it knows better
    assert "another store" in service.store.old_because
    await service.store.close()
