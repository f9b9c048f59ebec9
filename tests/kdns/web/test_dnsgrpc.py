"""DNS over gRPC: a unary call's message to a query, a reply to a message, and the status of what is none."""

import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from kdns.web import dnsgrpc
from kdns.web.dnsgrpc import DnsGrpc
from kdns.web.exchange import Request, Response
from tests.kdns.server import query

QUERY = query("www.example.org. A")


def call(message: bytes, path: str = dnsgrpc.PATH) -> Request:
    return Request("POST", path, "", "application/grpc+proto", b"\0" + len(message).to_bytes(4, "big") + message)


def packed(octets: bytes) -> bytes:
    message: bytes = BytesValue(value=octets).SerializeToString()
    return message


def status(response: bytes | Response) -> int:
    assert isinstance(response, Response)
    return int(dict((*response.headers, *response.trailers))["grpc-status"])


def test_a_call_carries_a_query() -> None:
    assert DnsGrpc().packet(call(packed(QUERY))) == QUERY


def test_a_reply_is_a_message_and_its_status_a_trailer() -> None:
    response = DnsGrpc().response(QUERY)

    assert DnsGrpc().packet(Request("POST", dnsgrpc.PATH, "", "application/grpc", response.body)) == QUERY
    assert status(response) == dnsgrpc.OK
    assert response.trailers == (("grpc-status", "0"),)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (call(packed(QUERY), "/coredns.dns.DnsService/Other"), dnsgrpc.UNIMPLEMENTED),
        (call(packed(b"short")), dnsgrpc.UNKNOWN),
        (call(b"\xff\xff"), dnsgrpc.INTERNAL),
        (call(b"")._replace(body=b""), dnsgrpc.INVALID_ARGUMENT),
        (call(b"")._replace(body=b"\1\0\0\0\0"), dnsgrpc.UNIMPLEMENTED),
        (call(b"")._replace(body=b"\0\0\0\0\5abc"), dnsgrpc.INVALID_ARGUMENT),
        (call(b"")._replace(body=bytes(70_000)), dnsgrpc.INVALID_ARGUMENT),
    ],
)
def test_what_is_no_call_ends_with_a_status(request_: Request, code: int) -> None:
    assert status(DnsGrpc().packet(request_)) == code


def test_a_query_without_a_reply_ends_with_a_status() -> None:
    assert status(DnsGrpc().response(None)) == dnsgrpc.UNKNOWN


def test_what_is_not_grpc_is_refused_as_http_does() -> None:
    response = DnsGrpc().packet(Request("GET", dnsgrpc.PATH, "", "", b""))
    assert isinstance(response, Response)
    assert response.status == 415
