"""A process beside the first one that answers from its own share of the sockets.

It is forked from a first process that serves, so it begins with all that this one knows, in the same memory until one
of them writes there. It makes the configuration anew as a reload would, with everything taken over from the one that it
was born with, and never touches that again: neither its event loop nor its file descriptors. From then on the first
process tells it what changes in the cluster; files, upstreams and caches are its own.
"""

import asyncio
import gc
import os
import signal
import socket
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from msgspec.msgpack import encode

from kdns.corefile import ServerBlock
from kdns.instance import Instance, Surroundings, set_up
from kdns.listeners import Listeners, places
from kdns.metrics import Metrics
from kdns.transport.channel import CHANGE, COUNT, COUNTED, END, READY, Channel
from kdns.transport.sockets import Shares

DESCRIPTORS = Path("/proc/self/fd")
COUNTED_EVERY = 2.0  # seconds between two words of what was counted, besides those that are asked for
LEFT_TO_THE_FIRST = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT)


class Legacy(NamedTuple):
    """What a worker is born with: the configuration that the first process serves, and the sockets of all."""

    blocks: Sequence[ServerBlock]
    around: Surroundings
    instance: Instance
    shares: Shares


def serve(number: int, channel: socket.socket, legacy: Legacy) -> None:
    """Answer from share `number` until the first process says that it is enough, or is gone. In a forked process only.

    What the first process left on the stack stays there: nothing of it may be closed or collected.
    """
    signal.set_wakeup_fd(-1)
    asyncio._set_running_loop(None)
    for ignored in LEFT_TO_THE_FIRST:
        signal.signal(ignored, signal.SIG_IGN)
    legacy.shares.mine = number
    _close_all_but({0, 1, 2, channel.fileno(), *legacy.shares.descriptors()})
    asyncio.run(_run(channel, legacy))


async def _run(channel: socket.socket, legacy: Legacy) -> None:
    await _Worker(legacy).run(channel)


class _Worker:
    def __init__(self, legacy: Legacy) -> None:
        self._metrics = Metrics()
        self._log = legacy.around.log
        self._instance = set_up(
            legacy.blocks, legacy.around._replace(metrics=self._metrics), legacy.instance.sites, first=False
        )
        self._listeners = Listeners(self._metrics, self._fault, legacy.shares)
        self._shared = self._instance.shared()
        self._channel = Channel(self._take, self._end)
        self._ended = asyncio.Event()

    async def run(self, sock: socket.socket) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._end)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        await self._channel.open(sock)
        await self._instance.start(self._listeners.forget, self._tell)
        await self._listeners.serve(places(self._instance))
        gc.freeze()
        self._channel.tell(READY)
        counting = asyncio.create_task(self._keep_counted())
        await self._ended.wait()
        counting.cancel()
        await self._listeners.stop()
        await self._instance.close(self._tell)
        self._channel.tell(COUNTED, encode(self._metrics.snapshot()))
        await self._channel.close()

    async def _keep_counted(self) -> None:
        """Say now and then what was counted: that much is known of one that is killed."""
        said = b""
        while True:
            await asyncio.sleep(COUNTED_EVERY)
            counted = encode(self._metrics.snapshot())
            if counted != said:
                self._channel.tell(COUNTED, counted)
            said = counted

    def _take(self, kind: bytes, octets: bytes) -> None:
        if kind == CHANGE:
            self._shared[int.from_bytes(octets[:2], "big")].take(octets[2:])
        elif kind == COUNT:
            self._channel.tell(COUNTED, encode(self._metrics.snapshot()))
        elif kind == END:
            self._end()

    def _end(self) -> None:
        self._ended.set()

    def _tell(self, fault: str) -> None:
        self._log("ERROR", fault)

    def _fault(self, listener: str, fault: Exception) -> None:
        text, hunting = self._instance.recovered(listener, fault)
        self._log("ERROR", text)
        if hunting:
            self._end()


def _close_all_but(kept: set[int]) -> None:
    """Close the descriptors that are the first process's: what it closes must not stay open here."""
    for name in os.listdir(DESCRIPTORS):  # noqa: PTH208 - the directory's own descriptor is among them
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                continue


def forked(number: int, channel: socket.socket, legacy: Legacy) -> int:
    """The process ID of a new worker, which has `channel`'s end to itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if not pid:
            _live(number, channel, legacy)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live(number: int, channel: socket.socket, legacy: Legacy) -> NoReturn:
    status = 1
    try:
        serve(number, channel, legacy)
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)
