"""The Corefiles that distributions ship: set up as they stand, and answering with the ports and servers of a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kdns.corefile import Files, parse
from kdns.instance import Surroundings as Around
from kdns.instance import set_up
from kdns.metrics import Metrics
from kdns.plugins import ORDER
from tests.corefiles import Surroundings

CONFIGS = Path(__file__).parents[2] / "configs"
STOCK = sorted(path.name for path in CONFIGS.glob("Corefile.*") if path.name != "Corefile.demo")
CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}

each_stock = pytest.mark.parametrize("name", STOCK)


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    made = Surroundings(tmp_path_factory.mktemp("stock"))
    yield made
    made.stop()


@each_stock
def test_is_set_up_as_it_stands(name: str) -> None:
    said: list[str] = []
    files = Files(read=lambda path: "", glob=lambda pattern: [], warn=said.append)
    blocks = parse((CONFIGS / name).read_text(), name, ORDER, CLUSTER, files)
    around = Around(Metrics(), CLUSTER, CONFIGS, lambda level, message: None)

    instance = set_up(blocks, around)

    assert len(instance.sites) == len(blocks) > 0
    for block, site in zip(blocks, instance.sites, strict=True):
        assert set(site.plugins) == set(block.directives)


@each_stock
def test_answers_for_the_cluster_and_the_world(name: str, surroundings: Surroundings) -> None:
    text = (CONFIGS / name).read_text()
    with surroundings.started(text, name) as server:
        assert server.answers("www.example.org. A") == ["www.example.org. 30 IN A 192.0.2.80"]
        if "kubernetes" in text:
            (record,) = server.answers("kubernetes.default.svc.cluster.local. A")
            assert record.endswith("IN A 10.96.0.1")
        if "NodeHosts" in text:
            assert server.answers("node-1. A") == ["node-1. 30 IN A 192.168.56.11"]
