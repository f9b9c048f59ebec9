"""HTTP/2 without I/O, against h2's own client: many streams, small windows, replies in any order; what is no HTTP."""

from collections.abc import Callable
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from kdns.tracing import Within
from kdns.web.dnsgrpc import PATH, DnsGrpc
from kdns.web.doh import Doh
from kdns.web.exchange import Application
from kdns.web.http2 import Http2
from tests.kdns.server import query

QUERY = query("www.example.org. A")
HEADERS = [(":method", "POST"), (":path", "/dns-query"), (":scheme", "https"), (":authority", "a")]


class Talk:
    """A client and a server; the server's queries are answered when told to."""

    def __init__(self, application: Application | None = None, max_streams: int = 250, window: int = 65_535) -> None:
        self.asked: list[tuple[bytes, Callable[[bytes | None], None]]] = []
        self._written = b""
        self.client = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.client.initiate_connection()
        self.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.server = Http2(application or Doh([].append), self.ask, self.write, max_streams)
        self.statuses: dict[int, str] = {}
        self.trailers: dict[int, list[Any]] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.reset: set[int] = set()
        self.is_over = False
        self.exchange()

    def write(self, octets: bytes) -> None:
        self._written += octets

    def ask(self, packet: bytes, within: Within | None, done: Callable[[bytes | None], None]) -> None:
        self.within = within
        self.asked.append((packet, done))

    def post(self, body: bytes, headers: Any = HEADERS) -> int:
        number = self.client.get_next_available_stream_id()
        self.client.send_headers(number, headers)
        for start in range(0, len(body), 16_384):
            self.client.send_data(number, body[start : start + 16_384])
        self.client.end_stream(number)
        self.exchange()
        return number

    def exchange(self) -> None:
        while (sent := self.client.data_to_send()) or self._written:
            if sent:
                self.server.feed(sent)
            received, self._written = self._written, b""
            for event in self.client.receive_data(received):
                self.take(event)

    def take(self, event: Any) -> None:
        match event:
            case ResponseReceived():
                self.statuses[event.stream_id] = dict(event.headers)[":status"]
            case TrailersReceived():
                self.trailers[event.stream_id] = list(event.headers)
            case DataReceived():
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
                self.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamReset():
                self.reset.add(event.stream_id)
                self.ended.add(event.stream_id)
            case StreamEnded():
                self.ended.add(event.stream_id)
            case ConnectionTerminated():
                self.is_over = True


def test_replies_come_in_any_order() -> None:
    talk = Talk()
    numbers = [talk.post(QUERY) for _ in range(3)]
    assert [packet for packet, _ in talk.asked] == [QUERY] * 3
    for _, done in reversed(talk.asked):
        done(QUERY)
    talk.exchange()
    assert talk.bodies == dict.fromkeys(numbers, QUERY)
    assert set(talk.statuses.values()) == {"200"}
    assert not talk.server.busy
    assert talk.server.answered == 3


def test_a_response_to_head_has_no_body_but_its_length() -> None:
    talk = Talk()
    number = talk.post(b"", [(":method", "HEAD"), *HEADERS[1:]])

    assert (talk.statuses[number], talk.bodies.get(number), number in talk.ended) == ("400", None, True)
    assert number not in talk.reset


def test_a_reply_waits_for_the_clients_window() -> None:
    talk = Talk(window=100)
    number = talk.post(QUERY)
    talk.asked[0][1](QUERY + bytes(5_000))
    talk.exchange()
    assert talk.bodies[number] == QUERY + bytes(5_000)
    assert number in talk.ended


def test_the_status_of_a_call_comes_behind_its_message() -> None:
    talk = Talk(DnsGrpc(), window=50)
    headers = [*HEADERS, ("content-type", "application/grpc")]
    headers[1] = (":path", PATH)
    message = DnsGrpc().response(QUERY).body
    number = talk.post(message, headers)
    talk.asked[0][1](QUERY)
    talk.exchange()
    assert talk.bodies[number] == message
    assert talk.trailers[number] == [("grpc-status", "0")]


def test_a_body_that_is_too_large_ends_its_stream_only() -> None:
    talk = Talk()
    large = talk.client.get_next_available_stream_id()
    talk.client.send_headers(large, HEADERS)
    for _ in range(5):
        if large not in talk.ended:
            talk.client.send_data(large, bytes(16_000))
            talk.exchange()
    assert talk.statuses[large] == "413"
    talk.post(QUERY)
    assert len(talk.asked) == 1


def test_a_client_that_gave_up_gets_nothing() -> None:
    talk = Talk()
    number = talk.post(QUERY)
    talk.client.reset_stream(number)
    talk.exchange()
    talk.asked[0][1](QUERY)
    talk.exchange()
    assert number not in talk.statuses
    assert not talk.server.busy


def test_no_more_streams_than_allowed() -> None:
    talk = Talk(max_streams=2)
    assert talk.client.remote_settings.max_concurrent_streams == 2


def test_queries_that_nobody_waits_for_any_more_count_until_they_are_answered() -> None:
    talk = Talk(max_streams=2)
    for _ in range(2):
        talk.client.reset_stream(talk.post(QUERY))
        talk.exchange()
    refused = talk.post(QUERY)
    assert refused in talk.ended
    assert refused not in talk.statuses
    talk.asked[0][1](QUERY)
    talk.post(QUERY)
    assert len(talk.asked) == 3
    assert not talk.is_over


def test_a_request_that_is_taken_back_at_once_is_not_asked_and_harms_no_other() -> None:
    talk = Talk()
    other = talk.post(QUERY)
    number = talk.client.get_next_available_stream_id()
    talk.client.send_headers(number, [(":method", "PUT"), *HEADERS[1:]], end_stream=True)
    talk.client.reset_stream(number)
    talk.exchange()
    assert len(talk.asked) == 1
    talk.asked[0][1](QUERY)
    talk.exchange()
    assert talk.bodies[other] == QUERY
    talk.post(QUERY)
    assert len(talk.asked) == 2


def test_after_goodbye_what_is_under_way_is_answered() -> None:
    talk = Talk()
    number = talk.post(QUERY)
    talk.server.close()
    talk.asked[0][1](QUERY)
    talk.exchange()
    assert talk.bodies[number] == QUERY
    assert not talk.server.busy
    assert talk.is_over


def test_a_request_after_goodbye_may_be_asked_again_elsewhere() -> None:
    talk = Talk()
    talk.post(QUERY)
    talk.server.close()
    late = talk.post(QUERY)
    assert late in talk.ended
    assert late not in talk.statuses


@given(st.binary(max_size=300))
def test_noise_ends_the_connection_or_is_waited_for(noise: bytes) -> None:
    written: list[bytes] = []
    server = Http2(Doh([].append), lambda packet, done: done(None), written.append)
    server.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    server.feed(noise or b"\0")
    assert written
