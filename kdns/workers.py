"""The processes beside this one that serve the same configuration, each from its own share of the sockets.

This one is the first: it reads the API server and tells the others what changes, it has the admin pages and adds up
what all have counted, it reloads and stops. The others are forked from it when it serves, so an index of 150,000
endpoints is in memory once. One that dies is replaced, and what waited on its sockets is answered; a reload makes
others that know the new configuration, and the old ones end when these answer.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable
from functools import partial

from msgspec.msgpack import decode

from kdns.instance import Instance
from kdns.metrics import Metrics, Snapshot, total
from kdns.transport.channel import CHANGE, COUNT, COUNTED, END, READY, Channel
from kdns.worker import Legacy, forked

PATIENCE = 10.0  # seconds for a worker to begin to answer, or to end
COUNTING = 1.0  # seconds to wait for the numbers of one
PAUSE = 1.0  # seconds before a worker that did not live as long as that is replaced

Log = Callable[[str, str], None]


class Workers:
    """See the module's head."""

    def __init__(self, metrics: Metrics, log: Log) -> None:
        self._log = log
        self._legacy: Legacy | None = None
        self._living: dict[int, _Worker] = {}  # by number
        self._unburied: set[_Worker] = set()  # these, and those of another configuration that have not ended yet
        self._gone: Snapshot = {}  # what those counted that have ended
        self._waiting: set[asyncio.TimerHandle] = set()
        metrics.gather = self._gather

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._living)

    def follow(self, instance: Instance) -> None:
        """Tell the workers what the plugins of `instance` read from now on: those of the configuration before, too."""
        for place, plugin in enumerate(instance.shared()):
            plugin.share(partial(self._tell, instance, place))

    async def replace(self, count: int, legacy: Legacy) -> None:
        """Have `count` workers of this configuration, and no others."""
        old = list(self._living.values())
        self._living, self._legacy = {}, legacy
        for timer in self._waiting:
            timer.cancel()
        self.follow(legacy.instance)
        for number in range(1, count + 1):
            self._begin(number)
        if self._living:
            await asyncio.wait([worker.ready for worker in self._living.values()], timeout=PATIENCE)
        for worker in old:
            worker.end()
        if old:
            await asyncio.wait([worker.ended for worker in old], timeout=PATIENCE)

    async def end(self) -> None:
        """End all of them."""
        if self._legacy is not None:
            await self.replace(0, self._legacy)

    def _begin(self, number: int) -> None:
        assert self._legacy is not None
        worker = self._living[number] = _Worker(number, self._legacy)
        self._unburied.add(worker)
        worker.ended.add_done_callback(lambda _: self._bury(worker))

    def _bury(self, worker: "_Worker") -> None:
        self._gone = total([self._gone, worker.counted])
        self._unburied.remove(worker)
        if self._living.get(worker.number) is not worker:
            return
        del self._living[worker.number]
        self._log(
            "ERROR", f"worker {worker.number} (process {worker.pid}) ended: {worker.ended.result()}; replacing it"
        )
        loop = asyncio.get_running_loop()
        wait = 0.0 if loop.time() - worker.born > PAUSE else PAUSE
        self._waiting = {timer for timer in self._waiting if timer.when() > loop.time() and not timer.cancelled()}
        self._waiting.add(loop.call_later(wait, self._begin, worker.number))

    def _tell(self, instance: Instance, place: int, change: bytes) -> int:
        for worker in self._unburied:
            known_as = place if worker.instance is instance else instance.heirs.get(place)
            if known_as is not None:
                worker.channel.tell(CHANGE, known_as.to_bytes(2, "big") + change)
        return len(self._living)

    async def _gather(self) -> Iterable[Snapshot]:
        asked = [asyncio.ensure_future(worker.count()) for worker in self._unburied]
        if asked:
            await asyncio.wait(asked)
        return [self._gone, *(worker.counted for worker in self._unburied)]


class _Worker:
    """One of them. `ended` tells how, when it has."""

    def __init__(self, number: int, legacy: Legacy) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.born = loop.time()
        self.instance = legacy.instance
        self.counted: Snapshot = {}
        self.ready: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.channel = Channel(self._take, lambda: None)
        self._answered = asyncio.Event()
        here, there = socket.socketpair()
        here.setblocking(False)
        there.setblocking(False)
        self.pid = forked(number, there, legacy)
        there.close()
        self._watched = os.pidfd_open(self.pid)
        loop.add_reader(self._watched, self._reap)
        self._opening = loop.create_task(self.channel.open(here))

    def end(self) -> None:
        """Have it answer what is under way, and end; by force if it does not in time."""
        self.channel.tell(END)
        asyncio.get_running_loop().call_later(PATIENCE, self._kill)

    async def count(self) -> None:
        """Have it say what it has counted, if it does so in time."""
        self._answered.clear()
        self.channel.tell(COUNT)
        try:
            await asyncio.wait_for(self._answered.wait(), COUNTING)
        except TimeoutError:
            return

    def _take(self, kind: bytes, octets: bytes) -> None:
        if kind == COUNTED:
            self.counted = decode(octets, type=Snapshot)
            self._answered.set()
        elif kind == READY and not self.ready.done():
            self.ready.set_result(None)

    def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._watched)
        os.close(self._watched)
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        text = f"exit status {code}" if code >= 0 else f"signal {-code}"
        self._settling = loop.create_task(self._settle(text))

    async def _settle(self, text: str) -> None:
        await self._opening
        await self.channel.ended()
        if not self.ready.done():
            self.ready.set_result(None)
        self._answered.set()
        self.ended.set_result(text)

    def _kill(self) -> None:
        if not self.ended.done():
            os.kill(self.pid, 9)
