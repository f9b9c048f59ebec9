"""Objects of an API server taken in by whoever keeps them: a reflector for each kind, and word of every change.

A change takes effect in the loop step in which its octets arrive, and whoever keeps answers is told in the same step.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import GenericAlias
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Raw
from msgspec.msgpack import decode, encode

from kdns.errors import StartError, WireError
from kdns.metrics import Metrics
from kdns.transport.access import Access
from kdns.transport.keeper import Keeper
from kdns.transport.kubeapi import KubeApi
from kdns.transport.reflector import RESTORED, Log, Position, Reflector, Resource

T = TypeVar("T")

Keys = Collection[bytes]
Tell = Callable[[object], None]  # an object that was put, or (namespace, name) of one that was deleted

_ARRAYS = (b"\x92",)  # how an array of two begins in MessagePack; objects are maps

TELL = 0.5  # seconds between two words about a start that waits
ROWS = 50  # objects of a snapshot that are read or written in one go, so that queries do not wait for it


class Rows(Protocol):
    """What is kept of one kind of objects, to be written down and taken in again. Each may raise WireError for a name
    that cannot be one.
    """

    @property
    def row(self) -> type[Any]:
        """The type of a row."""

    @property
    def of(self) -> Callable[[str, str], Any]:
        """The row of an object by namespace and name, None if nothing is kept of it."""

    @property
    def put(self) -> Callable[[str, str, Any], Keys]:
        """Take a row in; the keys of what changed by it."""


@dataclass(frozen=True)
class Watch(Generic[T]):
    """One kind of objects and who takes it in. `put` and `delete` return the keys of what changed by it.

    `put` may raise WireError for an object that cannot be named in DNS: what was known of it stays. `changed` is
    called with keys that changed, in the same step. Without `rows` there is nothing of it in a snapshot.
    """

    resource: Resource[T]
    put: Callable[[T], Keys]
    delete: Callable[[str, str], Keys]
    changed: Callable[[Keys], None]
    rows: Rows | None = None


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
    """How far the watches of a mirror are, so that another mirror can go on once it has ended.

    `snapshot`: when that was written which is answered from, in Unix seconds; 0.0 without one.
    """

    def __init__(self, count: int) -> None:
        self.positions = [Position() for _ in range(count)]
        self.complete = asyncio.Event()
        self.snapshot = 0.0
        self._left = count

    def one_more(self) -> None:
        """Another first list is complete."""
        self._left -= 1
        if not self._left:
            self.complete.set()


class Mirror:
    """Watches of one API server. `access` is asked for it at start: ValueError if there is none.

    With `before`, a mirror of the same watches that take in to the same place, it goes on where that one ends, once it
    has ended: nothing is taken in twice, and what is known stays known. With a `keeper` it begins with what was known
    when that wrote its file, until the first lists are complete.
    """

    def __init__(
        self,
        watches: Sequence[Watch[Any]],
        access: Callable[[], Access],
        metrics: Metrics,
        log: Log,
        before: "Mirror | None" = None,
        keeper: Keeper | None = None,
    ) -> None:
        self._watches = watches
        self._access = access
        self._metrics = metrics
        self._log = log
        self._keeper = keeper
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

    def rows(self) -> Iterator[bytes]:
        """All that is known, in blocks of a few objects for `restore`. What changes meanwhile is in it or not."""
        for number, (watch, at) in enumerate(zip(self._watches, self.progress.positions, strict=True)):
            keys = list(at.known) if watch.rows is not None else []
            for start in range(0, len(keys), ROWS):
                yield encode((number, list(_rows(watch, keys[start : start + ROWS]))))

    def restore(self, block: memoryview) -> None:
        """Know again what a block says, until a list says otherwise. ValueError for what is none of `rows`."""
        number, rest = decode(block, type=tuple[int, Raw])
        watch = self._watches[number] if 0 <= number < len(self._watches) else None
        if watch is None or watch.rows is None:
            raise ValueError("it has rows of another kind")
        known, changed = self.progress.positions[number].known, list[bytes]()
        kind = GenericAlias(list, GenericAlias(tuple, (str, watch.rows.row)))
        for key, row in decode(rest, type=kind):
            namespace, _, name = key.partition("/")
            try:
                changed += watch.rows.put(namespace, name, row)
            except WireError as fault:
                raise ValueError(f"it has a row that DNS cannot name: {fault}") from None
            known[key] = RESTORED
        watch.changed(changed)

    def _shared(self, number: int, what: object) -> None:
        if self._keeper is not None:
            self._keeper.changed.set()
        if self._tell is not None:
            self._tell(encode((number, what)))

    def _one_more(self) -> None:
        self.progress.one_more()
        if self.synced:
            self._shared(len(self._watches), None)
        if self.synced and self.progress.snapshot:
            self._log("INFO", f"the lists are complete: the snapshot of {_shown(self.progress.snapshot)} is replaced")
            self._answered_from(0.0)

    @property
    def synced(self) -> bool:
        """Whether the first lists are complete."""
        return self.progress.complete.is_set()

    @property
    def knows(self) -> bool:
        """Whether what is not known is not there: by complete lists, or by a snapshot until they are."""
        return self.synced or self.progress.snapshot > 0

    async def start(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Wait for the first lists, but at most `timeout` seconds. StartError if there is no API server to ask."""
        try:
            self._api = KubeApi(self._access(), self._metrics)
        except ValueError as fault:
            raise StartError(f"plugin/kubernetes: {fault}") from None
        if self._keeper is not None and not self.knows:
            self._answered_from(await self._keeper.restore(self.restore))
        self._begun.set()
        if self.progress.snapshot:
            when = _shown(self.progress.snapshot)
            self._log("INFO", f"serving a snapshot of {when} until the lists of the API server are complete")
            return
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
                if self._keeper is not None:
                    group.create_task(self._keep(self._keeper))
        finally:
            self.ended.set()

    async def _keep(self, keeper: Keeper) -> None:
        await self.progress.complete.wait()  # half a list never replaces what was complete
        await keeper.run(self.rows)

    def _answered_from(self, snapshot: float) -> None:
        assert self._keeper is not None
        self.progress.snapshot = snapshot
        gauge, labels = self._metrics.family("kubernetes_snapshot_timestamp_seconds"), (str(self._keeper.file),)
        if snapshot:
            gauge.set(labels, snapshot)
        else:
            gauge.remove(labels)

    async def close(self) -> None:
        """Write what changed to the snapshot, and close the connections to the API server."""
        if self._keeper is not None and self.synced:
            await self._keeper.close(self.rows)
        if self._api is not None:
            await self._api.close()


def _rows(watch: Watch[Any], keys: Sequence[str]) -> Iterator[tuple[str, object]]:
    assert watch.rows is not None
    for key in keys:
        namespace, _, name = key.partition("/")
        with suppress(WireError):
            row = watch.rows.of(namespace, name)
            if row is not None:
                yield key, row


def _shown(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _within(seconds: float, wait: Awaitable[object]) -> bool:
    try:
        await asyncio.wait_for(wait, seconds)
    except TimeoutError:
        return False
    return True
