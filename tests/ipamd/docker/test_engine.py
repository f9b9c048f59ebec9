"""What is read off a Docker Engine: a server on a socket tells what real ones tell, or falls silent."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ipamd.docker.adopting import Seen
from ipamd.docker.engine import Engine, Sighting
from ipamd.docker.messages import GLOBAL, LOCAL, PoolRequest
from ipamd.docker.names import Named

FRONT, ELSEWHERE, OVERLAY = "f" * 12, "e" * 12, "c" * 12
NETWORKS = [
    {
        "Name": "front",
        "Id": FRONT,
        "Scope": "local",
        "IPAM": {
            "Driver": "ipamd",
            "Options": None,
            "Config": [
                {
                    "Subnet": "10.60.0.9/24",  # as its user wrote it
                    "IPRange": "10.60.0.128/25",
                    "Gateway": "10.60.0.1",
                    "AuxiliaryAddresses": {"nas": "10.60.0.200", "odd": "x"},
                },
                {"Subnet": "FD00:60:0::/64", "AuxiliaryAddresses": {"nas": "fd00:60:0::9"}},
                {"Subnet": "nonsense"},
            ],
        },
    },
    {"Name": "bridge", "Id": ELSEWHERE, "Scope": "local", "IPAM": {"Driver": "default", "Config": []}},
    {"Name": "none", "Id": "0" * 12, "Scope": "local", "IPAM": {"Driver": "null", "Config": None}},
    {
        "Name": "many",
        "Id": OVERLAY,
        "Scope": "swarm",
        "IPAM": {"Driver": "other", "Config": [{"Subnet": "10.70.0.0/24"}]},
    },
]
POOLS = ("ipamdlocal/10.60.0.0/24/10.60.0.128/25", "ipamdlocal/fd00:60::/64")
MANY = "ipamdglobal/10.70.0.0/24"


def attached(network: str, container: str, *addresses: str) -> dict[str, Any]:
    """A container in a network, as a list tells it: without its aliases."""
    four, six = (*addresses, "", "")[:2]
    return {
        "NetworkID": network,
        "EndpointID": f"{container}-{network}" if addresses else "",
        "IPAddress": four,
        "GlobalIPv6Address": six,
        "MacAddress": "02:42:00:00:00:01",
        "Aliases": None,
    }


class Docker:
    """A daemon that tells of `containers`: by id their state, names, aliases and networks."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []  # the containers that were asked for alone
        self.status = 200
        self.happened = asyncio.Event()
        application = web.Application()
        application.router.add_get("/containers/json", self.list)
        application.router.add_get("/containers/{id}/json", self.one)
        application.router.add_get("/networks", self.networks)
        application.router.add_get("/events", self.events)
        self.runner = web.AppRunner(application)

    def run(
        self, container: str, names: list[str], aliases: list[str], *addresses: str, state: str = "running"
    ) -> None:
        networks = {
            "front": attached(FRONT, container, *addresses),
            "bridge": attached(ELSEWHERE, container, "1.2.3.4"),
        }
        listed = {"Id": container, "Names": names, "State": state, "NetworkSettings": {"Networks": networks}}
        self.containers[container] = {"listed": listed, "aliases": aliases}

    async def list(self, request: web.Request) -> web.Response:
        assert request.query["all"] == "1"
        return web.json_response([each["listed"] for each in self.containers.values()], status=self.status)

    async def one(self, request: web.Request) -> web.Response:
        """A container alone is told in another form: its state is an object, and it has one name."""
        container = request.match_info["id"]
        self.asked.append(container)
        found = self.containers[container]
        networks = json.loads(json.dumps(found["listed"]["NetworkSettings"]["Networks"]))
        networks["front"]["Aliases"] = [*found["aliases"], container[:6]]
        told = {
            "Id": container,
            "Name": "/x",
            "State": {"Status": "running"},
            "NetworkSettings": {"Networks": networks},
        }
        return web.json_response(told)

    async def networks(self, _request: web.Request) -> web.Response:
        return web.json_response(NETWORKS)

    async def events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await self.happened.wait()
        await response.write(b'{"Type":"network","Action":"connect"}\n')
        return response


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "docker.sock"


