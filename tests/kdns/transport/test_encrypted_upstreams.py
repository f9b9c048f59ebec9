"""Upstreams over TLS and HTTPS, on real sockets with a real certificate."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from aiohttp import web

from bench.ports import free_port
from kdns.answer import Answers
from kdns.block import Block
from kdns.chain import Handler, Reply, Request, link
from kdns.eager import Pending
from kdns.errors import UpstreamError, WrongReply
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.transport import policy
from kdns.transport.address import Address
from kdns.transport.forwarder import Forwarder, Route
from kdns.transport.https import with_alpn
from kdns.transport.sockets import Endpoint, open_tcp
from kdns.transport.timeouts import Timeouts
from kdns.transport.upstream import Health, Manner, Upstream
from kdns.web.doh import Doh
from kdns.web.server import Limits, WebListener
from kdns.wire import codes, message, names, question, records
from kdns.wire.records import Message
from tests.kdns.asking import question as ask_for
from tests.kdns.asking import records as rrs
from tests.kdns.transport import certificates
from tests.kdns.upstream import Received, address_of_name, other_question, reply, upstream

WWW = ask_for("www.example.org. A")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and dns.example."""
    return certificates.make(tmp_path_factory.mktemp("certificate"))


def addresses_in(octets: bytes) -> list[str]:
    """The answer section as RDATA texts."""
    return [message.to_text(rr).split()[-1] for rr in records.read_message(octets).answer]


@pytest.mark.parametrize("server_name", ["", "dns.example"])
async def test_over_tls_the_certificate_must_name_the_upstream(certificate: Path, server_name: str) -> None:
    metrics = Metrics()
    async with upstream(address_of_name, certificates.server_side(certificate)) as server:
        manner = Manner(tls=certificates.client_side(certificate))
        one = Upstream(server.address._replace(server_name=server_name), manner, metrics)
        for _ in range(2):
            assert addresses_in(await one.exchange(WWW, "udp", 2.0)) == ["192.0.2.1"]
        await one.close()

    assert server.accepted == 1
    assert metrics.family("proxy_conn_cache_misses_total").values == {("forward", server.to, "tcp-tls"): 1}


async def test_a_certificate_for_another_name_is_refused(certificate: Path) -> None:
    async with upstream(address_of_name, certificates.server_side(certificate)) as server:
        manner = Manner(tls=certificates.client_side(certificate))
        one = Upstream(server.address._replace(server_name="other.example"), manner, Metrics())
        with pytest.raises(UpstreamError, match="CERTIFICATE_VERIFY_FAILED"):
            await one.exchange(WWW, "tcp", 2.0)
        await one.close()
    assert not server.received


async def test_over_tls_the_probe_goes_over_tls(certificate: Path) -> None:
    async with upstream(address_of_name, certificates.server_side(certificate)) as server:
        manner = Manner(tls=certificates.client_side(certificate), health=Health(interval=0.01))
        one = Upstream(server.address, manner, Metrics())
        one.check()
        await server.until_received(1)
        await one.close()

    assert (server.received[0].text, server.received[0].proto) == (". NS", "tcp")


