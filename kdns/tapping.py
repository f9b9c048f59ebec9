"""Queries and replies as dnstap's messages, https://github.com/dnstap/dnstap.pb/blob/master/dnstap.proto.

What a message tells is what CoreDNS's tells: of a client its address, of an upstream both ends where they are known.
"""

from ipaddress import ip_address
from typing import Any, NamedTuple

from dnstap_pb import dnstap_pb2 as pb

from kdns.chain import Client, Reply, Request
from kdns.fitting import fitted, transferred
from kdns.wire import codes, query
from kdns.wire.proxy import End

CONTENT_TYPE = b"protobuf:dnstap.Dnstap"
SECOND = 1_000_000_000  # nanoseconds

# Looked up here once: protobuf's enumerations are slow to ask.
_PROTOCOLS = {"udp": pb.SocketProtocol.UDP, "tcp": pb.SocketProtocol.TCP}
_FAMILIES = {4: pb.SocketFamily.INET, 16: pb.SocketFamily.INET6}  # by octets of an address
_KIND = pb.Dnstap.MESSAGE


class Sender(NamedTuple):
    """What all messages of one tap say: who tells it; and whether they have the octets of DNS messages."""

    identity: bytes
    version: bytes
    is_full: bool


def payload(sender: Sender, message: Any, extra: str) -> bytes:
    """A message as it is sent, without the octets of DNS messages unless the tap is full."""
    told = pb.Dnstap(type=_KIND, identity=sender.identity, version=sender.version, message=message)
    if extra:
        told.extra = extra.encode()
    if not sender.is_full:
        told.message.ClearField("query_message")
        told.message.ClearField("response_message")
    octets: bytes = told.SerializeToString()
    return octets


def client_query(request: Request, at: int, *, is_full: bool) -> Any:
    """CLIENT_QUERY at a time in nanoseconds since the epoch. `is_full`: somebody wants the octets, here and below."""
    octets = _packed_query(request) if is_full else None
    return _message(pb.Message.CLIENT_QUERY, request.client.proto, _end(request.client), None, at, query_message=octets)


def client_response(request: Request, reply: Reply, at: int, replied: int, *, is_full: bool) -> Any:
    """CLIENT_RESPONSE to a query of `at`. Of a zone transfer it has the first message."""
    client = request.client
    octets = _fitted(request, reply._replace(signer=None)) if is_full else None
    return _replied(pb.Message.CLIENT_RESPONSE, client.proto, _end(client), None, at, replied, octets)


def forwarder_query(request: Request, proto: str, local: End | None, to: End, at: int, *, is_full: bool) -> Any:
    """FORWARDER_QUERY of a client's query, asked from `local` of an upstream."""
    octets = _packed_query(request) if is_full else None
    return _message(pb.Message.FORWARDER_QUERY, proto, local, to, at, query_message=octets)


def forwarder_response(
    request: Request, proto: str, local: End | None, to: End, at: int, replied: int, octets: bytes
) -> Any:
    """FORWARDER_RESPONSE with the upstream's octets, under the ID of the client's query."""
    message = request.question.id.to_bytes(2, "big") + octets[2:]
    return _replied(pb.Message.FORWARDER_RESPONSE, proto, local, to, at, replied, message)


def _packed_query(request: Request) -> bytes:
    return query.pack(request.question, request.question.id)


def _fitted(request: Request, reply: Reply) -> bytes:
    asked, client = request.question, request.client
    is_transfer = asked.qtype in (codes.AXFR, codes.IXFR) and client.takes_all
    return next(transferred(asked, reply)) if is_transfer else fitted(asked, reply, client)


def _end(client: Client) -> End:
    return client.address, client.port


def _replied(
    kind: int, proto: str, source: End | None, to: End | None, at: int, replied: int, octets: bytes | None
) -> Any:
    seconds, rest = divmod(replied, SECOND)
    times = {"response_time_sec": seconds, "response_time_nsec": rest}
    return _message(kind, proto, source, to, at, response_message=octets, **times)


def _message(kind: int, proto: str, source: End | None, to: End | None, at: int, **more: Any) -> Any:
    more["query_time_sec"], more["query_time_nsec"] = divmod(at, SECOND)
    if source is not None:
        more["query_address"], more["query_port"] = _packed(source[0]), source[1]
    if to is not None:
        more["response_address"], more["response_port"] = _packed(to[0]), to[1]
    address = more["query_address"] if source is not None else more["response_address"]
    return pb.Message(type=kind, socket_protocol=_PROTOCOLS[proto], socket_family=_FAMILIES[len(address)], **more)


def _packed(address: str) -> bytes:
    """The octets of an address, which may have a zone; the library is slow, so it is asked about IPv6 only."""
    if ":" in address:
        return ip_address(address.partition("%")[0]).packed
    return bytes(map(int, address.split(".")))
