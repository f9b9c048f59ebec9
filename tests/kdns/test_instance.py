"""Instances: what starts together, what is closed whatever happens, what one goes on with from another."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kdns.chain import Reply
from kdns.corefile import Files, ServerBlock, parse
from kdns.errors import StartError
from kdns.instance import Instance, Site, Surroundings, set_up
from kdns.metrics import Metrics
from kdns.plugins import ORDER
from kdns.wire import codes
from tests.kdns.apiserver import ApiServer, Moments, refusal
from tests.kdns.asking import ask

SVC = "default.svc.cluster.local."
CLUSTER = "kubernetes cluster.local {\n endpoint %s\n startup_timeout 10ms\n %s\n}\n"


class Slow:
    """A plugin whose start takes for ever, and that can be closed."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def start(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.told.append("start ended")

    async def close(self) -> None:
        self.told.append("closed")


class Broken:
    """A plugin that can be neither started nor closed."""

    async def start(self) -> None:
        raise StartError("plugin/broken: no")

    async def close(self) -> None:
        raise OSError("stuck")


def instance(*plugins: object) -> Instance:
    block = ServerBlock((), {})
    return Instance((Site(block, (), {str(number): plugin for number, plugin in enumerate(plugins)}, ()),))


async def test_when_one_plugin_cannot_start_no_other_goes_on_starting() -> None:
    slow = Slow()
    with pytest.raises(StartError, match="plugin/broken: no"):
        await instance(slow, Broken()).start(print, print)
    assert slow.told == ["start ended"]


async def test_a_plugin_that_cannot_be_closed_is_told_of_and_keeps_no_other_open() -> None:
    slow, told = Slow(), list[str]()
    await instance(Broken(), slow).close(told.append)
    assert slow.told == ["closed"]
    assert told == ["a plugin could not be closed: OSError('stuck')"]


class Clusters:
    """Configurations one after the other, of the same API server."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.running = Instance(())
        self.said: list[str] = []
        self.changes = Moments()

    async def replace(self, *properties: str, more: str = "") -> None:
        """Set up a configuration with a kubernetes for each of `properties`, start it, close the one before."""
        text = "".join(
            f"cluster.local:{port} {{\n{CLUSTER % (self.server.url, each)}{more}}}\n"
            for port, each in enumerate(properties, 1000)
        )
        blocks = parse(text, "Corefile", ORDER, {}, Files(lambda path: "", lambda pattern: [], print))
        around = Surroundings(Metrics(), {}, Path.cwd(), lambda level, message: self.said.append(message))
        fresh = set_up(blocks, around, self.running.sites)
        await fresh.start(lambda keys: self.changes.tick(), self.said.append)
        old, self.running = self.running, fresh
        await old.close(self.said.append)

    def put(self, name: str, address: str) -> None:
        spec = {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address]}
        self.server.put("/api/v1/services", {"metadata": {"namespace": "default", "name": name}, "spec": spec})

    def plugins(self) -> list[Any]:
        return [site.plugins["kubernetes"] for site in self.running.sites]

    def ask(self, name: str) -> Reply:
        return ask(self.plugins()[0], f"{name}.{SVC} A")

    async def synced(self) -> None:
        for plugin in self.plugins():
            await plugin._mirror.progress.complete.wait()


@pytest.fixture
async def clusters() -> AsyncIterator[Clusters]:
    server = ApiServer()
    server.put("/api/v1/namespaces", {"metadata": {"name": "default"}})
    await server.start()
    made = Clusters(server)
    made.put("web", "10.96.0.1")
    yield made
    await made.running.close(made.said.append)
    await server.stop()
    assert not [line for line in made.said if "ended" in line or "closed" in line]


async def test_a_reload_while_the_api_server_is_away_forgets_nothing(clusters: Clusters) -> None:
    await clusters.replace("ttl 30")
    await clusters.synced()
    await clusters.server.stop()

    await clusters.replace("ttl 30")

    assert clusters.plugins()[0].ready()
    assert clusters.ask("web").rcode == codes.NOERROR
    assert clusters.ask("nope").rcode == codes.NXDOMAIN  # and not SERVFAIL
    clusters.put("late", "10.96.0.2")
    await clusters.server.start()
    await clusters.changes.until(lambda: clusters.ask("late").rcode == codes.NOERROR)


async def test_after_a_reload_the_watches_go_on_where_they_were_without_a_list(clusters: Clusters) -> None:
    await clusters.replace("pods verified")
    await clusters.synced()
    await clusters.server.watched(4)
    lists = len(clusters.server.queries(watch=False))

    await clusters.replace("pods verified")
    await clusters.server.watched(4)

    assert len(clusters.server.queries(watch=False)) == lists


@pytest.mark.parametrize(
    ("properties", "more"), [("ttl 31", ""), ("ttl 30", "metadata\n"), ("ttl 30", "k8s_external\n")]
)
async def test_what_another_configuration_wants_to_know_is_asked_for_anew(
    clusters: Clusters, properties: str, more: str
) -> None:
    await clusters.replace("ttl 30")
    await clusters.synced()
    clusters.server.next_list(*[refusal(503)] * 3)

    await clusters.replace(properties, more=more)

    assert not clusters.plugins()[0].ready()


async def test_no_two_plugins_go_on_from_the_same(clusters: Clusters) -> None:
    await clusters.replace("ttl 30")
    await clusters.synced()
    (before,) = clusters.plugins()

    await clusters.replace("ttl 30", "ttl 30")
    first, second = clusters.plugins()

    assert first._mirror.progress is before._mirror.progress
    assert second._mirror.progress is not before._mirror.progress


async def test_a_plugin_that_goes_on_from_another_says_which(clusters: Clusters) -> None:
    await clusters.replace("ttl 30", "ttl 9")
    assert clusters.running.heirs == {}

    await clusters.replace("ttl 5", "ttl 9", "ttl 30")
    assert clusters.running.heirs == {1: 1, 2: 0}
