"""A cluster of nothing but the pools that a row names."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest

from ipamd.kube.cidr_upkeep import make_default
from ipamd.log import Log
from ipamd.model import Pool
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.kube.cluster import Cluster

MakeCluster = Callable[..., Awaitable[Cluster]]


@pytest.fixture
async def make_cluster(tmp_path: Path) -> AsyncIterator[MakeCluster]:
    """Makes a cluster with these pools, without the Service that every cluster has."""
    async with AsyncExitStack() as opened:

        async def make(*pools: Pool) -> Cluster:
            store = SqliteStore(tmp_path / "store.sqlite")
            opened.push_async_callback(store.close)
            service = Service(store, Log(store, 1000), Random(1))
            await service.ensure_pools(pools)
            made = Cluster(service)
            await made.create("Namespace", "default")
            await made.do(lambda work: make_default(work.tx))
            return made

        yield make
