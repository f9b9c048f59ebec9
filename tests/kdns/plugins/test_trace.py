"""trace: which queries are followed, what spans they get, and that collectors receive them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import msgspec
import pytest
from aiohttp import web

from kdns.chain import Client, Reply, Request, link
from kdns.errors import ConfigError, Dropped, NoAnswer
from kdns.instance import watched
from kdns.plugins import trace
from kdns.plugins.trace import TRACE_ID, Clock, Settings, Tracer, setup, tracer
from kdns.tracing import FORMATS, Span, Within
from kdns.transport.collector import Collector, Limits
from kdns.wire import codes
from tests.kdns.asking import args, canned, request

REPLY = Reply(codes.NXDOMAIN, by="below")


class Spans(Collector):
    """A collector that keeps what it is given."""

    def __init__(self) -> None:
        self.found: list[Span] = []

    def add(self, spans: Any) -> None:
        self.found += spans


def following(every: int = 1, *, shares: bool = False) -> tuple[Tracer, Spans]:
    """A tracer whose clock goes on by a microsecond at each look, and where its spans go."""
    ticks = iter(range(0, 1_000_000_000, 1_000))
    clock = Clock(lambda: 1_700_000_000_000_000_000, lambda: next(ticks), Random(1))
    spans = Spans()
    return Tracer(every, FORMATS["zipkin"], spans, clock, shares=shares), spans


async def served(plugins: dict[str, Any], asked: Request) -> Reply:
    return await link(watched(plugins))(asked)


def over_http(within: Within) -> Request:
    return request("www.example.org. A", client=Client("192.0.2.1", 4000, "tcp", within=within))


async def test_a_query_within_a_trace_of_the_clients_is_followed_in_that() -> None:
    tracing, spans = following()
    await served({"trace": tracing, "forward": canned(REPLY)}, over_http(Within(0xABC, 0xDEF)))

    inner, first = spans.found
    assert (first.trace, first.parent, first.is_server, first.is_shared) == (0xABC, 0xDEF, True, False)
    assert (inner.trace, inner.parent, inner.is_server) == (0xABC, first.id, False)


async def test_the_first_span_may_be_the_clients_own() -> None:
    tracing, spans = following(shares=True)
    await served({"trace": tracing, "forward": canned(REPLY)}, over_http(Within(0xABC, 0xDEF, 0x123)))

    inner, first = spans.found
    assert (first.id, first.parent, first.is_shared) == (0xDEF, 0x123, True)
    assert inner.parent == 0xDEF


async def test_what_the_client_does_not_follow_is_not_followed() -> None:
    tracing, spans = following()
    assert (
        await served({"trace": tracing, "forward": canned(REPLY)}, over_http(Within(1, 2, 0, sampled=False))) == REPLY
    )
    await served({"trace": tracing, "forward": canned(REPLY)}, over_http(Within(sampled=True)))

    assert [each.parent for each in spans.found if each.is_server] == [0]


async def passing(request: Request, rest: Any) -> Reply:
    found: Reply = await rest(request)
    return found


async def test_every_plugin_that_a_query_meets_has_a_span_in_that_of_the_one_before() -> None:
    tracing, spans = following()
    chain = {"errors": passing, "trace": tracing, "cache": passing, "forward": canned(REPLY)}
    assert await served(chain, request("WWW.example.org. A")) == REPLY

    inner, middle, first = spans.found
    assert [each.name for each in spans.found] == ["forward", "cache", "servedns"]
    assert (first.parent, middle.parent, inner.parent) == (0, first.id, middle.id)
    assert len({each.trace for each in spans.found}) == 1
    assert first.nanoseconds > middle.nanoseconds > inner.nanoseconds > 0
    assert first.tags == {
        "coredns.io/name": "www.example.org.",
        "coredns.io/type": "A",
        "coredns.io/proto": "udp",
        "coredns.io/remote": request(". A").client.address,
        "coredns.io/rcode": "NXDOMAIN",
    }
    assert (middle.tags, first.error) == ({}, "")


@pytest.mark.parametrize(
    ("outcome", "rcode", "error"),
    [(NoAnswer(codes.SERVFAIL, "no healthy proxies"), "SERVFAIL", "no healthy proxies"), (Dropped(), "", "no reply")],
)
async def test_what_goes_wrong_is_in_the_spans(outcome: Exception, rcode: str, error: str) -> None:
    async def failing(request: Request, rest: Any) -> Reply:
        raise outcome

    tracing, spans = following()
    with pytest.raises(type(outcome)):
        await served({"trace": tracing, "forward": failing}, request(". A"))
    inner, first = spans.found
    assert (inner.error, first.error, first.tags["coredns.io/rcode"]) == (error, error, rcode)


@pytest.mark.parametrize(("every", "count"), [(1, 6), (2, 3), (4, 1), (0, 0)])
async def test_one_query_of_so_many_is_followed(every: int, count: int) -> None:
    tracing, spans = following(every)
    for _ in range(6):
        await served({"trace": tracing, "whoami": canned(REPLY)}, request(". A"))
    assert len(spans.found) == 2 * count
    assert tracing.repeatable == (every == 0)


async def test_the_number_of_the_trace_is_metadata() -> None:
    tracing, spans = following()
    labels: dict[str, str] = {}
    await served({"trace": tracing, "whoami": canned(REPLY)}, request(". A", labels=labels))
    assert labels == {TRACE_ID: f"{spans.found[0].trace:016x}"}


async def test_an_inner_lookup_of_a_followed_query_is_no_trace_of_its_own() -> None:
    tracing, spans = following()
    chain = {"trace": tracing, "whoami": canned(REPLY)}

    async def asking(request: Request, rest: Any) -> Reply:
        await served(chain, request)
        return REPLY

    await served({"trace": tracing, "template": asking}, request(". A"))
    assert sum(span.parent == 0 for span in spans.found) == 1


class Received:
    """A collector of traces on loopback."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str, bytes]] = []
        self.status = 202
        self.arrived = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        """One request."""
        body = await request.read()
        self.requests.append((request.method, request.path, request.headers["Content-Type"], body))
        self.arrived.set()
        return web.Response(status=self.status)


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[str, Received]]:
    received = Received()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", received.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}", received
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("kind", "method", "path", "media_type", "decode"),
    [
        ("zipkin", "POST", "/api/v2/spans", "application/json", msgspec.json.decode),
        ("otlp", "POST", "/v1/traces", "application/json", msgspec.json.decode),
        ("datadog", "PUT", "/v0.4/traces", "application/msgpack", msgspec.msgpack.decode),
    ],
)
async def test_collectors_receive_spans(kind: str, method: str, path: str, media_type: str, decode: Any) -> None:
    async with collecting() as (place, received):
        tracing = setup(args(f"trace {kind} {place} {{\n zipkin_max_batch_size 2\n}}"))
        running = asyncio.create_task(tracing.run())
        await served({"trace": tracing, "whoami": canned(REPLY)}, request(". A"))
        await asyncio.wait_for(received.arrived.wait(), 5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    ((*asked, body),) = received.requests
    assert asked == [method, path, media_type]
    assert decode(body)


async def test_what_is_left_at_the_end_is_sent() -> None:
    async with collecting() as (place, received):
        tracing = setup(args(f"trace http://{place}/zipkin/spans {{\n zipkin_max_batch_interval 1h\n}}"))
        running = asyncio.create_task(tracing.run())
        await asyncio.sleep(0)
        await served({"trace": tracing, "whoami": canned(REPLY)}, request(". A"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [path for _, path, _, _ in received.requests] == ["/zipkin/spans"]


@pytest.mark.parametrize("is_there", [True, False])
async def test_spans_that_cannot_be_delivered_are_dropped_with_a_warning(is_there: bool) -> None:
    told: list[str] = []
    warned = asyncio.Event()

    def warn(level: str, text: str) -> None:
        told.append(f"{level} {text}")
        warned.set()

    async with collecting() as (place, received):
        received.status = 503
        url = f"http://{place if is_there else '127.0.0.1:1'}/"
        settings = Settings(url=url, limits=Limits(backlog=3, batch=2, interval=3600))
        tracing = tracer(args("trace", log=warn), settings, Clock())
        for _ in range(3):
            await served({"trace": tracing, "whoami": canned(REPLY)}, request(". A"))
        running = asyncio.create_task(tracing.run())
        await asyncio.wait_for(warned.wait(), 5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert all(line.startswith("WARNING failed to send") and url in line for line in told)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("trace", "http://localhost:9411/api/v2/spans"),
        ("trace tracing:9253", "http://tracing:9253/api/v2/spans"),
        ("trace http://tracing:9411/zipkin/api/v2/spans", "http://tracing:9411/zipkin/api/v2/spans"),
        ("trace Datadog localhost", "http://localhost:8126/v0.4/traces"),
        ("trace datadog http://localhost:8127", "http://localhost:8127/v0.4/traces"),
        ("trace otlp collector", "http://collector:4318/v1/traces"),
        ("trace zipkin [2001:db8::1]:9411", "http://[2001:db8::1]:9411/api/v2/spans"),
    ],
)
def test_the_endpoint_may_be_said_in_short(text: str, url: str) -> None:
    (directive,) = args(text).directives
    assert trace._with_endpoint(Settings(), directive).url == url


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["trace a b c"], "Wrong argument count"),
        (["trace footype localhost"], "tracing endpoint type 'footype' is not supported"),
        (["trace localhost:x"], "is no HOST:PORT"),
        (["trace {", "every x", "}"], "invalid syntax"),
        (["trace {", "every", "}"], "Wrong argument count"),
        (["trace {", "client_server junk", "}"], "ParseBool"),
        (["trace {", "datadog_analytics_rate 2", "}"], "must be between 0 and 1"),
        (["trace {", "zipkin_max_batch_size -1", "}"], "can't be negative"),
        (["trace {", "zipkin_max_batch_interval wrong", "}"], "invalid duration"),
        (["trace {", "evrey 100", "}"], "unknown property 'evrey'"),
    ],
)
def test_what_cannot_be_meant_is_refused(lines: Sequence[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        setup(args("\n".join(lines)))
