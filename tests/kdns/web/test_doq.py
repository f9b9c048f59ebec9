"""DNS over QUIC and HTTP/3 on real sockets: kdig and aioquic as clients, and what DoQ's rules end a connection for."""

import asyncio
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamDataReceived
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import AlertDescription

from kdns.answer import Answers
from kdns.block import Block
from kdns.chain import Reply, Request, link
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.transport.certificates import Certificates, Files
from kdns.transport.proxied import Mode, Proxying, Sessions
from kdns.transport.sockets import Endpoint, open_udp
from kdns.transport.timeouts import Timeouts
from kdns.web import doq, handshake
from kdns.web.doh import Doh
from kdns.web.handshake import Clients
from kdns.wire import names, records
from kdns.wire.frame import framed
from tests.kdns.asking import records as rrs
from tests.kdns.server import query
from tests.kdns.transport import certificates

QUERY = b"\0\0" + query("www.example.org. A")[2:]
MANY = "\n".join(f"www.example.org. 60 IN A 192.0.2.{number}" for number in range(250))


class Zone:
    """A plugin with an answer that no UDP datagram could hold; it waits while told to."""

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.asked: list[Request] = []

    async def __call__(self, request: Request, rest: Any) -> Reply:
        self.asked.append(request)
        if self.gate is not None:
            await self.gate.wait()
        return Reply(answer=rrs(MANY))


