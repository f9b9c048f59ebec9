"""The shortest way of a request for a lease, over real sockets."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from ipamd.errors import Exhausted, IpamError
from ipamd.http.server import Server
from ipamd.http.shortcut import Answers, Reply, body_length

PLAIN = b"POST /v1/leases HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
Answer = Callable[[bytes], Coroutine[None, None, Reply]]


async def shout(body: bytes) -> Reply:
    """What the shortcut answers here, in contrast to the full server."""
    return Reply(201, body.upper(), "text/plain", (("Location", "/there"),))


async def behind(request: web.Request) -> web.Response:
    """The full server."""
    return web.Response(text=f"full server: {(await request.read()).decode()}")


def same(reply: Reply) -> Reply:
    """What is shown of a reply."""
    return reply


def refusal(error: IpamError) -> Reply:
    """What is replied to a refusal."""
    return Reply(error.status, error.code.encode(), "text/plain")


@asynccontextmanager
async def served(
    answer: Answer = shout, idle: float = 60.0
) -> AsyncIterator[tuple[Server[Reply], list[int], StreamReader, StreamWriter]]:
    """A server, the statuses that it counted, and a connection to it."""
    counted: list[int] = []
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", behind)
    server = Server(
        application, Answers(lambda body: asyncio.ensure_future(answer(body)), same, refusal, counted.append), idle
    )
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield server, counted, reader, writer
    writer.close()
    await server.stop()


async def reply(reader: StreamReader) -> tuple[bytes, bytes]:
    """The head and the body of the next reply."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head, await reader.readexactly(int(length.partition(b":")[2]))


async def test_plain_requests_are_answered_in_turn_also_when_they_come_at_once_or_in_pieces() -> None:
    async with served() as (_, counted, reader, writer):
        writer.write((PLAIN + b"\r\nab") * 3)
        bodies = [await reply(reader) for _ in range(3)]
        writer.write(PLAIN + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(b"c")
        await writer.drain()
        writer.write(b"d")
        bodies.append(await reply(reader))

    assert [body for _, body in bodies] == [b"AB", b"AB", b"AB", b"CD"]
    assert bodies[0][0].startswith(b"HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nLocation: /there\r\n")
    assert counted == [201] * 4


async def test_what_is_not_plain_is_answered_by_the_full_server_and_so_is_all_that_follows() -> None:
    async with served() as (_, counted, reader, writer):
        writer.write(PLAIN + b"\r\nab" + b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n" + PLAIN + b"\r\ncd")
        bodies = [(await reply(reader))[1] for _ in range(3)]

    assert bodies == [b"AB", b"full server: ", b"full server: cd"]
    assert counted == [201]


@pytest.mark.parametrize(
    "head",
    [
        PLAIN.replace(b"POST", b"PUT"),
        PLAIN.replace(b"/v1/leases", b"/v1/leases?dryRun=All"),
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b"Host: x\r\n", b""),
        PLAIN.replace(b"Content-Length: 2\r\n", b""),
        PLAIN.replace(b": 2", b": +2"),
        PLAIN.replace(b": 2", b": 9999999"),
        PLAIN.replace(b"Length: 2", b"Length : 2"),
        PLAIN.replace(b"Host: x\r\n", b"Host: x\r\n folded\r\n"),
        PLAIN.replace(b"Host: x\r\n", b"Host: x\nHost: y\r\n"),
        PLAIN + b"Content-Length: 2\r\n",
        PLAIN + b"Transfer-Encoding: chunked\r\n",
        PLAIN + b"Content-Encoding: gzip\r\n",
        PLAIN + b"Expect: 100-continue\r\n",
        PLAIN + b"Connection: close\r\n",
        PLAIN + b"Upgrade: h2c\r\n",
        PLAIN + b"Idempotency-Key: k\r\n",
        PLAIN + b"User-Agent: \xff\r\n",
    ],
)
def test_a_head_with_anything_unusual_is_not_plain(head: bytes) -> None:
    assert body_length(head) is None


def test_a_head_as_clients_send_it_is_plain() -> None:
    habits = b"Accept: */*\r\nUser-Agent: curl/8.5.0\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n"
    assert body_length(PLAIN + habits) == body_length(PLAIN) == 2


async def test_a_refusal_and_a_fault_end_one_request_only(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(body: bytes) -> Reply:
        if body == b"no":
            raise Exhausted("full")
        return Reply(200, bytes([100 // (body[0] - 48)]), "text/plain")

    async with served(fail) as (_, counted, reader, writer):
        writer.write(PLAIN + b"\r\nno" + PLAIN + b"\r\n0." + PLAIN + b"\r\n5.")
        bodies = [(await reply(reader))[1] for _ in range(3)]

    assert bodies == [b"exhausted", b"failed", b"\x14"]
    assert counted == [409, 500, 200]
    assert "ZeroDivisionError" in caplog.text


async def test_who_sends_no_more_still_gets_the_reply_and_a_server_that_stops_answers_what_is_under_way() -> None:
    asked, allowed = asyncio.Event(), asyncio.Event()

    async def slow(body: bytes) -> Reply:
        asked.set()
        await allowed.wait()
        return await shout(body)

    async with served(slow) as (server, _, reader, writer):
        writer.write(PLAIN + b"\r\nab")
        writer.write_eof()
        await asked.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        allowed.set()
        assert (await reply(reader))[1] == b"AB"
        assert await reader.read() == b""
        await stopping


async def test_an_idle_connection_is_closed() -> None:
    async with served(idle=0.05) as (_, _, reader, writer):
        writer.write(PLAIN + b"\r\nab")
        assert (await reply(reader))[1] == b"AB"
        assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_a_client_that_reads_no_replies_is_not_answered_without_end() -> None:
    async def long(body: bytes) -> Reply:
        return Reply(200, bytes(1 << 20), "text/plain")

    async with served(long) as (_, counted, reader, writer):
        writer.write((PLAIN + b"\r\nab") * 100)
        await writer.drain()
        for _ in range(500):
            await asyncio.sleep(0)
        waiting = len(counted)
        sizes = [len((await reply(reader))[1]) for _ in range(100)]

    assert waiting < 100
    assert sizes == [1 << 20] * 100
