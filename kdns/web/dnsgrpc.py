"""DNS over gRPC, as CoreDNS has it: service coredns.dns.DnsService, method Query, one DnsPacket each way.

    message DnsPacket { bytes msg = 1; }

A unary call is one HTTP/2 request whose body, and whose response's, is a message behind five octets (a flag and its
length), with the outcome in a trailer: see PROTOCOL-HTTP2 of gRPC. DnsPacket is on the wire what protobuf's own
BytesValue is.
"""

from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import BytesValue

from kdns.web.exchange import MAX_MESSAGE, Request, Response

PATH = "/coredns.dns.DnsService/Query"
MEDIA_TYPE = "application/grpc"
HEADERS = (("content-type", "application/grpc"),)
PREFIX = 5  # octets in front of a message: whether it is compressed, and its length
OVERHEAD = 4  # octets that DnsPacket adds to its message: a tag and a length

OK, UNKNOWN, INVALID_ARGUMENT, UNIMPLEMENTED, INTERNAL = 0, 2, 3, 12, 13  # gRPC's status codes


class DnsGrpc:
    """The application."""

    largest_body = PREFIX + OVERHEAD + MAX_MESSAGE

    def packet(self, request: Request) -> bytes | Response:
        """The query of a call, or the status that it ends with."""
        if request.method != "POST" or not request.content_type.startswith(MEDIA_TYPE):
            return Response(415)
        if request.path != PATH:
            return _ended(UNIMPLEMENTED, "unknown service or method")
        if len(request.body) < PREFIX or len(request.body) > self.largest_body:
            return _ended(INVALID_ARGUMENT, "no message, or one that is too large")
        if request.body[0]:
            return _ended(UNIMPLEMENTED, "compressed messages are not read")
        length = int.from_bytes(request.body[1:PREFIX], "big")
        if length != len(request.body) - PREFIX:
            return _ended(INVALID_ARGUMENT, "a unary call has one message")
        try:
            packet: bytes = BytesValue.FromString(request.body[PREFIX:]).value
        except DecodeError:
            return _ended(INTERNAL, "no DnsPacket")
        return packet if len(packet) >= 12 else _ended(UNKNOWN, "no DNS message")

    def response(self, reply: bytes | None) -> Response:
        """A reply as a message; a query without one ends with an error."""
        if reply is None:
            return _ended(UNKNOWN, "no response")
        message = BytesValue(value=reply).SerializeToString()
        body = b"\0" + len(message).to_bytes(4, "big") + message
        return Response(200, HEADERS, body, (("grpc-status", str(OK)),))


def _ended(status: int, text: str) -> Response:
    """A response without a message: the outcome stands in the headers (Trailers-Only)."""
    return Response(200, (*HEADERS, ("grpc-status", str(status)), ("grpc-message", text)))
