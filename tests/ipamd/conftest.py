"""What the tests of ipamd share: a store in a temporary directory, and a daemon in a process of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest

from ipamd.fsck import check
from ipamd.fsck.running import found_running
from ipamd.log import Log
from ipamd.model import Pool
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.clock import Clock
from tests.ipamd.daemon import Daemon

PODS = Pool("pods", ("10.244.0.0/16",), purpose="pods", block_size=24)
PODS_V6 = Pool("pods-v6", ("fd00:10:244::/56",), purpose="pods", block_size=64)
SERVICES = Pool("services", ("10.96.0.0/12",), purpose="services", strategy="random")
TINY = Pool("tiny", ("192.0.2.0/29",))
OF_POOLS = ("inside-pool", "cooling")  # invariants of a store with pools, which some tests of stores do without


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon on a new store, which the test may kill and start again."""
    made = Daemon(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def ipamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that the tests of a module share; its log of errors has to stay empty."""
    made = Daemon(tmp_path_factory.mktemp("ipamd"))
    made.start()
    yield made
    assert made.stop() == 0
    assert "Traceback" not in made.errors.read_text()


@pytest.fixture
def clock() -> Clock:
    """The clock of `store`."""
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    """An empty store."""
    opened = SqliteStore(tmp_path / "store.sqlite", clock)
    yield opened
    assert [flaw for flaw in opened.view(lambda view: [*view.flaws()]) if flaw.invariant not in OF_POOLS] == []
    await opened.close()


@pytest.fixture
def broken() -> set[str]:
    """The invariants that a test breaks on purpose, which it is to add here."""
    return set()


@pytest.fixture
async def service(store: SqliteStore, broken: set[str]) -> AsyncIterator[Service]:
    """A service on the empty store, with a few pools; whatever a test does, the store and the counts stay sound."""
    made = Service(store, Log(store, 1000), Random(1))
    await made.ensure_pools([PODS, PODS_V6, SERVICES, TINY])
    yield made
    found = [*store.view(lambda view: [*check(view)]), *await found_running(made)]
    assert [str(each) for each in found if each.invariant not in broken] == []
