"""A reflector: keeps a sink equal to one kind of objects of an API server, whatever happens on the way.

Strategy: list once, page by page, then watch from the list's version and stay there: a watch that ends, for whatever
reason, is taken up again where it stopped. Only when the server cannot go on from there (410 Gone) or sent something
that is no watch is there another list. A list is compared with what is known by one small number an object, so that an
unchanged object costs neither a decode nor a call, and no second copy is ever held; what it does not have any more is
deleted when it is complete, not before. While the server is away nothing happens: what is known stays.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, NoReturn, Protocol, TypeVar

from msgspec import Raw

from kdns.errors import ApiError
from kdns.transport.backoff import Backoff
from kdns.transport.kubeapi import KubeApi
from kdns.transport.listwatch import Event, Identity, Lines, ListPage, Mark, Status, decode

RESTORED = -1  # the fingerprint of what a snapshot said: no object has it, for `hash` never gives -1

T = TypeVar("T")
Seen = TypeVar("Seen", contravariant=True)
Log = Callable[[str, str], None]  # level, message

PAGE = 500  # objects asked for at a time
BREATH = 50  # objects of a list that are taken in one go, so that queries do not wait for a list
TELLING = 2  # failures in a row before a word is said: one lost connection is everyday
STEADY = 1.0  # seconds that a watch must last to count as a success
RELIST = 3600.0  # seconds after which a list is made anew: what a server forgot to send is not missed for ever
UNLISTED = frozenset({400, 404, 410, 504})  # refusals of a watch that mean "not from that version"


@dataclass(frozen=True)
class Resource(Generic[T]):
    """Which objects: the collection's path (`/api/v1/services`), the struct to decode to, and selectors as text."""

    path: str
    kind: type[T]
    label_selector: str = ""
    field_selector: str = ""

    @property
    def plural(self) -> str:
        """The last word of the path, for people: `services`."""
        return self.path.rpartition("/")[2]

    def query(self, **more: str) -> dict[str, str]:
        """The selectors and `more` as query parameters; empty ones are left out."""
        chosen = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector, **more}
        return {name: value for name, value in chosen.items() if value}


class Sink(Protocol[Seen]):
    """Where objects go. Called in the event loop, in the step that read the octets; must not raise."""

    def put(self, obj: Seen, /) -> None:
        """The object is new, or differs from the one of its name."""

    def delete(self, namespace: str, name: str, /) -> None:
        """The object is gone. It was put before."""

    def synced(self) -> None:
        """The first list is complete. Called once."""