class WebServer:
    """A DNS over HTTPS server that answers every name with one address, and remembers how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []  # method, content type, packet
        self.status = 200
        self.is_wrong = False
        self.port = 0

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address("https", "127.0.0.1", self.port)

    async def answer(self, asked: web.Request) -> web.Response:
        """One exchange of RFC 8484."""
        packet = await asked.read()
        if asked.method == "GET":
            text = asked.query["dns"]
            packet = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        self.asked.append((asked.method, asked.headers.get("Content-Type", ""), packet))
        received = Received(packet, question.parse(packet), "tcp", ())
        body = other_question(received) if self.is_wrong else reply(received, "www.example.org. 60 IN A 192.0.2.1")
        return web.Response(status=self.status, body=body, content_type="application/dns-message")


@asynccontextmanager
async def web_server(certificate: Path) -> AsyncIterator[WebServer]:
    """Run a DNS over HTTPS server while the block lasts."""
    server = WebServer()
    app = web.Application()
    app.router.add_route("*", "/dns-query", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server_side(certificate))
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("method", "content_type"), [("POST", "application/dns-message"), ("GET", "")])
async def test_over_https_either_method_can_ask(certificate: Path, method: str, content_type: str) -> None:
    async with web_server(certificate) as server:
        one = Upstream(server.address, Manner(tls=certificates.client_side(certificate), method=method), Metrics())
        assert addresses_in(await one.exchange(WWW, "udp", 2.0)) == ["192.0.2.1"]
        await one.close()

    ((used, kind, packet),) = server.asked
    assert (used, kind) == (method, content_type.strip())
    assert question.parse(packet) == WWW._replace(id=0)


async def test_a_client_over_udp_that_no_task_stands_for_is_answered_over_https(certificate: Path) -> None:
    async with web_server(certificate) as server:
        one = Upstream(server.address, Manner(tls=certificates.client_side(certificate)), Metrics())
        forward = Forwarder((one,), policy.sequential, Route(attempts=1), Random(1), lambda: None)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Message | None] = loop.create_future()
        loop.call_soon(lambda: Pending().begin(forward.ask(WWW, "udp"), answered.set_result))
        found = await answered
        await forward.close()

    assert found is not None
    assert [message.to_text(rr).split()[-1] for rr in found.answer] == ["192.0.2.1"]


async def test_over_https_a_status_other_than_200_is_a_failure(certificate: Path) -> None:
    async with web_server(certificate) as server:
        server.status = 503
        one = Upstream(server.address, Manner(tls=certificates.client_side(certificate)), Metrics())
        with pytest.raises(UpstreamError, match="HTTP status 503"):
            await one.exchange(WWW, "udp", 2.0)
        await one.close()


async def test_over_https_a_reply_to_another_question_is_told_apart(certificate: Path) -> None:
    async with web_server(certificate) as server:
        server.is_wrong = True
        one = Upstream(server.address, Manner(tls=certificates.client_side(certificate)), Metrics())
        with pytest.raises(WrongReply):
            await one.exchange(WWW, "udp", 2.0)
        await one.close()
    assert WrongReply.rcode == codes.FORMERR


async def test_over_https_a_certificate_nobody_trusts_is_a_failure(certificate: Path) -> None:
    async with web_server(certificate) as server:
        one = Upstream(server.address, Manner(), Metrics())
        with pytest.raises(UpstreamError, match="CERTIFICATE_VERIFY_FAILED"):
            await one.exchange(WWW, "udp", 2.0)
        await one.close()


async def test_over_https_a_closed_upstream_is_a_failure(certificate: Path) -> None:
    async with web_server(certificate) as server:
        one = Upstream(server.address, Manner(tls=certificates.client_side(certificate)), Metrics())
        await one.exchange(WWW, "udp", 2.0)
        await one.close()

        with pytest.raises(UpstreamError, match="use of closed network connection"):
            await one.exchange(WWW, "udp", 2.0)


@asynccontextmanager
async def http2_server(certificate: Path) -> AsyncIterator[tuple[Address, list[Request]]]:
    """A DNS over HTTPS server that speaks HTTP/2, and what it is asked."""
    asked: list[Request] = []

    async def answer(request: Request, rest: Handler) -> Reply:
        asked.append(request)
        return Reply(answer=tuple(rrs("www.example.org. 60 IN A 192.0.2.1")))

    answers = Answers("https://:443", {names.ROOT: (Block(names.ROOT, link([answer])),)}, False, Metrics(), print)
    context = with_alpn(certificates.server_side(certificate))
    (sock,) = open_tcp(Endpoint("127.0.0.1", 0))
    address = Address("https", *sock.getsockname()[:2])
    listener = WebListener(
        sock, Doh(lambda status: None), answers, Memo(0), time.monotonic, Timeouts(), Limits(), lambda: context
    )
    await listener.start()
    try:
        yield address, asked
    finally:
        listener.stop()


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_over_https_many_questions_share_a_connection_of_http2(certificate: Path, method: str) -> None:
    async with http2_server(certificate) as (address, asked):
        tls, either = certificates.client_side(certificate), with_alpn(certificates.client_side(certificate))
        one = Upstream(address._replace(server_name="dns.example"), Manner(tls, either, method=method), Metrics())
        replies = await asyncio.gather(*(one.exchange(WWW, "udp", 5.0) for _ in range(30)))
        replies.append(await one.exchange(WWW, "udp", 5.0))
        await one.close()
    assert all(addresses_in(octets) == ["192.0.2.1"] for octets in replies)
    assert len(asked) == 31
    assert len({request.client.port for request in asked}) == 1


async def test_over_https_a_server_without_http2_is_asked_as_it_speaks(certificate: Path) -> None:
    async with web_server(certificate) as server:
        tls, either = certificates.client_side(certificate), with_alpn(certificates.client_side(certificate))
        one = Upstream(server.address, Manner(tls, either), Metrics())
        for _ in range(2):
            assert addresses_in(await one.exchange(WWW, "udp", 5.0)) == ["192.0.2.1"]
        await one.close()
    assert len(server.asked) == 2


async def test_over_https_a_connection_that_was_closed_meanwhile_is_no_fault(certificate: Path) -> None:
    async with http2_server(certificate) as (address, asked):
        tls, either = certificates.client_side(certificate), with_alpn(certificates.client_side(certificate))
        one = Upstream(address, Manner(tls, either), Metrics())
        await one.exchange(WWW, "udp", 5.0)
        (used,) = one._over_https()._connections
        used._transport.close()
        assert addresses_in(await one.exchange(WWW, "udp", 5.0)) == ["192.0.2.1"]
        await one.close()
    assert len({request.client.port for request in asked}) == 2


async def test_dnsdist_is_asked_over_http2(certificate: Path, tmp_path: Path) -> None:
    port = free_port()
    file = tmp_path / "dnsdist.conf"
    file.write_text(
        f'setLocal("127.0.0.1:{free_port()}")\n'
        f'addDOHLocal("127.0.0.1:{port}", "{certificate}", "{certificate}", "/dns-query")\n'
        'addAction(AllRule(), SpoofAction({"192.0.2.1"}))\nnewServer("127.0.0.1:9")\n'
    )
    command = ["/usr/bin/dnsdist", "--supervised", "--disable-syslog", "-C", str(file)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    tls, either = certificates.client_side(certificate), with_alpn(certificates.client_side(certificate))
    one = Upstream(Address("https", "127.0.0.1", port), Manner(tls, either), Metrics())
    try:
        octets = await patiently(one)
        spoken = [connection.is_spoken for connection in one._over_https()._connections]
    finally:
        await one.close()
        process.terminate()
        await process.wait()
    assert addresses_in(octets) == ["192.0.2.1"]
    assert spoken == [True]


async def patiently(one: Upstream) -> bytes:
    """The reply, as soon as the upstream is there."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await one.exchange(WWW, "udp", 5.0)
            except UpstreamError:
                await asyncio.sleep(0)
