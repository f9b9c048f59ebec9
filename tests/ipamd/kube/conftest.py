"""A cluster on an empty store with a few pools."""

import pytest

from ipamd.model import Pool
from ipamd.service import Service
from tests.ipamd.kube.cluster import Cluster


@pytest.fixture
async def cluster(service: Service) -> Cluster:
    """A dual-stack cluster as it is from the start."""
    await service.ensure_pools([Pool("services-v6", ("fd00:10:96::/112",), purpose="services")])
    made = Cluster(service)
    await made.start()
    return made
