"""Frame streams on real sockets: to a collector that listens, to collectors that connect, and what is dropped."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dnstap_pb import dnstap_pb2 as pb
from fstrm import FSTRM_CONTROL_READY, FSTRM_CONTROL_START, FSTRM_CONTROL_STOP

from kdns.transport import tap
from kdns.transport.tap import Incoming, Outgoing, Place
from tests.kdns.collector import CONTENT_TYPE, Collector
from tests.kdns.transport import certificates

Log = list[tuple[str, str]]


def payload(number: int, size: int = 0) -> bytes:
    octets: bytes = pb.Dnstap(type=pb.Dnstap.MESSAGE, identity=b"%d" % number, extra=bytes(size)).SerializeToString()
    return octets


class Listening:
    """A collector's server: `connected` has what came, `stop` closes it."""

    def __init__(self) -> None:
        self.connected: asyncio.Queue[Collector] = asyncio.Queue()
        self.place = Place()
        self.server: asyncio.Server | None = None

    def made(self, **how: Any) -> Collector:
        collector = Collector(**how)
        self.connected.put_nowait(collector)
        return collector

    async def on_tcp(self, tls: Any = None, client: Any = None, port: int = 0, **how: Any) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(partial(self.made, **how), "127.0.0.1", port, ssl=tls)
        self.place = Place(host="127.0.0.1", port=self.server.sockets[0].getsockname()[1], tls=client)

    async def on_unix(self, path: Path) -> None:
        self.server = await asyncio.get_running_loop().create_unix_server(self.made, path)
        self.place = Place(path=str(path))


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    made = Listening()
    yield made
    if made.server is not None:
        made.server.close()


@asynccontextmanager
async def running(place: Place, log: Log, most: int = 10_000) -> AsyncIterator[Outgoing]:
    outgoing = Outgoing(place, CONTENT_TYPE, most, 1 << 20, lambda *line: log.append(line))
    task = asyncio.create_task(outgoing.run())
    await outgoing.start()
    try:
        yield outgoing
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await outgoing.close()


@pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])
async def test_a_collector_gets_what_was_put_and_says_that_it_has_it(
    kind: str, listening: Listening, tmp_path: Path
) -> None:
    if kind == "unix":
        await listening.on_unix(tmp_path / "socket")
    elif kind == "tcp":
        await listening.on_tcp()
    else:
        file = certificates.make(tmp_path)
        await listening.on_tcp(certificates.server_side(file), certificates.client_side(file))
    log: Log = []
    async with running(listening.place, log) as outgoing:
        for number in range(3):
            outgoing.put(payload(number))
        collector = await listening.connected.get()
        assert [(await collector.next()).identity for _ in range(3)] == [b"0", b"1", b"2"]
        outgoing.put(payload(3))
    assert (await collector.next()).identity == b"3"
    await collector.lost
    assert collector.kinds == [FSTRM_CONTROL_READY, FSTRM_CONTROL_START, FSTRM_CONTROL_STOP]
    assert collector.content_types[:2] == [[CONTENT_TYPE], [CONTENT_TYPE]]
    assert log == []


async def test_a_collector_that_is_not_there_is_told_of_and_what_was_dropped_too(tmp_path: Path) -> None:
    log: Log = []
    async with running(Place(path=str(tmp_path / "nowhere")), log) as outgoing:
        outgoing.put(payload(1))
        outgoing.put(payload(2))
    (level, first), dropped = log
    assert (level, first[:33]) == ("ERROR", "No connection to dnstap endpoint:")
    assert "No such file or directory" in first
    assert dropped == ("WARNING", "Dropped dnstap messages: 2")


async def test_a_collector_of_something_else_gets_nothing(listening: Listening) -> None:
    await listening.on_tcp(accepts=b"protobuf:else")
    log: Log = []
    async with running(listening.place, log) as outgoing:
        outgoing.put(payload(1))
    assert log == [
        ("ERROR", "No connection to dnstap endpoint: the stream was not accepted"),
        ("WARNING", "Dropped dnstap messages: 1"),
    ]


async def test_what_listens_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "PATIENCE", 0.05)
    log: Log = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with running(Place(host="127.0.0.1", port=server.getsockname()[1]), log):
            pass
    assert log == [("ERROR", "No connection to dnstap endpoint: i/o timeout")]


