"""HTTP/2 as a client: requests side by side to a server in memory, and how connections end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

from kdns.errors import ConnectionEnded, UpstreamError
from kdns.transport.multiplexed import Multiplexed

HEAD = [(":method", "POST"), (":scheme", "https"), (":authority", "dns.example"), (":path", "/dns-query")]
Act = Callable[["Server", int, bytes], None]


class Tls:
    """The TLS of a connection, as far as it is asked about."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol

    def selected_alpn_protocol(self) -> str:
        return self.protocol


class Server(asyncio.Transport):
    """The other side: what is written goes to an HTTP/2 server, which acts on each whole request."""

    def __init__(self, act: Act, protocol: str = "h2", **settings: int) -> None:
        super().__init__()
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.act = act
        self.protocol = protocol
        self.bodies: dict[int, bytes] = {}
        self.headers: dict[int, dict[str, str]] = {}
        self.reset: list[int] = []
        self.closed = False
        self.client = Multiplexed(100)
        self.http.initiate_connection()
        if settings:
            self.http.update_settings({SettingCodes[name]: value for name, value in settings.items()})
        self.client.connection_made(self)
        self.flush()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return Tls(self.protocol) if name == "ssl_object" else default

    def write(self, data: Any) -> None:
        for event in self.http.receive_data(bytes(data)):
            self.take(event)
        asyncio.get_running_loop().call_soon(self.flush)

    def take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(number), headers=headers):
                self.headers[number] = {str(name): str(value) for name, value in headers or ()}
            case DataReceived(stream_id=int(number), data=data):
                self.bodies[number] = self.bodies.get(number, b"") + (data or b"")
            case StreamEnded(stream_id=int(number)):
                self.act(self, number, self.bodies.get(number, b""))
            case StreamReset(stream_id=int(number)):
                self.reset.append(number)

    def answer(self, number: int, body: bytes, status: int = 200) -> None:
        self.http.send_headers(number, [(":status", str(status))])
        self.http.send_data(number, body, end_stream=True)

    def flush(self) -> None:
        octets = self.http.data_to_send()
        if octets and not self.closed and self.protocol == "h2":
            self.client.data_received(octets)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


def echo(server: Server, number: int, body: bytes) -> None:
    server.answer(number, body)


async def test_requests_go_side_by_side_and_responses_come_in_any_order() -> None:
    waiting: list[tuple[int, bytes]] = []
    server = Server(lambda server, number, body: waiting.append((number, body)))
    asked = [asyncio.ensure_future(server.client.request(HEAD, f"q{number}".encode())) for number in range(3)]
    await asyncio.sleep(0)
    for number, body in reversed(waiting):
        server.answer(number, body)
    server.flush()
    assert await asyncio.gather(*asked) == [(200, b"q0"), (200, b"q1"), (200, b"q2")]
    assert server.client.is_idle
    assert server.headers[1] == dict(HEAD)
    assert not server.reset


async def test_a_body_waits_for_room() -> None:
    server = Server(lambda server, number, body: server.answer(number, str(len(body)).encode()), INITIAL_WINDOW_SIZE=10)
    asking = asyncio.ensure_future(server.client.request(HEAD, bytes(25)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(server.bodies[1]) == 10
    server.http.increment_flow_control_window(10, 1)
    server.flush()
    assert len(server.bodies[1]) == 20
    server.http.increment_flow_control_window(10, 1)
    server.flush()
    assert await asking == (200, b"25")


async def test_a_connection_is_full_when_the_server_says_so() -> None:
    server = Server(lambda server, number, body: None, MAX_CONCURRENT_STREAMS=2)
    asked = [asyncio.ensure_future(server.client.request(HEAD, b"q")) for _ in range(2)]
    await asyncio.sleep(0)
    assert server.client.is_full
    server.answer(1, b"r")
    server.flush()
    assert await asked[0] == (200, b"r")
    assert not server.client.is_full
    asked[1].cancel()
    await asyncio.wait(asked)
    assert server.reset == [3]  # nobody waits for that any more


@pytest.mark.parametrize(
    ("act", "fault", "text"),
    [
        (lambda server, number, body: server.answer(number, bytes(101)), UpstreamError, "too long"),
        (lambda server, number, body: server.http.reset_stream(number), ConnectionEnded, "reset"),
        (lambda server, number, body: server.http.close_connection(), ConnectionEnded, "GOAWAY"),
        (lambda server, number, body: server.client.connection_lost(None), ConnectionEnded, "EOF"),
        (lambda server, number, body: server.client.connection_lost(OSError("gone")), ConnectionEnded, "gone"),
        (lambda server, number, body: server.client.data_received(b"\0\0\1\0\0\0\0\0\0x"), UpstreamError, "HTTP/2"),
    ],
)  # fmt: skip
async def test_a_request_without_a_response_fails(act: Act, fault: type[UpstreamError], text: str) -> None:
    server = Server(act)
    with pytest.raises(fault, match=text):
        await server.client.request(HEAD, b"q")


async def test_a_connection_that_ended_takes_no_requests() -> None:
    server = Server(echo)
    server.client.close()
    assert server.closed
    with pytest.raises(ConnectionEnded):
        await server.client.request(HEAD, b"q")


async def test_a_server_that_chose_another_protocol_is_told_nothing() -> None:
    written: list[bytes] = []

    class Quiet(Server):
        def write(self, data: Any) -> None:
            written.append(data)

    server = Quiet(echo, "http/1.1")
    assert not server.client.is_spoken
    assert written == []
