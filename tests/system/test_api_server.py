"""An API server with a real one's habits, and what clients of the DNS server see of them: nothing."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kdns.plugins import kubernetes
from kdns.transport import reflector
from kdns.wire import codes
from tests.kdns import apiserver
from tests.kdns.apiserver import ApiServer, Json, Moments, body, refusal, reset
from tests.kdns.asking import args, ask, texts
from tests.kdns.server import Kdns

SERVICES, NAMESPACES = "/api/v1/services", "/api/v1/namespaces"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
SVC = "default.svc.cluster.local."
MANY = 100_000


def service(name: str, address: str) -> Json:
    spec = {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ports": [{"name": "http", "port": 80}]}
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm"}
    return {"metadata": {"namespace": "default", "name": name, "labels": labels}, "spec": spec}


class Client:
    """Who asks for names that are always there, at every step of the plugin, and keeps what was wrong."""

    def __init__(self, plugin: Any, names: list[str]) -> None:
        self._plugin = plugin
        self._names = names
        self.asked = 0
        self.wrong: list[str] = []

    async def run(self) -> None:
        while True:
            for name in self._names:
                reply = ask(self._plugin, f"{name}.{SVC} A")
                allowed = (codes.NOERROR, codes.SERVFAIL)[: 1 if self._plugin.ready() else 2]
                if reply.rcode not in allowed or (reply.rcode == codes.NOERROR and not reply.answer):
                    self.wrong.append(f"{name} {reply.rcode}")
                self.asked += 1
            await asyncio.sleep(0)


class Cluster:
    """An API server and the plugin that watches it."""

    def __init__(self, server: ApiServer, plugin: Any, changes: Moments) -> None:
        self.server = server
        self.plugin = plugin
        self.changes = changes

    def put(self, name: str, address: str) -> None:
        self.server.put(SERVICES, service(name, address))

    async def shows(self, name: str, *addresses: str) -> None:
        """Return once a name has these addresses."""
        await self.changes.until(lambda: self.addresses(name) == list(addresses))

    def addresses(self, name: str) -> list[str]:
        return [text.split()[-1] for text in texts(ask(self.plugin, f"{name}.{SVC} A").answer)]


@asynccontextmanager
async def watched(server: ApiServer) -> AsyncIterator[Cluster]:
    text = f"kubernetes cluster.local {{\nendpoint {server.url}\nstartup_timeout 0s\n}}"
    plugin: Any = kubernetes.setup(args(text))
    changes = Moments()
    plugin.follow(lambda keys: changes.tick())
    loop = asyncio.create_task(plugin.run())
    await plugin.start()
    try:
        yield Cluster(server, plugin, changes)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await plugin.close()


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServer]:
    monkeypatch.setattr(reflector, "PAGE", 5)
    server = ApiServer()
    server.put(NAMESPACES, {"metadata": {"name": "default"}})
    for number in range(40):
        server.put(SERVICES, service(f"stays-{number}", f"10.96.1.{number}"))
    await server.start()
    yield server
    await server.stop()


def expired_event() -> apiserver.Fault:
    return body(apiserver.event("ERROR", apiserver.status(410, "too old resource version")))


HABITS: dict[str, tuple[str, tuple[apiserver.Fault, ...], tuple[apiserver.Fault, ...]]] = {
    "the watch is closed": ("close", (), ()),
    "the watch is reset": ("reset", (), ()),
    "the watch is cut in the middle of a line": ("cut", (), ()),
    "410 as a status": ("close", (), (refusal(410),) * 3),
    "410 as an ERROR event": ("close", (), (expired_event(),) * 3),
    "429 with Retry-After": ("close", (), (refusal(429, {"Retry-After": "0"}),) * 4),
    "503": ("reset", (), (refusal(503),) * 4),
    "a reset in place of an answer": ("reset", (), (reset(),) * 4),
    "a list that fails half way": ("close", (refusal(500), reset(), refusal(410)), (refusal(410),) * 3),
    "a watch of nonsense": ("close", (), (body(b"not JSON\n"), body(b'{"type":"MAYBE","object":{}}\n'))),
}


@pytest.mark.parametrize(("how", "lists", "watches"), HABITS.values(), ids=HABITS)
async def test_whatever_the_server_does_names_that_are_there_stay_there(
    server: ApiServer, how: str, lists: tuple[apiserver.Fault, ...], watches: tuple[apiserver.Fault, ...]
) -> None:
    async with watched(server) as cluster:
        client = Client(cluster.plugin, [f"stays-{number}" for number in range(40)])
        asking = asyncio.create_task(client.run())
        await server.watched(3)
        cluster.put("moves", "10.96.0.1")
        await cluster.shows("moves", "10.96.0.1")

        server.next_list(*lists)
        server.next_watch(*watches)
        server.end_watches(how)
        cluster.put("moves", "10.96.0.2")
        await cluster.shows("moves", "10.96.0.2")
        server.delete(SERVICES, "default", "moves")
        await cluster.shows("moves")

        asking.cancel()
    assert client.asked > 40
    assert client.wrong == []


async def test_a_first_list_that_stalls_and_comes_in_pieces_denies_nothing(server: ApiServer) -> None:
    gate = asyncio.Event()

    async def broken_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"metadata":{},"items":[')
        await gate.wait()
        return await reset()(request)

    server.next_list(*[broken_off] * 3)
    async with watched(server) as cluster:
        client = Client(cluster.plugin, ["stays-0", "stays-39"])
        asking = asyncio.create_task(client.run())
        await server.moments.until(lambda: len(server.requests) == 3)
        for _ in range(100):
            await asyncio.sleep(0)  # the client asks on
        gate.set()
        await cluster.changes.until(lambda: cluster.addresses("stays-39") == ["10.96.1.39"])
        asking.cancel()
    assert client.wrong == []


async def test_a_rotated_token_is_shown_from_the_next_request_on(server: ApiServer, tmp_path: Path) -> None:
    token, kubeconfig = tmp_path / "token", tmp_path / "config"
    token.write_text("first")
    server.token = "first"
    kubeconfig.write_text(
        f"current-context: c\nclusters: [{{name: c, cluster: {{server: '{server.url}'}}}}]\n"
        f"users: [{{name: u, user: {{tokenFile: '{token}'}}}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    plugin: Any = kubernetes.setup(args(f"kubernetes cluster.local {{\nkubeconfig {kubeconfig}\n}}"))
    changes = Moments()
    plugin.follow(lambda keys: changes.tick())
    loop = asyncio.create_task(plugin.run())
    await plugin.start()
    await server.watched(3)

    server.token = "second"
    server.put(SERVICES, service("late", "10.96.0.9"))
    server.end_watches("reset")
    await server.moments.until(lambda: sum("watch" in asked.query for asked in server.requests) > 3)  # refused: 401
    token.write_text("second")
    await changes.until(lambda: bool(ask(plugin, f"late.{SVC} A").answer))

    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    await plugin.close()


def memory(server: Kdns, field: str) -> int:
    """Octets of memory of the server's process: VmRSS now, VmHWM at most."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def forget_the_most(server: Kdns) -> None:
    """Have VmHWM count anew: proc(5)."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


async def test_a_relist_of_many_objects_does_not_double_the_memory(tmp_path: Path) -> None:
    api = ApiServer()
    api.put(NAMESPACES, {"metadata": {"name": "default"}})
    await api.start()
    corefile = ".:@PORT@ {{\n bind 127.0.0.1\n kubernetes cluster.local {{\n  endpoint {}\n }}\n}}\n"
    server = Kdns(tmp_path, corefile.format(api.url))
    await asyncio.to_thread(server.start)
    try:
        empty = memory(server, "VmRSS")
        await _listed_anew(api, 96)
        await asyncio.to_thread(_wait_for, server, "10.96.")
        full = memory(server, "VmRSS")
        forget_the_most(server)

        await _listed_anew(api, 97)
        await asyncio.to_thread(_wait_for, server, "10.97.")
        most = memory(server, "VmHWM")
    finally:
        server.stop()
        await api.stop()

    assert full - empty > 20 << 20  # it does hold them
    assert most - empty < 1.5 * (full - empty)


async def _listed_anew(api: ApiServer, second: int) -> None:
    """Give all services addresses of 10.SECOND, of which no watch can tell; return once all watches are open again."""
    before = len(api.queries(watch=True))
    for number in range(MANY):
        api.put(SERVICES, service(f"service-{number}", f"10.{second}.{number >> 8 & 255}.{number & 255}"))
    api.compact()
    api.end_watches("reset")
    await api.moments.until(lambda: not api.watches)
    await api.moments.until(lambda: len(api.queries(watch=True)) > before + 3 and len(api.watches) == 3)


def _wait_for(server: Kdns, start: str) -> None:
    """Wait until the last of many services, by name, has an address that begins so."""
    while not any(start in answer for answer in server.answers(f"service-99999.{SVC} A")):
        continue
