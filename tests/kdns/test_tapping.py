"""What dnstap's messages say of queries, replies and exchanges with upstreams."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from dnstap_pb import dnstap_pb2 as pb

from kdns import tapping
from kdns.chain import Client, Reply
from kdns.tapping import Sender
from kdns.wire import codes
from kdns.wire import records as wire
from kdns.wire.edns import Edns
from tests.kdns.asking import question, records, request

FULL, BRIEF = Sender(b"me", b"kdns", is_full=True), Sender(b"me", b"kdns", is_full=False)
AT, REPLIED = 1_700_000_000_000_000_007, 1_700_000_001_000_000_009
ASKED = question("www.example.org. A", edns=Edns(1232))
ANSWER = records("www.example.org. 60 IN A 192.0.2.1")
LOCAL, UPSTREAM = ("10.0.0.1", 40001), ("2001:db8::53", 5353)


class Signer:
    """Signs nothing here: a copy for a tap has no signature."""

    room = 100

    def sign(self, message: bytes) -> bytes:
        raise AssertionError("signed")

    def each(self, messages: Iterator[bytes]) -> Iterator[bytes]:
        raise AssertionError("signed")


def told(sender: Sender, message: Any, extra: str = "") -> Any:
    return pb.Dnstap.FromString(tapping.payload(sender, message, extra))


@pytest.mark.parametrize(
    ("address", "family"), [("192.0.2.7", "INET"), ("2001:db8::7", "INET6"), ("fe80::7%eth0", "INET6")]
)
@pytest.mark.parametrize("proto", ["udp", "tcp"])
def test_a_client_s_query_tells_who_asked_what_and_when(address: str, family: str, proto: str) -> None:
    asked = request(ASKED, client=Client(address, 4711, proto))
    found = told(FULL, tapping.client_query(asked, AT, is_full=True), "more")
    message = found.message

    assert (found.type, found.identity, found.version, found.extra) == (pb.Dnstap.MESSAGE, b"me", b"kdns", b"more")
    assert message.type == pb.Message.CLIENT_QUERY
    assert pb.SocketFamily.Name(message.socket_family) == family
    assert pb.SocketProtocol.Name(message.socket_protocol) == proto.upper()
    assert message.query_address == ip_address(address.partition("%")[0]).packed
    assert (message.query_port, message.query_time_sec, message.query_time_nsec) == (4711, 1_700_000_000, 7)
    assert not message.HasField("response_address")
    assert message.query_message[:2] == ASKED.id.to_bytes(2, "big")
    assert message.query_message[12:].startswith(ASKED.qname)
    assert message.query_message[11] == 1  # its OPT is there


def test_a_response_tells_of_both_times_and_has_the_octets_that_the_client_gets_but_for_the_signature() -> None:
    reply = Reply(answer=ANSWER, flags=codes.AA, signer=Signer())
    message = told(FULL, tapping.client_response(request(ASKED), reply, AT, REPLIED, is_full=True)).message

    assert message.type == pb.Message.CLIENT_RESPONSE
    assert (message.query_time_sec, message.query_time_nsec) == (1_700_000_000, 7)
    assert (message.response_time_sec, message.response_time_nsec) == (1_700_000_001, 9)
    assert not message.query_message
    read = wire.read_message(message.response_message)
    assert (read.id, read.answer, read.flags & codes.AA) == (ASKED.id, ANSWER, codes.AA)


def test_of_a_zone_transfer_the_first_message_is_told() -> None:
    asked = request("example.org. AXFR", client=Client("192.0.2.7", 4711, "tcp"))
    zone = records("\n".join(f"n{number}.example.org. 60 IN A 192.0.2.1" for number in range(5000)))
    message = told(FULL, tapping.client_response(asked, Reply(answer=zone), AT, REPLIED, is_full=True)).message

    assert 0 < len(wire.read_message(message.response_message).answer) < len(zone)


def test_an_exchange_with_an_upstream_tells_of_both_ends_and_has_the_client_s_id() -> None:
    asked = request(ASKED)
    sent = told(FULL, tapping.forwarder_query(asked, "udp", LOCAL, UPSTREAM, AT, is_full=True)).message
    octets = b"\0\1" + bytes(10)
    got = told(FULL, tapping.forwarder_response(asked, "udp", None, UPSTREAM, AT, REPLIED, octets)).message

    assert (sent.type, got.type) == (pb.Message.FORWARDER_QUERY, pb.Message.FORWARDER_RESPONSE)
    assert (sent.query_address, sent.query_port) == (ip_address(LOCAL[0]).packed, 40001)
    assert (sent.response_address, sent.response_port) == (ip_address(UPSTREAM[0]).packed, 5353)
    assert sent.query_message[:2] == got.response_message[:2] == ASKED.id.to_bytes(2, "big")
    assert got.response_message[2:] == octets[2:]
    assert not got.HasField("query_address")


def test_octets_are_told_to_full_taps_only() -> None:
    asked = request(ASKED)
    for message in (
        tapping.client_query(asked, AT, is_full=True),
        tapping.client_response(asked, Reply(), AT, REPLIED, is_full=True),
        tapping.forwarder_response(asked, "tcp", LOCAL, UPSTREAM, AT, REPLIED, bytes(12)),
    ):
        brief, full = told(BRIEF, message).message, told(FULL, message).message
        assert not brief.HasField("query_message")
        assert not brief.HasField("response_message")
        assert full.query_message or full.response_message
        assert not told(BRIEF, message).HasField("extra")
    assert not tapping.client_query(asked, AT, is_full=False).HasField("query_message")
    assert not tapping.client_response(asked, Reply(), AT, REPLIED, is_full=False).HasField("response_message")
    assert not tapping.forwarder_query(asked, "udp", LOCAL, UPSTREAM, AT, is_full=False).HasField("query_message")
