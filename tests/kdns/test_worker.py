"""One worker, as the first process hears of it over their channel."""

import asyncio
import gc
import signal
import socket
from pathlib import Path

import pytest
from msgspec.msgpack import decode

from kdns import worker
from kdns.corefile import Files, parse
from kdns.instance import Surroundings, set_up
from kdns.listeners import Listeners, places
from kdns.metrics import Metrics, Snapshot
from kdns.plugins import ORDER
from kdns.transport.channel import COUNTED, END, READY, Channel
from kdns.transport.sockets import Shares
from kdns.worker import Legacy
from tests.kdns.server import free_port, query

COREFILE = ".:%d {\n bind 127.0.0.1\n multisocket 2\n prometheus 127.0.0.1:0\n whoami\n}\n"
CLIENTS = 24  # whose ports the kernel spreads over two sockets


class Heard:
    """What a worker says: whether it is ready, and what it has counted so far."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.some = asyncio.Event()
        self.ended = asyncio.Event()
        self.channel = Channel(self._take, self.ended.set)

    def _take(self, kind: bytes, octets: bytes) -> None:
        if kind == READY:
            self.ready.set()
        elif kind == COUNTED and decode(octets, type=Snapshot)["coredns_dns_requests_total"]:
            self.some.set()


async def test_a_worker_says_what_it_has_counted_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "COUNTED_EVERY", 0.001)
    port = free_port()
    blocks = parse(COREFILE % port, "Corefile", ORDER, {}, Files(str, lambda pattern: [], print))
    around = Surroundings(Metrics(), {}, Path.cwd(), lambda level, message: None)
    first, shares = set_up(blocks, around), Shares()
    listeners = Listeners(around.metrics, lambda listener, fault: None, shares)
    await listeners.serve(places(first))
    shares.mine = 1
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)
    heard = Heard()
    await heard.channel.open(here)
    running = asyncio.create_task(worker._run(there, Legacy(blocks, around, first, shares)))
    try:
        await heard.ready.wait()
        for _ in range(CLIENTS):
            with socket.socket(type=socket.SOCK_DGRAM) as client:
                client.sendto(query("a.example. A"), ("127.0.0.1", port))
        await heard.some.wait()
        heard.channel.tell(END)
        await running
        await heard.ended.wait()
    finally:
        gc.unfreeze()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        await listeners.stop()
