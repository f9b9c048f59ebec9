"""A small faithful API server: lists by pages of one snapshot, watches from a version, bookmarks, expiry; and faults.

It keeps a log of every change under one revision, as the real one does. Faults are given in advance: `next_list` and
`next_watch` take what to answer the next such request with. Nothing here waits for time to pass.
"""

import asyncio
import base64
import json
import math
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web

Json = dict[str, Any]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Moments:
    """People waiting until something is so."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Event] = []

    def tick(self) -> None:
        """Something happened: look again."""
        for event in self._waiting:
            event.set()

    async def until(self, so: Callable[[], bool]) -> None:
        """Return once `so()` is true, which is looked at after each tick."""
        event = asyncio.Event()
        self._waiting.append(event)
        try:
            while not so():
                event.clear()
                await event.wait()
        finally:
            self._waiting.remove(event)


class Change(NamedTuple):
    """One row of the log."""

    revision: int
    collection: str
    kind: str  # ADDED, MODIFIED or DELETED
    obj: Json


class Watch:
    """One open watch; `end` is what is to become of it."""

    def __init__(self, transport: asyncio.BaseTransport | None) -> None:
        self.transport = transport
        self.wake = asyncio.Event()
        self.end = ""  # close, reset or cut
        self.last: float = math.inf  # the last revision that it will tell of
        self.bookmarks = 0

    def finish(self, how: str, last: int) -> None:
        """End it after revision `last`: by itself (close), by a TCP reset, or in the middle of a line (cut)."""
        self.end, self.last = how, last
        self.wake.set()


class ApiServer:
    """`put` and `delete` objects of collections such as `/api/v1/services`; start it and give `url` to a client."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.revision = 100
        self.floor = 100  # the log begins above this revision
        self.log: list[Change] = []
        self.objects: dict[str, dict[tuple[str, str], Json]] = {}
        self.snapshots: dict[int, tuple[int, list[Json]]] = {}  # number -> revision and what a list of it gives
        self.requests: list[web.Request] = []
        self.watches: list[Watch] = []
        self.list_faults: deque[Fault] = deque()
        self.watch_faults: deque[Fault] = deque()
        self.moments = Moments()
        self.token = ""  # what a client has to show; "": nothing
        self.port = 0
        self._runner: web.AppRunner | None = None

    # -- the truth

    def put(self, collection: str, obj: Json) -> Json:
        """Create or replace an object; its resourceVersion is the new revision. Gives the object as stored."""
        meta = obj["metadata"]
        key = meta.get("namespace", ""), meta["name"]
        known = self.objects.setdefault(collection, {})
        kind = "MODIFIED" if key in known else "ADDED"
        self.revision += 1
        uid = known[key]["metadata"]["uid"] if key in known else f"uid-{self.revision}"
        known[key] = {**obj, "metadata": {"uid": uid, **meta, "resourceVersion": str(self.revision)}}
        self._record(collection, kind, known[key])
        return known[key]

    def delete(self, collection: str, namespace: str, name: str) -> None:
        """Delete an object. KeyError if there is none."""
        gone = self.objects[collection].pop((namespace, name))
        self.revision += 1
        meta = {**gone["metadata"], "resourceVersion": str(self.revision)}
        self._record(collection, "DELETED", {**gone, "metadata": meta})

    def compact(self) -> None:
        """Forget the log and every snapshot: older versions are expired."""
        self.floor = self.revision
        self.log.clear()
        self.snapshots.clear()

    # -- faults

    def next_list(self, *faults: Fault) -> None:
        """Answer the next list requests with these."""
        self.list_faults.extend(faults)

    def next_watch(self, *faults: Fault) -> None:
        """Answer the next watch requests with these."""
        self.watch_faults.extend(faults)

    def end_watches(self, how: str = "close") -> None:
        """End every open watch: close, reset or cut."""
        for watch in self.watches:
            watch.finish(how, self.revision)

    def bookmark(self) -> None:
        """Send a bookmark of the present revision down every open watch."""
        for watch in self.watches:
            watch.bookmarks += 1
            watch.wake.set()

    # -- the server

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen: at the first start on a free port, later on the same one."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        # Watches that begin while it stops are cut off; with 0, aiohttp would wait for them for ever.
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        self.end_watches("reset")
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def watched(self, count: int = 1) -> None:
        """Return once `count` watches are open."""
        await self.moments.until(lambda: len(self.watches) >= count)

    def queries(self, watch: bool) -> list[Mapping[str, str]]:
        """The queries of the lists or watches that came so far."""
        return [asked.query for asked in self.requests if ("watch" in asked.query) == watch]

    def _record(self, collection: str, kind: str, obj: Json) -> None:
        self.log.append(Change(self.revision, collection, kind, obj))
        for watch in self.watches:
            watch.wake.set()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.moments.tick()
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response(status(401, "Unauthorized"), status=401)
        watch = "watch" in request.query
        faults = self.watch_faults if watch else self.list_faults
        if faults:
            return await faults.popleft()(request)
        return await (self._watch(request) if watch else self._list(request))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if token := request.query.get("continue", ""):
            number, start = json.loads(base64.b64decode(token))
        else:
            number, start = len(self.requests), 0
            self.snapshots[number] = self.revision, self._chosen(request)
        if number not in self.snapshots:
            return expired()
        revision, items = self.snapshots[number]
        end = start + int(request.query.get("limit", len(items)))
        meta: Json = {"resourceVersion": str(revision)}
        if end < len(items):
            meta["continue"] = base64.b64encode(json.dumps([number, end]).encode()).decode()
        return web.json_response({"kind": "List", "metadata": meta, "items": items[start:end]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        at = int(request.query["resourceVersion"])
        if at < self.floor:
            return expired()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        watch = Watch(request.transport)
        self.watches.append(watch)
        self.moments.tick()
        try:
            at = await self._send(request, response, at, watch)
            while not watch.end:
                await watch.wake.wait()
                watch.wake.clear()
                at = await self._send(request, response, at, watch)
            await self._end(response, watch)
        finally:
            self.watches.remove(watch)
            self.moments.tick()
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse, at: int, watch: Watch) -> int:
        for change in [change for change in self.log if at < change.revision <= watch.last]:
            if chosen(request, change.collection, change.obj):
                await response.write(event(change.kind, change.obj))
            at = change.revision
        while watch.bookmarks:
            watch.bookmarks -= 1
            await response.write(event("BOOKMARK", {"metadata": {"resourceVersion": str(self.revision)}}))
        return at

    async def _end(self, response: web.StreamResponse, watch: Watch) -> None:
        if watch.end == "cut":
            await response.write(event("ADDED", {"metadata": {"name": "cut short"}})[:20])
        if watch.end in ("cut", "reset") and isinstance(watch.transport, asyncio.Transport):
            watch.transport.abort()

    def _chosen(self, request: web.Request) -> list[Json]:
        return [
            obj
            for collection, objects in self.objects.items()
            for _, obj in sorted(objects.items())
            if chosen(request, collection, obj)
        ]


def chosen(request: web.Request, collection: str, obj: Json) -> bool:
    """Whether a request's path and label selector (only `a=b,c`) choose an object."""
    api, _, plural = collection.rpartition("/")
    namespace = obj["metadata"].get("namespace", "")
    if request.path not in (collection, f"{api}/namespaces/{namespace}/{plural}"):
        return False
    labels = obj["metadata"].get("labels", {})
    wanted = filter(None, request.query.get("labelSelector", "").split(","))
    terms = (term.partition("=") for term in wanted)
    return all(labels.get(name) == value if equals else name in labels for name, equals, value in terms)


def event(kind: str, obj: Json) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def status(code: int, message: str) -> Json:
    """A Status object."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}


def expired() -> web.Response:
    """What an API server says of a version that it has no log of any more."""
    return web.json_response(status(410, "The provided continue parameter is too old"), status=410)


# -- faults to give to next_list and next_watch


def refusal(code: int, headers: Mapping[str, str] | None = None) -> Fault:
    """A Status with this HTTP status."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response(status(code, f"refused with {code}"), status=code, headers=headers)

    return refuse


def body(octets: bytes, headers: Mapping[str, str] | None = None) -> Fault:
    """These octets as a whole answer, with status 200."""

    async def give(_: web.Request) -> web.StreamResponse:
        return web.Response(body=octets, headers=headers)

    return give


def reset() -> Fault:
    """The connection is reset in place of an answer."""

    async def abort(request: web.Request) -> web.StreamResponse:
        assert isinstance(request.transport, asyncio.Transport)
        request.transport.abort()
        return web.Response()

    return abort


def stall(octets: bytes = b"") -> Fault:
    """An answer that begins with these octets and then goes silent, until the client goes away."""

    async def wait(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(octets)
        await asyncio.get_running_loop().create_future()  # cancelled when the client goes away
        return response

    return wait