class Listening:
    """A QUIC listener, its plugin and what it counted."""

    def __init__(
        self, directory: Path, protocol: str, limits: doq.Limits, timeouts: Timeouts, clients: Clients | None
    ) -> None:
        self.file = certificates.make(directory)
        self.zone, self.counted = Zone(), list[int]()
        tls = Certificates(Files(self.file, self.file), (), time.monotonic, print)
        block = Block(names.ROOT, link([self.zone]))
        answers = Answers("quic://:853", {names.ROOT: (block,)}, False, Metrics(), self.fault)
        (sock,) = open_udp(Endpoint("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        served = doq.Served(answers, Memo(1 << 20), time.monotonic, limits, self.counted.append, clients)
        speaks = doq.DoqConnection if protocol == doq.DOQ else partial(doq.H3DnsConnection, application=Doh([].append))
        configuration = handshake.Configurations(tls, protocol, timeouts.idle).current
        self.listener = doq.QuicListener(sock, configuration, served, timeouts, speaks)
        self.protocol = protocol

    def fault(self, label: str, fault: Exception) -> None:
        raise fault

    def client(
        self,
        through: Callable[[Any], Any] = lambda transport: transport,
        idle: float = 60.0,
        shown: Path | None = None,
    ) -> Any:
        made = QuicConfiguration(
            is_client=True, alpn_protocols=[self.protocol], server_name="dns.example", idle_timeout=idle
        )
        made.load_verify_locations(cafile=str(self.file))
        if shown is not None:
            made.load_cert_chain(shown, shown.with_suffix(".key"))
        speaks = partial(Client, through=through)
        return connect("127.0.0.1", self.port, configuration=made, create_protocol=speaks)


class Client(QuicConnectionProtocol):
    """A client that keeps what it gets: octets by stream, and why the connection ended."""

    def __init__(self, *args: Any, through: Callable[[Any], Any], **more: Any) -> None:
        super().__init__(*args, **more)
        self._through = through
        self.got: dict[int, bytes] = {}
        self.whole: dict[int, asyncio.Future[bytes]] = {}
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event: QuicEvent) -> None:
        match event:
            case StreamDataReceived(stream_id=number):
                self.got[number] = self.got.get(number, b"") + event.data
                if event.end_stream and number in self.whole and not self.whole[number].done():
                    self.whole[number].set_result(self.got[number])
            case ConnectionTerminated():
                self.code.set_result(event.error_code)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(self._through(transport))

    def send(self, octets: bytes, *, end: bool = True) -> "asyncio.Future[bytes]":
        number = self._quic.get_next_available_stream_id()
        self.whole[number] = asyncio.get_running_loop().create_future()
        self._quic.send_stream_data(number, octets, end_stream=end)
        self.transmit()
        return self.whole[number]


Listen = Callable[..., Any]


@pytest.fixture
def listen(tmp_path: Path) -> Listen:
    @asynccontextmanager
    async def make(
        protocol: str = doq.DOQ,
        limits: doq.Limits = doq.Limits(),  # noqa: B008
        timeouts: Timeouts = Timeouts(),  # noqa: B008
        clients: Clients | None = None,
    ) -> AsyncIterator[Listening]:
        made = Listening(tmp_path, protocol, limits, timeouts, clients)
        await made.listener.start()
        try:
            yield made
        finally:
            made.listener.stop()
            made.listener.close()

    return make


async def kdig(port: int, *flags: str) -> str:
    command = ["kdig", "@127.0.0.1", "-p", str(port), *flags, "www.example.org", "A", "+short"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = await process.communicate()
    return said.decode()


class Proxied:
    """A client's transport that is a proxy on the way: it puts a header before its first datagrams."""

    def __init__(self, transport: Any, headers: list[bytes]) -> None:
        self._transport = transport
        self._headers = headers

    def sendto(self, octets: bytes, address: Any) -> None:
        header = self._headers.pop() if self._headers else b""
        self._transport.sendto(header + octets, address)

    def close(self) -> None:
        self._transport.close()


@pytest.mark.parametrize("headers", [1, 1000])
async def test_a_proxy_s_client_is_seen_with_one_header_or_one_each(listen: Listen, headers: int) -> None:
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c" + bytes((192, 0, 2, 7, 192, 0, 2, 53, 1, 0, 3, 85))
    proxying = Proxying(lambda address: Mode.USE, print, Sessions(0, 1))
    async with listen() as server:
        server.listener.adopt(Timeouts(), proxying)
        async with server.client(lambda transport: Proxied(transport, [header] * headers)) as client:
            await client.send(framed(QUERY))
    assert {request.client[:2] for request in server.zone.asked} == {("192.0.2.7", 256)}


async def test_a_datagram_with_a_header_that_is_refused_is_not_quic(listen: Listen) -> None:
    warned: list[str] = []
    header = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
    async with listen() as server:
        server.listener.adopt(Timeouts(), Proxying(lambda address: Mode.REJECT, warned.append, Sessions(0, 1)))
        with pytest.raises(ConnectionError):
            async with server.client(lambda transport: Proxied(transport, [header] * 1000), idle=0.2):
                pass
    assert "rejected by Proxy Protocol connection policy" in warned[0]
    assert not server.zone.asked


async def test_kdig_gets_the_whole_of_a_large_answer(listen: Listen) -> None:
    async with listen() as server:
        said = await kdig(server.port, f"+tls-ca={server.file}", "+tls-hostname=dns.example", "+quic")
    assert said.count("192.0.2.") == 250
    assert server.counted == [doq.NO_ERROR]
    assert server.zone.asked[0].client.proto == "udp"


async def test_streams_are_answered_each_when_its_answer_is_there(listen: Listen) -> None:
    async with listen() as server, server.client() as client:
        server.zone.gate = asyncio.Event()
        slow = client.send(framed(QUERY))
        pieces = client.send(framed(QUERY)[:7], end=False)
        number = max(client.whole)
        client._quic.send_stream_data(number, framed(QUERY)[7:], end_stream=True)
        client.transmit()
        server.zone.gate.set()
        for reply in (await slow, await pieces):
            assert len(records.read_message(reply[2:]).answer) == 250


@pytest.mark.parametrize(
    "octets",
    [
        framed(b"\0\1" + QUERY[2:]),
        framed(QUERY) + framed(QUERY),
        framed(QUERY)[:-3],
        framed(b""),
        framed(QUERY[:2] + b"\x80" + QUERY[3:]),
        framed(QUERY[:20]),
        framed(QUERY[:10] + b"\0\1" + QUERY[12:] + b"\0\0\x29\x04\xd0\0\0\0\0\0\x04\0\x0b\0\0"),
        b"no length",
    ],
)
async def test_what_breaks_the_rules_ends_the_connection(listen: Listen, octets: bytes) -> None:
    async with listen() as server, server.client() as client:
        client.send(octets)
        assert await asyncio.wait_for(client.code, 5) == doq.PROTOCOL_ERROR
    assert server.counted == [doq.PROTOCOL_ERROR]


async def test_a_query_that_never_becomes_whole_ends_the_connection(listen: Listen) -> None:
    async with listen(timeouts=Timeouts(read=0.05)) as server, server.client() as client:
        client.send(framed(QUERY)[:9], end=False)
        assert await asyncio.wait_for(client.code, 5) == doq.PROTOCOL_ERROR


async def test_more_streams_than_allowed_end_the_connection(listen: Listen) -> None:
    async with listen(limits=doq.Limits(streams=2)) as server, server.client() as client:
        server.zone.gate = asyncio.Event()
        for _ in range(3):
            client.send(framed(QUERY))
        assert await asyncio.wait_for(client.code, 5) == doq.EXCESSIVE_LOAD


async def test_queries_whose_streams_were_reset_count_until_they_are_answered(listen: Listen) -> None:
    async with listen(limits=doq.Limits(streams=2)) as server, server.client() as client:
        server.zone.gate = asyncio.Event()
        for number in range(2):
            client.send(framed(QUERY))
            while len(server.zone.asked) <= number:
                await asyncio.wait_for(client.ping(), 5)
            client._quic.stop_stream(4 * number, doq.NO_ERROR)
            client.transmit()
        await asyncio.wait_for(client.ping(), 5)
        client.send(framed(QUERY))
        assert await asyncio.wait_for(client.code, 5) == doq.EXCESSIVE_LOAD


async def test_more_connections_than_allowed_are_closed(listen: Listen) -> None:
    async with listen(limits=doq.Limits(connections=1)) as server, server.client() as first:
        await first.send(framed(QUERY))
        async with server.client() as second:
            assert await asyncio.wait_for(second.code, 5) == doq.NO_ERROR


async def test_queries_wait_while_as_many_as_allowed_are_under_way(listen: Listen) -> None:
    async with listen(limits=doq.Limits(queries=1)) as server, server.client() as client:
        server.zone.gate = asyncio.Event()
        replies = [client.send(framed(QUERY)) for _ in range(3)]
        while not server.zone.asked:
            await asyncio.wait_for(client.ping(), 5)
        assert len(server.zone.asked) == 1
        server.zone.gate.set()
        assert len(await asyncio.gather(*replies)) == 3


async def test_a_query_that_waits_and_is_taken_back_is_not_asked(listen: Listen) -> None:
    async with listen(limits=doq.Limits(queries=1)) as server, server.client() as client:
        server.zone.gate = asyncio.Event()
        first, _, last = (client.send(framed(QUERY)) for _ in range(3))
        while not server.zone.asked:
            await asyncio.wait_for(client.ping(), 5)
        client._quic.stop_stream(4, doq.NO_ERROR)
        await asyncio.wait_for(client.ping(), 5)
        server.zone.gate.set()
        await asyncio.gather(first, last)
        assert len(server.zone.asked) == 2


async def over_http_3(listen: Listen, method: str, body: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """The headers and the body of a response."""
    async with listen(doq.H3) as server, server.client() as client:
        http = H3Connection(client._quic)
        number = client._quic.get_next_available_stream_id()
        client.whole[number] = asyncio.get_running_loop().create_future()
        head = {":method": method, ":scheme": "https", ":authority": "dns.example", ":path": "/dns-query"}
        http.send_headers(number, [(name.encode(), value.encode()) for name, value in head.items()])
        http.send_data(number, body, end_stream=True)
        client.transmit()
        octets = await asyncio.wait_for(client.whole[number], 5)
        events = http.handle_event(StreamDataReceived(data=octets, end_stream=True, stream_id=number))
    (headers,) = [dict(event.headers) for event in events if isinstance(event, HeadersReceived)]
    return headers, b"".join(event.data for event in events if isinstance(event, DataReceived))


async def test_a_response_over_http_3_to_head_has_no_body(listen: Listen) -> None:
    headers, body = await over_http_3(listen, "HEAD", b"")

    assert (headers[b":status"], body) == (b"400", b"")


async def test_http_3_carries_queries_too(listen: Listen) -> None:
    headers, body = await over_http_3(listen, "POST", QUERY)

    assert headers[b":status"] == b"200"
    assert headers[b"cache-control"] == b"max-age=60"
    assert len(records.read_message(body).answer) == 250


async def test_a_client_that_trusts_another_authority_gets_nothing(listen: Listen) -> None:
    async with listen() as server:
        made = QuicConfiguration(is_client=True, alpn_protocols=[doq.DOQ], verify_mode=ssl.CERT_REQUIRED)
        with pytest.raises(ConnectionError):
            async with connect("127.0.0.1", server.port, configuration=made):
                pass


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path | None]:
    """What clients may show: certificates by what is the matter with them; `ca` is who signs the good ones."""
    place = tmp_path_factory.mktemp("clients")
    found: dict[str, Path | None] = {"nothing": None, "ca": certificates.authority(place, "ca")}
    certificates.authority(place, "stranger")
    found["good"] = certificates.certificate(place, "good", "ca")
    found["for clients"] = certificates.certificate(place, "client", "ca", "clientAuth,serverAuth")
    found["for servers"] = certificates.certificate(place, "server", "ca", "serverAuth")
    found["a stranger's"] = certificates.certificate(place, "strange", "stranger")
    found["its own"] = certificates.authority(place, "self")
    found["over"] = certificates.expired(place, "over", "ca")
    found["another's"] = Path(shutil.copy(place / "good.crt", place / "stolen.crt"))
    shutil.copy(place / "strange.key", place / "stolen.key")
    return found


@pytest.mark.parametrize(
    ("what", "required", "alert"),
    [
        ("good", True, None),
        ("good", False, None),
        ("for clients", True, None),
        ("nothing", False, None),
        ("nothing", True, AlertDescription.certificate_required),
        ("for servers", True, AlertDescription.unsupported_certificate),
        ("a stranger's", True, AlertDescription.bad_certificate),
        ("a stranger's", False, AlertDescription.bad_certificate),
        ("its own", False, AlertDescription.bad_certificate),
        ("over", True, AlertDescription.certificate_expired),
        ("another's", False, AlertDescription.decrypt_error),  # whose key the client does not have
    ],
)
@pytest.mark.parametrize("protocol", [doq.DOQ, doq.H3])
async def test_clients_are_served_by_their_certificates(
    listen: Listen,
    shown: dict[str, Path | None],
    protocol: str,
    what: str,
    required: bool,
    alert: AlertDescription | None,
) -> None:
    async with listen(protocol, clients=Clients(shown["ca"], required)) as server:
        async with server.client(shown=shown[what]) as client:
            waiting = client.send(framed(QUERY)) if protocol == doq.DOQ else _posted(client)
            done, _ = await asyncio.wait({waiting, client.code}, return_when=asyncio.FIRST_COMPLETED)
            assert done == ({waiting} if alert is None else {client.code})
            if alert is not None:
                assert client.code.result() == QuicErrorCode.CRYPTO_ERROR + alert
        assert bool(server.zone.asked) is (alert is None)


def _posted(client: Client) -> "asyncio.Future[bytes]":
    """A query over HTTP/3, whose response's octets come."""
    http = H3Connection(client._quic)
    number = client._quic.get_next_available_stream_id()
    client.whole[number] = asyncio.get_running_loop().create_future()
    head = {":method": "POST", ":scheme": "https", ":authority": "a", ":path": "/dns-query"}
    head["content-type"] = "application/dns-message"
    http.send_headers(number, [(name.encode(), value.encode()) for name, value in head.items()])
    http.send_data(number, QUERY, end_stream=True)
    client.transmit()
    return client.whole[number]