@pytest.fixture
async def docker(path: Path) -> AsyncIterator[Docker]:
    made = Docker()
    await made.runner.setup()
    await web.UnixSite(made.runner, str(path)).start()
    yield made
    await made.runner.cleanup()


async def seen(engine: Engine) -> Sighting:
    sighting = await engine.look()
    assert sighting is not None
    return sighting


async def test_networks_of_ours_are_seen_with_what_containers_have_in_them(docker: Docker, path: Path) -> None:
    docker.run("abcdef123456", ["/web_1", "/other/link"], ["www"], "10.60.0.129", "fd00:60::2")

    found = await seen(Engine(path, "ipamd"))
    mac = "02:42:00:00:00:01"
    four = PoolRequest(LOCAL, "10.60.0.9/24", "10.60.0.128/25", None, False)
    six = PoolRequest(LOCAL, "FD00:60:0::/64", "", None, True)
    assert found.pools == {
        POOLS[0]: Seen(four, True, "10.60.0.1", ("10.60.0.200",), {"10.60.0.129": mac}),
        POOLS[1]: Seen(six, True, "", ("fd00:60::9",), {"fd00:60::2": mac}),
        MANY: Seen(PoolRequest(GLOBAL, "10.70.0.0/24", "", None, False), is_ours=False),
    }
    assert found.named == (Named("front", POOLS, ("web_1", "www"), ("10.60.0.129", "fd00:60::2")),)


@pytest.mark.parametrize(("state", "has"), [("running", True), ("paused", True), ("exited", False), ("dead", False)])
async def test_a_container_that_has_ended_has_nothing_whatever_is_shown(
    docker: Docker, path: Path, state: str, has: bool
) -> None:
    docker.run("abcdef123456", ["/web"], [], "10.60.0.129", state=state)

    found = await seen(Engine(path, "ipamd"))
    assert ([*found.pools[POOLS[0]].containers], len(found.named)) == (["10.60.0.129"] if has else [], int(has))


async def test_a_container_that_is_in_no_network_yet_is_not_asked_for(docker: Docker, path: Path) -> None:
    docker.run("abcdef123456", ["/web"], ["www"], state="created")

    assert ((await seen(Engine(path, "ipamd"))).named, docker.asked) == ((), [])


async def test_aliases_are_asked_for_once_for_every_time_that_a_container_is_in_a_network(
    docker: Docker, path: Path
) -> None:
    engine = Engine(path, "ipamd")
    docker.run("abcdef123456", ["/web"], ["www"], "10.60.0.129")
    for _ in range(2):
        assert [each.names for each in (await seen(engine)).named] == [("web", "www")]
    docker.run("0123456789ab", ["/db"], [], "10.60.0.130")
    assert [each.names for each in (await seen(engine)).named] == [("web", "www"), ("db",)]

    assert docker.asked == ["abcdef123456", "0123456789ab"]


async def test_a_container_without_a_name_of_its_own_is_called_by_its_id(docker: Docker, path: Path) -> None:
    docker.run("abcdef1234567890", ["/other/link"], [], "10.60.0.129")

    assert [each.names for each in (await seen(Engine(path, "ipamd"))).named] == [("abcdef123456",)]


async def test_a_daemon_that_does_not_answer_has_seen_nothing_and_is_told_of_once(
    docker: Docker, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine, away = Engine(path, "ipamd"), Engine(path.with_name("none.sock"), "ipamd")
    with caplog.at_level(logging.WARNING):
        docker.status = 500
        assert [await engine.look() for _ in range(2)] == [None, None]
        docker.status = 200
        assert [*(await seen(engine)).pools] == [*POOLS, MANY]
        docker.containers["x"] = {"listed": {"Id": 7}}
        assert [await engine.look(), await away.look()] == [None, None]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert all("does not answer" in each for each in told)


async def test_events_are_told_from_the_beginning_and_after_every_silence(docker: Docker, path: Path) -> None:
    async with aclosing(Engine(path, "ipamd").events()) as events:
        await anext(events)  # what may have been missed
        docker.happened.set()
        await anext(events)
        await anext(events)  # the daemon was away, and is asked again
