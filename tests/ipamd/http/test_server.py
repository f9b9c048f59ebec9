"""The server: what operators ask it, and what it makes of nonsense."""

import asyncio
import random
import socket
from io import BufferedReader
from typing import Any

import pytest
from aiohttp import web

from ipamd.http.rest import refused
from ipamd.http.server import Server
from ipamd.http.shortcut import Answers
from tests.ipamd.daemon import Daemon


def test_it_tells_that_it_lives_is_ready_and_what_it_counts(ipamd: Daemon) -> None:
    ipamd.lease("counted")

    assert ipamd.request("GET", "/healthz").body == "ok"
    assert ipamd.request("GET", "/readyz").body.startswith("ok, revision ")
    metrics = ipamd.request("GET", "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'ipamd_http_requests_total{method="POST",route="/v1/leases",status="201"} 1.0' in metrics.body


@pytest.mark.parametrize("octets", [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nX-Slow: "])
async def test_who_does_not_come_to_the_end_of_a_head_is_hung_up_on(octets: bytes) -> None:
    server = Server(web.Application(), Answers(unasked, unasked, refused, print), idle=0.05)
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await server.stop()


def test_mutated_requests_are_refused_and_harm_nobody(ipamd: Daemon) -> None:
    body = b'{"pool":"pods","owner":{"kind":"Container","namespace":"n","name":"fuzz"},"address":"10.244.3.4","ttl":9}'
    chance, statuses = random.Random(5), set()
    connection = socket.create_connection(("127.0.0.1", ipamd.port))
    with connection, connection.makefile("rb") as replies:
        for _ in range(3000):
            mutated = mutation(body, chance)
            head = f"POST /v1/leases HTTP/1.1\r\nHost: x\r\nContent-Length: {len(mutated)}\r\n\r\n"
            connection.sendall(head.encode() + mutated)
            statuses.add(read_status(replies))

    assert statuses <= {200, 201, 400, 404, 409, 422}
    assert ipamd.request("GET", "/healthz").status == 200


def test_what_is_no_http_is_refused_and_harms_nobody(ipamd: Daemon) -> None:
    request, chance = b"GET /v1/leases?limit=1 HTTP/1.1\r\nHost: x\r\nX-Header: value\r\n\r\n", random.Random(6)
    for _ in range(300):
        with socket.create_connection(("127.0.0.1", ipamd.port)) as connection:
            connection.sendall(mutation(request, chance))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    assert ipamd.request("GET", "/healthz").status == 200


def mutation(original: bytes, chance: random.Random) -> bytes:
    """The octets with a few of them changed, doubled or left out."""
    octets = bytearray(original)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(octets))
        match chance.randrange(4):
            case 0:
                octets[at] = chance.randrange(256)
            case 1:
                del octets[at : at + chance.randint(1, 8)]
            case 2:
                octets[at:at] = octets[at : at + 8]
            case _:
                octets[at:at] = chance.choice([b"null", b"1e999", b'"', b"{", b"[", b"\\u0000", b"-1", b"\x00"])
        octets = octets or bytearray(b" ")
    return bytes(octets)


def read_status(replies: BufferedReader) -> int:
    """Read one whole reply, and return its status."""
    status = int(replies.readline().split()[1])
    length = 0
    while (line := replies.readline().strip()) != b"":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    replies.read(length)
    return status


def unasked(_: object) -> Any:
    """What no test here gets to."""
    raise AssertionError
