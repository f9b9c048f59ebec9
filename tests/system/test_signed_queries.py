"""Queries with transaction signatures (RFC 8945) on every transport: dnspython and curl sign, kdns checks and signs."""

import asyncio
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.query
import dns.rcode
import dns.tsig
import grpc
import pytest
from dns.message import Message
from google.protobuf.wrappers_pb2 import BytesValue

from bench.ports import free_ports
from kdns.web.dnsgrpc import PATH
from tests.kdns.server import Kdns
from tests.kdns.transport import certificates

HOST = "127.0.0.1"
SECRET = b64encode(b"thirty-two octets of no meaning.").decode()
ALGORITHMS = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"]
SCHEMES = ("dns", "tls", "https", "https3", "quic", "grpc")


class Served:
    """A kdns that refuses what is not signed, on a port for each scheme, and its certificate."""

    def __init__(self, directory: Path) -> None:
        self.file = str(certificates.make(directory))
        self.ports = dict(zip(SCHEMES, islice(free_ports(), len(SCHEMES)), strict=True))
        keys = " ".join(f"{scheme}://example.org:{port}" for scheme, port in self.ports.items())
        tsig = f"tsig {{\nsecret key. {SECRET}\nrequire all\n}}"
        self.kdns = Kdns(directory, f"{keys} {{\nbind {HOST}\ntls {self.file} {self.file}\n{tsig}\nwhoami\n}}\n")
        self.kdns.start()

    def over_https(self, query: Message) -> Message:
        """By curl, over HTTP/2."""
        url = f"https://{HOST}:{self.ports['https']}/dns-query"
        body = "-H", "content-type: application/dns-message", "--data-binary", "@-"
        command = ["curl", "-s", "--http2", "--cacert", self.file, *body, url]
        return read(subprocess.run(command, input=query.to_wire(), capture_output=True, check=True).stdout, query)

    def over_https3(self, query: Message) -> Message:
        """By dnspython over HTTP/3."""
        url = f"https://{HOST}:{self.ports['https3']}/dns-query"
        asking = dns.asyncquery.https(query, url, 10, verify=self.file, http_version=dns.query.HTTPVersion.H3)
        return asyncio.run(asking)

    def over_grpc(self, query: Message) -> Message:
        """By a call of CoreDNS's service."""
        trusted = grpc.ssl_channel_credentials(Path(self.file).read_bytes())
        with grpc.secure_channel(f"{HOST}:{self.ports['grpc']}", trusted) as channel:
            call = channel.unary_unary(
                PATH, request_serializer=BytesValue.SerializeToString, response_deserializer=BytesValue.FromString
            )
            return read(call(BytesValue(value=query.to_wire()), timeout=10).value, query)


def read(packet: bytes, query: Message) -> Message:
    """A reply whose signature holds; BadSignature and the like otherwise."""
    return dns.message.from_wire(packet, keyring=query.keyring, request_mac=query.mac)


ASKED: dict[str, Callable[[Served, Message], Message]] = {
    "udp": lambda to, query: dns.query.udp(query, HOST, 10, to.ports["dns"]),
    "tcp": lambda to, query: dns.query.tcp(query, HOST, 10, to.ports["dns"]),
    "tls": lambda to, query: dns.query.tls(query, HOST, 10, to.ports["tls"], verify=to.file),
    "quic": lambda to, query: asyncio.run(dns.asyncquery.quic(query, HOST, 10, to.ports["quic"], verify=to.file)),
    "https": Served.over_https,
    "https3": Served.over_https3,
    "grpc": Served.over_grpc,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running server."""
    made = Served(tmp_path_factory.mktemp("signed-queries"))
    yield made
    assert made.kdns.stop() == 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("transport", ASKED)
def test_a_signed_query_gets_a_signed_reply(served: Served, transport: str, algorithm: str) -> None:
    query = dns.message.make_query("a.example.org", "A")
    query.use_tsig(dns.tsig.Key("key.", SECRET, algorithm))

    reply = ASKED[transport](served, query)

    assert reply.had_tsig
    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.additional


@pytest.mark.parametrize("transport", ASKED)
def test_a_query_without_a_signature_is_refused(served: Served, transport: str) -> None:
    reply = ASKED[transport](served, dns.message.make_query("a.example.org", "A"))
    assert reply.rcode() == dns.rcode.REFUSED
    assert not reply.had_tsig
