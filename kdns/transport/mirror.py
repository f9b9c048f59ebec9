"""Objects of an API server taken in by whoever keeps them: a reflector for each kind, and word of every change.

A change takes effect in the loop step in which its octets arrive, and whoever keeps answers is told in the same step.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from msgspec import Raw
from msgspec.msgpack import decode, encode

from kdns.errors import StartError, WireError
from kdns.metrics import Metrics
from kdns.transport.access import Access
from kdns.transport.kubeapi import KubeApi
from kdns.transport.reflector import Log, Position, Reflector, Resource

T = TypeVar("T")

Keys = Collection[bytes]
Tell = Callable[[object], None]  # an object that was put, or (namespace, name) of one that was deleted

_ARRAYS = (b"\x92",)  # how an array of two begins in MessagePack; objects are maps

TELL = 0.5  # seconds between two words about a start that waits


@dataclass(frozen=True)
class Watch(Generic[T]):
    """One kind of objects and who takes it in. `put` and `delete` return the keys of what changed by it.

    `put` may raise WireError for an object that cannot be named in DNS: what was known of it stays. `changed` is
    called with keys that changed, in the same step.
    """

    resource: Resource[T]
    put: Callable[[T], Keys]
    delete: Callable[[str, str], Keys]
    changed: Callable[[Keys], None]


@dataclass(frozen=True)
class Intake(Generic[T]):
    """The sink of one watch."""

    watch: Watch[T]
    synced: Callable[[], None]
    log: Log
    tell: Tell = lambda change: None

    def put(self, obj: T) -> None:
        """Take an object in."""
        try:
            keys = self.watch.put(obj)
        except WireError as fault:
            self.log("WARNING", f"{self.watch.resource.plural}: an object that DNS cannot name: {fault}")
            return
        self.tell(obj)
        if keys:
            self.watch.changed(keys)

    def delete(self, namespace: str, name: str) -> None:
        """Let an object go; one that could not be named was never taken in."""
        with suppress(WireError):
            keys = self.watch.delete(namespace, name)
            self.tell((namespace, name))
            if keys:
                self.watch.changed(keys)


class Progress:
    """How far the watches of a mirror are, so that another mirror can go on once it has ended."""

    def __init__(self, count: int) -> None:
        self.positions = [Position() for _ in range(count)]
        self.complete = asyncio.Event()
        self._left = count

    def one_more(self) -> None:
        """Another first list is complete."""
        self._left -= 1
        if not self._left:
            self.complete.set()


class Mirror:
    """Watches of one API server. `access` is asked for it at start: ValueError if there is none.

    With `before`, a mirror of the same watches that take in to the same place, it goes on where that one ends, once it
    has ended: nothing is taken in twice, and what is known stays known.
    """

    def __init__(
        self,
        watches: Sequence[Watch[Any]],
        access: Callable[[], Access],
        metrics: Metrics,
        log: Log,
        before: "Mirror | None" = None,
    ) -> None:
        self._watches = watches
        self._access = access
        self._metrics = metrics
        self._log = log
        self.progress: Progress = before.progress if before else Progress(len(watches))
        self.ended = asyncio.Event()
        self._before_ended: asyncio.Event | None = before.ended if before else None
        self._begun = asyncio.Event()
        self._api: KubeApi | None = None
        self._tell: Callable[[bytes], None] | None = None

    def share(self, tell: Callable[[bytes], None]) -> None:
        """Call `tell` with octets for another mirror's `take`, at every change from now on."""
        self._tell = tell

    def take(self, change: bytes) -> None:
        """Take in what the mirror of another process was told, which had taken in the same before."""
        number, what = decode(change, type=tuple[int, Raw])
        if number == len(self._watches):
            self.progress.complete.set()
            return
        watch = self._watches[number]
        intake = Intake(watch, lambda: None, self._log)
        if bytes(what)[:1] in _ARRAYS:
            intake.delete(*decode(what, type=tuple[str, str]))
        else:
            intake.put(decode(what, type=watch.resource.kind))

    def _shared(self, number: int, what: object) -> None:
        if self._tell is not None:
            self._tell(encode((number, what)))

    def _one_more(self) -> None:
        self.progress.one_more()
        if self.synced:
            self._shared(len(self._watches), None)

    @property
    def synced(self) -> bool:
        """Whether the first lists are complete."""
        return self.progress.complete.is_set()

    async def start(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Wait for the first lists, but at most `timeout` seconds. StartError if there is no API server to ask."""
        try:
            self._api = KubeApi(self._access(), self._metrics)
        except ValueError as fault:
            raise StartError(f"plugin/kubernetes: {fault}") from None
        self._begun.set()
        deadline = clock() + timeout
        while not self.synced and (left := deadline - clock()) > 0:
            if not await _within(min(TELL, left), self.progress.complete.wait()) and left >= TELL:
                self._log("INFO", "waiting for Kubernetes API before starting server")
        if not self.synced:
            self._log("WARNING", "starting server with unsynced Kubernetes API")

    async def run(self) -> None:
        """Follow the API server for ever, from `start` on."""
        await self._begun.wait()
        if self._before_ended is not None:
            await self._before_ended.wait()
        assert self._api is not None
        try:
            async with asyncio.TaskGroup() as group:
                for number, (watch, at) in enumerate(zip(self._watches, self.progress.positions, strict=True)):
                    sink = Intake(watch, self._one_more, self._log, partial(self._shared, number))
                    group.create_task(Reflector(self._api, watch.resource, sink, self._log, at=at).run())
        finally:
            self.ended.set()

    async def close(self) -> None:
        """Close the connections to the API server."""
        if self._api is not None:
            await self._api.close()


async def _within(seconds: float, wait: Awaitable[object]) -> bool:
    try:
        await asyncio.wait_for(wait, seconds)
    except TimeoutError:
        return False
    return True
