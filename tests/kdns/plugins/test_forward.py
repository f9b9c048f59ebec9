"""The forward plugin over real loopback sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kdns.chain import Reply, Request, link
from kdns.errors import REFUSED, SERVFAIL, NoAnswer, StartError
from kdns.metrics import Metrics
from kdns.plugins import forward
from kdns.tracing import Span, Trace
from kdns.wire import codes
from kdns.wire.edns import Edns
from tests.kdns.asking import args, canned, question, request, texts
from tests.kdns.upstream import (
    Received,
    address_of_name,
    closed_port,
    other_question,
    reply,
    upstream,
    with_rcode,
)

WWW = "www.example.org. A"
BELOW = Reply(codes.NXDOMAIN, by="below")


@asynccontextmanager
async def running(text: str, metrics: Metrics | None = None) -> AsyncIterator[forward.Forwards]:
    """The plugin of a block's forward directives, started."""
    plugin = forward.setup(args(text, metrics=metrics))
    assert isinstance(plugin, forward.Forwards)
    await plugin.start()
    try:
        yield plugin
    finally:
        await plugin.close()


async def ask(plugin: forward.Forwards, asked: str | Request = WWW) -> Reply:
    """What the plugin replies with BELOW under it."""
    return await link([plugin, canned(BELOW)])(request(asked) if isinstance(asked, str) else asked)


async def test_the_upstreams_reply_is_passed_on_with_its_flags_and_sections() -> None:
    def full(received: Received) -> list[bytes]:
        soa = "example.org. 60 IN SOA ns.example.org. hostmaster.example.org. 1 7200 1800 86400 60"
        return [
            reply(received, "www.example.org. 60 IN A 192.0.2.1", authority=soa, flags=codes.RA | codes.AD | codes.AA)
        ]

    async with upstream(full) as server, running(f"forward . {server.to}") as plugin:
        found = await ask(plugin)

    assert texts(found.answer) == ["www.example.org. 60 IN A 192.0.2.1"]
    assert len(found.authority) == 1
    assert found.flags == codes.RA | codes.AD | codes.AA
    assert (found.by, found.keep) == ("forward", None)


async def test_the_upstream_that_was_asked_last_is_told_as_metadata() -> None:
    labels: dict[str, str] = {}
    async with upstream(address_of_name) as server, running(f"forward . {server.to}") as plugin:
        await ask(plugin, request(WWW, labels=labels))

    assert labels == {"forward/upstream": server.to}


async def test_each_time_that_an_upstream_is_asked_is_a_span_of_a_query_that_is_followed() -> None:
    spans: list[Span] = []
    trace = Trace(7, 8, spans.extend, lambda: (9, 1_700_000_000_000_000_000))
    async with upstream(address_of_name) as server, running(f"forward . {server.to}") as plugin:
        await ask(plugin, request(WWW, trace=trace))

    (span,) = spans
    assert (span.trace, span.parent, span.id, span.name) == (7, 8, 9, "connect")
    assert span.tags == {"peer.address": server.to}
    assert span.begun + span.nanoseconds == 1_700_000_000_000_000_000
    assert span.nanoseconds > 0


async def test_the_upstreams_opt_is_kept() -> None:
    def with_opt(received: Received) -> list[bytes]:
        plain = reply(received)
        return [plain[:11] + b"\x01" + plain[12:] + b"\0\0\x29\x10\0\0\0\0\0\0\x04\0\x0f\0\0"]

    async with upstream(with_opt) as server, running(f"forward . {server.to}") as plugin:
        found = await ask(plugin)

    assert found.edns == Edns(4096, b"\0\x0f\0\0")


@pytest.mark.parametrize(
    ("head", "options", "asked", "is_forwarded"),
    [
        (".", "", WWW, True),
        ("example.org", "", WWW, True),
        ("example.org", "", "WWW.Example.ORG. A", True),
        ("example.com", "", WWW, False),
        ("ample.org", "", WWW, False),
        (".", "except example.org", WWW, False),
        (".", "except example.com", WWW, True),
        ("example.org", "except www.example.org", WWW, False),
        ("example.org", "except example.org", "example.org. A", True),
        ("example.org", "except example.org", WWW, False),
    ],
)
async def test_names_at_or_below_from_are_forwarded(head: str, options: str, asked: str, is_forwarded: bool) -> None:
    async with upstream(address_of_name) as server, running(f"forward {head} {server.to} {{\n{options}\n}}") as plugin:
        found = await ask(plugin, asked)

    assert (found != BELOW) is is_forwarded


async def test_a_reply_to_another_question_is_formerr() -> None:
    async with upstream(lambda received: [other_question(received)]) as server:
        options = "{\nread_timeout 20ms\n}"
        async with running(f"forward . {server.to} {options}") as plugin:
            assert await ask(plugin) == Reply(codes.FORMERR, by="forward")