async def test_a_lost_connection_is_opened_again(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "AGAIN", 0.0)
    monkeypatch.setattr(tap, "LOOK", 0.02)
    await listening.on_tcp()
    log: Log = []
    async with running(listening.place, log) as outgoing:
        first = await listening.connected.get()
        first.transport.abort()
        second = await listening.connected.get()
        await second.made
        assert listening.server is not None
        listening.server.close()
        second.transport.abort()
        await second.lost
        await listening.on_tcp(port=listening.place.port)  # somewhat later it is there again
        third = await listening.connected.get()
        while not third.messages.qsize():
            outgoing.put(payload(7))
            await asyncio.wait({third.lost}, timeout=0.01)
        assert (await third.next()).identity == b"7"
    assert all("Dropped" in message for _, message in log)


async def test_what_a_slow_collector_does_not_take_waits_up_to_a_number(listening: Listening) -> None:
    await listening.on_tcp()
    log: Log = []
    async with running(listening.place, log, most=5) as outgoing:
        collector = await listening.connected.get()
        await collector.made
        outgoing.put(payload(0))
        await collector.next()
        collector.transport.pause_reading()
        for number in range(1, 200):  # more than the system's buffers and asyncio's hold
            outgoing.put(payload(number, size=100_000))
            await asyncio.wait({collector.lost}, timeout=0)
        collector.transport.resume_reading()
    await collector.lost
    found = [int((await collector.next()).identity) for _ in range(collector.messages.qsize())]
    assert found == list(range(1, len(found) + 1))
    ((level, message),) = log
    assert level == "WARNING"
    assert int(message.split()[-1]) == 199 - len(found) > 0


@asynccontextmanager
async def serving(place: Callable[[], Place], log: Log) -> AsyncIterator[Incoming]:
    incoming = Incoming(place, CONTENT_TYPE, lambda *line: log.append(line))
    await incoming.start()
    running = asyncio.create_task(incoming.run())
    try:
        yield incoming
    finally:
        assert not running.done()
        running.cancel()
        await incoming.close()


async def test_every_collector_that_connects_gets_what_is_put_then(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    path = str(tmp_path / "socket")
    log: Log = []
    async with serving(lambda: Place(path=path), log) as incoming:
        incoming.put(payload(0))  # nobody is there
        _, first = await loop.create_unix_connection(Collector, path)
        _, second = await loop.create_unix_connection(Collector, path)
        while not (first.messages.qsize() and second.messages.qsize()):
            incoming.put(payload(1))
            await asyncio.wait({first.lost}, timeout=0.01)
        second.transport.close()
        await second.lost
        incoming.put(payload(2))
        while (await first.next()).identity != b"2":
            continue
    await first.lost
    assert first.kinds == [FSTRM_CONTROL_READY, FSTRM_CONTROL_START, FSTRM_CONTROL_STOP]
    assert log == []


async def test_a_collector_that_falls_behind_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "MOST_BEHIND", 1 << 16)
    loop = asyncio.get_running_loop()
    log: Log = []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with serving(lambda: Place(host="127.0.0.1", port=port), log) as incoming:
        _, slow = await loop.create_connection(Collector, "127.0.0.1", port)
        _, quick = await loop.create_connection(Collector, "127.0.0.1", port)
        while not (slow.messages.qsize() and quick.messages.qsize()):
            incoming.put(payload(1))
            await asyncio.wait({slow.lost}, timeout=0.01)
        slow.transport.pause_reading()
        while not log:
            incoming.put(payload(2, size=10_000))
            while (await quick.next()).identity != b"2":
                continue
        slow.transport.resume_reading()
        await slow.lost
    assert log == [("WARNING", "a collector of dnstap messages is too slow, and let go")]


async def test_where_nobody_can_listen_that_is_logged(tmp_path: Path) -> None:
    log: Log = []
    async with serving(lambda: Place(path=str(tmp_path / "missing" / "socket")), log) as incoming:
        incoming.put(payload(1))
    ((level, message),) = log
    assert (level, message[:32]) == ("ERROR", "Failed to start dnstap listener:")
