"""A server of a vector with everything around it: its files, its cluster, its upstreams, its placeholders."""

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import web

from kdns.transport import interfaces
from tests.kdns.apiserver import ApiServer, Moments
from tests.kdns.etcd import etcd
from tests.kdns.upstream import Upstream, upstream
from tests.vectors.processes import Nursery, Running
from tests.vectors.upstreams import script

Json = dict[str, Any]

COLLECTIONS = {
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "Service": "/api/v1/services",
    "Pod": "/api/v1/pods",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices",
    "ServiceImport": "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports",
}


class Site:
    """One running server, as `server` of a vector describes it."""

    def __init__(self, server: Json, directory: Path, ports: Iterator[int]) -> None:
        self._server = server
        self._directory = directory
        self._ports = ports
        self._around = AsyncExitStack()
        self._running: Running | None = None
        self.upstreams: dict[str, Upstream] = {}
        self.places: dict[str, str] = {}
        self.port = 0

    async def start(self, nursery: Nursery) -> bool:
        """Start what it needs, then the server; whether that serves."""
        self.port = next(self._ports)
        self.places = {"@PORT@": str(self.port), "@DIR@": str(self._directory), **_local_places()}
        for place in ("@PORT2@", "@METRICS@", "@HEALTH@"):
            number = next(self._ports) if place in self._server["corefile"] else 0
            self.places[place] = str(number) if place == "@PORT2@" else f"127.0.0.1:{number}"
        await self._start_upstreams()
        if "etcd" in self._server:
            store = await self._around.enter_async_context(etcd(self._directory))
            await store.put({each["key"]: each["value"] for each in self._server["etcd"]})
            self.places["@ETCD@"] = f"http://{store.place}"
        if "k8s" in self._server:
            self.places["@K8S_API@"] = await self._start_cluster()
        for name, text in self._server.get("files", {}).items():
            path = self._directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.filled(text))
        corefile = self.filled(self._server["corefile"])
        self._running = await nursery.start(self._directory, corefile, self._server.get("env", {}))
        return await self._running.greeted()

    async def stop(self) -> None:
        """Stop the server, then what it needed."""
        if self._running is not None:
            await self._running.stop()
        await self._around.aclose()

    @property
    def output(self) -> str:
        """What the server has printed so far."""
        return self._running.output if self._running is not None else ""

    def filled(self, value: Any) -> Any:
        """A text, or every text in a value of JSON, with its placeholders filled."""
        if isinstance(value, str):
            for place, text in self.places.items():
                value = value.replace(place, text)
            return value
        if isinstance(value, Mapping):
            return {self.filled(key): self.filled(each) for key, each in value.items()}
        return [self.filled(each) for each in value] if isinstance(value, list) else value

    async def _start_upstreams(self) -> None:
        described = dict(self._server.get("upstreams", {}))
        if "upstream" in self._server:
            described["@UPSTREAM@"] = self._server["upstream"]
        for place, behaviour in described.items():
            if behaviour["mode"] == "closed":
                self.places[place] = f"127.0.0.1:{next(self._ports)}"
                continue
            self.upstreams[place] = await self._around.enter_async_context(upstream(script(behaviour)))
            self.places[place] = self.upstreams[place].to

    async def _start_cluster(self) -> str:
        api = _Stalled() if "k8s_behaviour" in self._server else ApiServer()
        for each in self.filled(self._server["k8s"]):
            api.put(COLLECTIONS[each["kind"]], each)
        await api.start()
        self._around.push_async_callback(api.stop)
        return api.url


class _Stalled(ApiServer):
    """An API server that takes every request and answers none: the first lists are never complete."""

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        await Moments().until(lambda: False)
        return web.Response()


def _local_places() -> dict[str, str]:
    """An IPv4 address of this machine that is not loopback, as it is and with dashes."""
    found = [each.address for each in interfaces.addresses() if ":" not in each.address]
    address = next((each for each in found if not each.startswith("127.")), "192.0.2.1")
    return {"@LOCAL_IP@": address, "@LOCAL_IP_DASHED@": address.replace(".", "-")}