async def test_without_any_reply_the_last_failure_is_the_reason() -> None:
    async with running(f"forward . {closed_port()} {{\nmax_fails 0\n}}") as plugin:
        with pytest.raises(NoAnswer) as failure:
            await ask(plugin)

    assert failure.value.rcode == SERVFAIL
    assert failure.value.reason is not None
    assert failure.value.reason.endswith("read: connection refused")


async def test_all_down_with_failfast_is_servfail_at_once() -> None:
    metrics = Metrics()
    options = "{\nfailfast_all_unhealthy_upstreams\n}"
    async with upstream(address_of_name) as server, running(f"forward . {server.to} {options}", metrics) as plugin:
        upstreams = plugin._forwards[0]._forwarder.upstreams  # type: ignore[union-attr]
        upstreams[0].fails = 3
        with pytest.raises(NoAnswer, match="no healthy proxies"):
            await ask(plugin)

    assert metrics.family("forward_healthcheck_broken_total").values == {(): 1}


async def test_too_many_queries_at_once_are_refused() -> None:
    metrics = Metrics()
    land = asyncio.Event()

    async def late(received: Received) -> list[bytes]:
        await land.wait()
        return [*address_of_name(received)]

    async with upstream(late) as server, running(f"forward . {server.to} {{\nmax_concurrent 2\n}}", metrics) as plugin:
        waiting = [asyncio.create_task(ask(plugin, f"n{number}.example.org. A")) for number in range(2)]
        await server.until_received(2)
        with pytest.raises(NoAnswer) as failure:
            await ask(plugin)
        land.set()
        assert all([(await task).answer for task in waiting])
        assert (await ask(plugin)).answer

    assert (failure.value.rcode, failure.value.reason) == (REFUSED, "concurrent queries exceeded maximum 2")
    assert metrics.family("forward_max_concurrent_rejects_total").values == {(): 1}


@pytest.mark.parametrize(
    ("option", "rcode", "goes_on"),
    [
        ("next NXDOMAIN", codes.NXDOMAIN, True),
        ("next NXDOMAIN", codes.SERVFAIL, False),
        ("next_on_nodata", codes.NOERROR, True),
        ("next_on_nodata", codes.NXDOMAIN, False),
        ("max_fails 2", codes.NXDOMAIN, False),
    ],
)
async def test_a_forward_can_hand_over_to_the_next_one(option: str, rcode: int, goes_on: bool) -> None:
    async with upstream(with_rcode(rcode)) as first, upstream(address_of_name) as second:
        text = f"forward . {first.to} {{\n{option}\n}}\nforward . {second.to}"
        async with running(text) as plugin:
            found = await ask(plugin)

    assert found.rcode == (codes.NOERROR if goes_on else rcode)
    assert len(found.answer) == goes_on


async def test_the_last_forward_hands_over_to_nobody() -> None:
    async with (
        upstream(with_rcode(codes.NXDOMAIN)) as server,
        running(f"forward . {server.to} {{\nnext NXDOMAIN\n}}") as plugin,
    ):
        assert (await ask(plugin)).by == "forward"


async def test_each_forward_is_for_its_own_names() -> None:
    async with (
        upstream(address_of_name) as org,
        upstream(address_of_name) as com,
        running(f"forward example.org {org.to}\nforward example.com {com.to}") as plugin,
    ):
        await ask(plugin, "www.example.com. A")
        await ask(plugin, "www.example.org. A")
        assert await ask(plugin, "www.example.net. A") == BELOW

    assert [received.text for received in org.received] == ["www.example.org. A"]
    assert [received.text for received in com.received] == ["www.example.com. A"]


async def test_a_host_name_is_resolved_at_start() -> None:
    def resolver(received: Received) -> list[bytes]:
        is_host = received.text == "dns.example. A"
        return [reply(received, "dns.example. 60 IN A 127.0.0.1" if is_host else "")]

    async with upstream(resolver) as names_host, upstream(address_of_name) as server:
        text = f"forward . dns.example:{server.port} {{\nresolver {names_host.to}\n}}"
        async with running(text) as plugin:
            assert (await ask(plugin)).answer


async def test_a_host_name_that_cannot_be_resolved_stops_the_start() -> None:
    async with upstream(with_rcode(codes.NXDOMAIN)) as resolver:
        plugin = forward.setup(args(f"forward . dns.example {{\nresolver {resolver.to}\n}}"))
        with pytest.raises(StartError, match=r'plugin/forward: failed to resolve "dns\.example"'):
            await plugin.start()  # type: ignore[attr-defined]


async def test_the_first_step_needs_no_task() -> None:
    """The server steps a chain by hand and makes a Task of it only when it waits."""
    async with upstream(address_of_name) as server, running(f"forward . {server.to}") as plugin:
        chain = plugin(request(question(WWW)), canned(BELOW))  # type: ignore[arg-type]
        waiting = chain.send(None)
        assert isinstance(waiting, asyncio.Future)
        await server.until_received(1)
        chain.close()