class Pace(NamedTuple):
    """Time and chance, so that a test can hold both: `sleep` and `clock` in seconds, `random` in [0, 1).

    A watch is asked to last `watch` seconds up to twice that, and is given up after `margin` more without an octet.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    random: Callable[[], float] = random.random
    watch: float = 300.0
    margin: float = 30.0


class Position:
    """How far a reflector is, so that another one with the same sink's objects can go on from there.

    `known`: a fingerprint of each object that was put, by its key. `version`: where the watch goes on, "" when there
    has to be a list. `listed`: when the last list was complete, in the pace's seconds.
    """

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.version = ""
        self.listed = 0.0
        self.synced = False


class Reflector(Generic[T]):
    """One kind of objects, mirrored to one sink. Await `run` in a task and cancel that to stop."""

    def __init__(
        self,
        api: KubeApi,
        resource: Resource[T],
        sink: Sink[T],
        log: Log,
        pace: Pace | None = None,
        at: Position | None = None,
    ) -> None:
        self._api = api
        self._resource = resource
        self._sink = sink
        self._log = log
        self._pace = pace or Pace()
        self._backoff = Backoff(self._pace.random)
        self._at = at or Position()

    async def run(self) -> NoReturn:
        """Mirror for ever."""
        while True:
            try:
                if not self._at.version:
                    await self._list()
                elif self._pace.clock() - self._at.listed > RELIST:
                    await self._list_again()
                await self._watch()
            except ApiError as failure:
                await self._hold_back(failure)

    async def _list_again(self) -> None:
        """List though the watch is well. If that fails the watch goes on, and the list is tried after it."""
        try:
            await self._list()
        except ApiError as failure:
            self._log("WARNING", f"{self._resource.plural}: {failure}; the watch goes on without a new list")

    async def _list(self) -> None:
        gone, version, token, more = set(self._at.known), "", "", True
        while more:
            page = await self._page(token)
            version = version or page.metadata.resource_version or ""
            await self._take_all(page.items or (), gone)
            token = page.metadata.token or ""
            more = bool(token)
        for key in gone:
            self._drop(key)
        self._at.version, self._at.listed = version, self._pace.clock()
        if not self._at.synced:
            self._at.synced = True
            self._sink.synced()

    async def _page(self, token: str) -> ListPage:
        query = self._resource.query(limit=str(PAGE), **{"continue": token})
        return decode(await self._api.read(self._resource.path, query), ListPage)

    async def _take_all(self, items: Sequence[Raw], gone: set[str]) -> None:
        for number, item in enumerate(items):
            gone.discard(self._take(item))
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)

    async def _watch(self) -> None:
        seconds = self._pace.watch * (1 + self._pace.random())
        query = self._resource.query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=self._at.version,
            timeoutSeconds=str(max(1, int(seconds))),
        )
        try:
            async with self._api.stream(self._resource.path, query, seconds + self._pace.margin) as chunks:
                await self._follow(chunks)
        except ApiError as failure:
            failure.relist = failure.relist or failure.status in UNLISTED
            raise

    async def _follow(self, chunks: AsyncIterator[bytes]) -> None:
        self._say_that_it_works()
        opened, lines = self._pace.clock(), Lines()
        try:
            async for chunk in chunks:
                for line in lines.feed(chunk):
                    self._apply(decode(line, Event))
        finally:
            steady = self._pace.clock() - opened >= STEADY
            if steady:
                self._backoff.reset()
        if not steady:
            raise ApiError("a watch was closed as soon as it was open")

    def _apply(self, event: Event) -> None:
        match event.type:
            case "ADDED" | "MODIFIED":
                self._take(event.object)
            case "DELETED":
                self._drop(decode(event.object, Identity).metadata.key)
            case "BOOKMARK":
                pass
            case "ERROR":
                status = decode(event.object, Status)
                raise ApiError(f"the watch ended: {status.message}", status=status.code, relist=status.code != 429)
            case other:
                raise ApiError(f"a watch event of type {other[:20]!r}", relist=True)
        self._at.version = decode(event.object, Mark).metadata.resource_version or self._at.version

    def _take(self, item: Raw) -> str:
        """Put an object unless it is known; its key."""
        meta = decode(item, Identity).metadata
        key, fingerprint = meta.key, meta.fingerprint
        if fingerprint is not None and self._at.known.get(key) == fingerprint:
            return key
        try:
            obj = decode(item, self._resource.kind)
        except ApiError as odd:  # one odd object must not stop the others; what is known of it stays
            self._log("WARNING", f"{self._resource.plural} {key}: {odd}")
            return key
        self._at.known[key] = fingerprint or 0
        self._sink.put(obj)
        return key

    def _drop(self, key: str) -> None:
        if self._at.known.pop(key, None) is not None:
            namespace, _, name = key.partition("/")
            self._sink.delete(namespace, name)

    async def _hold_back(self, failure: ApiError) -> None:
        if failure.relist:
            self._at.version = ""
        seconds = self._backoff.wait(failure.retry_after)
        if self._backoff.failures == TELLING:
            self._log("WARNING", f"{self._resource.plural}: {failure}; what is known stays, asking again")
        await self._pace.sleep(seconds)

    def _say_that_it_works(self) -> None:
        if self._backoff.failures >= TELLING:
            self._log("INFO", f"{self._resource.plural}: the API server is being watched again")
