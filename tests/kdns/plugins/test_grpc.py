"""grpc: other servers asked over gRPC, with grpcio's own server as the upstream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from kdns.chain import Reply, Request, link
from kdns.errors import ConfigError, NoAnswer
from kdns.metrics import Metrics
from kdns.plugins import grpc as plugin
from kdns.tracing import Span, Trace
from kdns.transport.grpc import METHOD
from kdns.wire import codes
from kdns.wire.question import parse
from tests.kdns.asking import args, canned, request, served, texts
from tests.kdns.transport import certificates
from tests.kdns.upstream import Received, other_question, reply, with_rcode

WWW = "www.example.org. A"
BELOW = Reply(answer=(), rcode=codes.REFUSED, by="below")

Script = Callable[[Received], list[bytes]]
Calls = list[Received]


def in_order(text: str) -> str:
    """The directive with the upstreams asked in the order in which they stand."""
    return f"{text} {{\n policy sequential\n}}"


@asynccontextmanager
async def upstream(script: Script, tls: grpc.ServerCredentials | None = None) -> AsyncIterator[tuple[str, Calls]]:
    """A gRPC server that replies as the script says (nothing: NOT_FOUND): where it is, and the calls it has had."""
    calls: Calls = []

    async def answer(packet: BytesValue, context: grpc.aio.ServicerContext[BytesValue, BytesValue]) -> BytesValue:
        received = Received(packet.value, parse(packet.value), "tcp", ())
        calls.append(received)
        for octets in script(received):
            return BytesValue(value=octets)
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such name")
        raise AssertionError

    service, _, method = METHOD.strip("/").partition("/")
    handler = grpc.unary_unary_rpc_method_handler(answer, BytesValue.FromString, BytesValue.SerializeToString)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {method: handler})])
    place = "127.0.0.1:0"
    port = server.add_secure_port(place, tls) if tls else server.add_insecure_port(place)
    await server.start()
    try:
        yield f"127.0.0.1:{port}", calls
    finally:
        await server.stop(grace=None)


@asynccontextmanager
async def running(text: str, metrics: Metrics | None = None) -> AsyncIterator[Callable[..., Awaitable[Reply]]]:
    """The plugin of a directive, started: what it replies with BELOW, or nothing at all, under it."""
    forward = plugin.setup(args(text, metrics=metrics))
    await forward.start()

    async def ask(asked: str = WWW, below: Reply | None = BELOW, trace: Trace | None = None) -> Reply:
        chain = link([forward]) if below is None else link([forward, canned(below)])
        wanted: Request = request(asked, trace=trace)
        return await served(chain(wanted))

    try:
        yield ask
    finally:
        await forward.close()


def of(text: str) -> Script:
    return lambda received: [reply(received, text)]


def refusing(received: Received) -> list[bytes]:
    return with_rcode(codes.NXDOMAIN)(received)


async def test_an_upstreams_reply_is_passed_on_and_counted() -> None:
    metrics = Metrics()
    async with (
        upstream(of("www.example.org. 60 IN A 192.0.2.1")) as (to, calls),
        running(f"grpc . {to}", metrics) as ask,
    ):
        found = await ask()
    assert (texts(found.answer), found.by) == (["www.example.org. 60 IN A 192.0.2.1"], "grpc")
    assert [call.text for call in calls] == [WWW]
    assert metrics.family("grpc_requests_total").values == {(to,): 1}
    assert metrics.family("grpc_responses_total").values == {("NOERROR", to): 1}


async def test_where_one_upstream_fails_the_next_is_asked() -> None:
    async with (
        upstream(of("www.example.org. 60 IN A 192.0.2.1")) as (to, _),
        running(in_order(f"grpc . unix:///nowhere/dns.sock {to}")) as ask,
    ):
        assert len((await ask()).answer) == 1


async def test_each_call_is_a_span_of_a_query_that_is_followed() -> None:
    spans: list[Span] = []
    nobody = "unix:///nowhere/dns.sock"
    async with (
        upstream(of("www.example.org. 60 IN A 192.0.2.1")) as (to, _),
        running(in_order(f"grpc . {nobody} {to}")) as ask,
    ):
        await ask(trace=Trace(7, 8, spans.extend, lambda: (9, 1_700_000_000_000_000_000)))

    assert [(span.name, span.parent) for span in spans] == [("query", 8)] * 2
    assert spans[1].tags == {"peer.address": to}
    assert spans[1].nanoseconds > 0


async def test_what_is_not_found_is_nxdomain() -> None:
    async with upstream(lambda received: []) as (to, _), running(f"grpc . {to}") as ask:
        assert (await ask()).rcode == codes.NXDOMAIN


async def test_a_reply_to_another_question_is_none() -> None:
    async with upstream(lambda received: [other_question(received)]) as (to, _), running(f"grpc . {to}") as ask:
        assert (await ask()).rcode == codes.FORMERR


@pytest.mark.parametrize("octets", [b"", b"no message", bytes(70_000)], ids=["nothing", "no message", "too large"])
async def test_what_is_no_message_is_no_reply(octets: bytes) -> None:
    async with upstream(lambda received: [octets]) as (to, _):
        async with running(f"grpc . {to}") as ask:
            with pytest.raises(NoAnswer):
                await ask()
        async with (
            upstream(of("www.example.org. 60 IN A 192.0.2.1")) as (next_one, _),
            running(in_order(f"grpc . {to} {next_one}")) as ask,
        ):
            assert len((await ask()).answer) == 1


async def test_queries_at_once_share_a_connection() -> None:
    async with upstream(of("www.example.org. 60 IN A 192.0.2.1")) as (to, calls), running(f"grpc . {to}") as ask:
        replies = await asyncio.gather(*(ask() for _ in range(100)))
    assert all(len(reply.answer) == 1 for reply in replies)
    assert len(calls) == 100


async def test_no_upstream_is_servfail_with_the_last_failure() -> None:
    async with running("grpc . unix:///nowhere/dns.sock") as ask:
        with pytest.raises(NoAnswer, match="code = UNAVAILABLE"):
            await ask()


@pytest.mark.parametrize("text", ["grpc . {} {{\n except example.org\n}}", "grpc example.com {}"])
async def test_what_is_not_forwarded_goes_on(text: str) -> None:
    async with upstream(refusing) as (to, calls), running(text.format(to)) as ask:
        assert await ask() == BELOW
    assert calls == []


@pytest.mark.parametrize(
    ("fall", "rcode"),
    [("", codes.NXDOMAIN), ("fallthrough", codes.REFUSED), ("fallthrough example.com", codes.NXDOMAIN)],
    ids=["never", "always", "for other zones"],
)
async def test_what_no_upstream_knows_falls_through(fall: str, rcode: int) -> None:
    async with upstream(refusing) as (to, _), running(f"grpc . {to} {{\n {fall}\n}}") as ask:
        assert (await ask()).rcode == rcode
        assert (await ask(below=None)).rcode == codes.NXDOMAIN  # there is nobody to fall through to


async def test_a_failure_falls_through_too() -> None:
    async with running("grpc . unix:///nowhere/dns.sock {\n fallthrough\n}") as ask:
        assert await ask() == BELOW
        with pytest.raises(NoAnswer, match="UNAVAILABLE"):
            await ask(below=None)


@pytest.mark.parametrize("name", ["dns.example", ""])
async def test_upstreams_may_be_encrypted(tmp_path: Path, name: str) -> None:
    file = certificates.make(tmp_path)
    shown = grpc.ssl_server_credentials([((tmp_path / "certificate.key").read_bytes(), file.read_bytes())])
    tls = f"tls {file}\n" + (f"tls_servername {name}" if name else "")
    async with upstream(of("www.example.org. 60 IN A 192.0.2.1"), shown) as (to, _):
        async with running(f"grpc . {to} {{\n{tls}\n}}") as ask:
            assert len((await ask()).answer) == 1
        async with running(f"grpc . {to} {{\n tls\n}}") as ask:
            with pytest.raises(NoAnswer, match="UNAVAILABLE"):  # the system does not trust it
                await ask()


async def test_upstreams_may_want_to_know_who_asks(tmp_path: Path) -> None:
    authority = certificates.authority(tmp_path, "authority")
    for name in ("server", "client"):
        certificates.certificate(tmp_path, name, "authority")
    pair = (tmp_path / "server.key").read_bytes(), (tmp_path / "server.crt").read_bytes()
    shown = grpc.ssl_server_credentials([pair], authority.read_bytes(), require_client_auth=True)
    words = " ".join(str(tmp_path / name) for name in ("client.crt", "client.key", "authority.crt"))
    async with (
        upstream(of("www.example.org. 60 IN A 192.0.2.1"), shown) as (to, _),
        running(f"grpc . {to} {{\n tls {words}\n}}") as ask,
    ):
        assert len((await ask()).answer) == 1


async def test_the_policy_says_who_is_asked() -> None:
    async with (
        upstream(refusing) as (one, firsts),
        upstream(refusing) as (two, seconds),
        running(f"grpc . {one} {two} {{\n policy round_robin\n}}") as ask,
    ):
        for _ in range(4):
            await ask()
    assert (len(firsts), len(seconds)) == (2, 2)


async def test_upstreams_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\nnameserver 192.0.2.2\n")
    forward = plugin.setup(args(f"grpc . {tmp_path}/resolv.conf"))
    await forward.start()
    assert [upstream.to for upstream in forward._upstreams] == ["192.0.2.1:53", "192.0.2.2:53"]
    await forward.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("grpc .", "Wrong argument count"),
        ("grpc . nowhere", "not an IP address or file"),
        ("grpc . tls://192.0.2.1", "not supported as a destination protocol"),
        ("grpc . " + " ".join(f"192.0.2.{last}" for last in range(16)), "more than 15 TOs configured: 16"),
        ("grpc . 192.0.2.1 {\n policy best\n}", "unknown policy 'best'"),
        ("grpc . 192.0.2.1 {\n tls a b c d\n}", "Wrong argument count"),
        ("grpc . 192.0.2.1 {\n tls nowhere.pem\n}", "could not load"),
        ("grpc . 192.0.2.1 {\n except\n}", "Wrong argument count"),
        ("grpc . 192.0.2.1 {\n policy random sequential\n}", "unknown property 'sequential'"),
        ("grpc . 192.0.2.1 {\n health_check\n}", "unknown property 'health_check'"),
        ("grpc . 192.0.2.1\ngrpc . 192.0.2.2", "once per Server Block"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plugin.setup(args(text))
