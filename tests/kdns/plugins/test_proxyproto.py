"""proxyproto: whom a Corefile believes; and clients seen through HAProxy and dnsdist, by every transport of theirs."""

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.ports import free_port
from kdns.errors import ConfigError
from kdns.plugins import proxyproto
from kdns.transport.proxied import Mode
from kdns.wire import codes, message, records
from tests.kdns.asking import args
from tests.kdns.server import PATIENCE, Kdns, exchange, query
from tests.kdns.transport import certificates

CLIENT = "127.0.0.7"
Start = Callable[..., Kdns]


@pytest.mark.parametrize(
    ("lines", "address", "mode"),
    [
        ("", "192.0.2.1", Mode.USE),
        ("allow", "192.0.2.1", Mode.USE),
        ("default reject", "192.0.2.1", Mode.REJECT),
        ("allow 192.0.2.0/24", "192.0.2.1", Mode.USE),
        ("allow 192.0.2.77/24 2001:db8::/32", "2001:db8::1", Mode.USE),
        ("allow fe80::/10", "fe80::1%eth0", Mode.USE),
        ("allow 192.0.2.0/24", "192.0.3.1", Mode.IGNORE),
        ("allow 192.0.2.0/24\nallow 192.0.3.0/24\ndefault SKIP", "192.0.3.1", Mode.USE),
        ("allow 192.0.2.0/24\ndefault SKIP", "192.0.3.1", Mode.SKIP),
        ("default use\nallow 192.0.2.0/24", "192.0.3.1", Mode.USE),
    ],
)
def test_a_proxy_is_believed_if_it_is_allowed_and_the_others_by_default(lines: str, address: str, mode: Mode) -> None:
    found = proxyproto.setup(args(f"proxyproto {{\n{lines}\n}}" if lines else "proxyproto"))

    assert found.trust.mode(address) is mode


@pytest.mark.parametrize(
    ("lines", "ttl", "sessions"),
    [
        ("allow", 0.0, 10_240),
        ("udp_session_tracking 28s", 28.0, 10_240),
        ("udp_session_tracking 1m30s 7", 90.0, 7),
        ("udp_session_tracking -1s 7", -1.0, 7),
    ],
)
def test_sessions_have_a_time_and_a_number(lines: str, ttl: float, sessions: int) -> None:
    found = proxyproto.setup(args(f"proxyproto {{\n{lines}\n}}"))

    assert (found.ttl, found.sessions) == (ttl, sessions)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("proxyproto on", "Wrong argument count"),
        ("proxyproto {\nallow 192.0.2.1\n}", "192.0.2.1: invalid CIDR address: 192.0.2.1"),
        ("proxyproto {\nallow 10.0.0.0/8 proxy.example/8\n}", "proxy.example/8: invalid CIDR address"),
        ("proxyproto {\ndefault\n}", "Wrong argument count"),
        ("proxyproto {\ndefault sometimes\n}", "Wrong argument count"),
        ("proxyproto {\nudp_session_tracking\n}", "Wrong argument count"),
        ("proxyproto {\nudp_session_tracking 1s 2 3\n}", "Wrong argument count"),
        ("proxyproto {\nudp_session_tracking soon\n}", 'udp_session_tracking: invalid duration "soon"'),
        ("proxyproto {\nudp_session_tracking 1s many\n}", 'invalid max sessions "many": must be a positive integer'),
        ("proxyproto {\nudp_session_tracking 1s 0\n}", 'invalid max sessions "0"'),
        ("proxyproto {\ndeny 10.0.0.0/8\n}", "unknown option 'deny'"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        proxyproto.setup(args(text))


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """A proxy that listens on the port."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _listens(port):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@contextmanager
def behind_haproxy(directory: Path, server: int, sends: str) -> Iterator[int]:
    """HAProxy, which sends such headers before each connection, also its own to see whether the server is there."""
    port = free_port()
    (directory / "haproxy.cfg").write_text(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 10s\n timeout server 10s\n"
        f"listen dns\n bind 127.0.0.1:{port}\n server kdns 127.0.0.1:{server} {sends} check\n"
    )
    with running(["/usr/sbin/haproxy", "-db", "-f", str(directory / "haproxy.cfg")], port) as listening:
        yield listening


@contextmanager
def behind_dnsdist(directory: Path, server: int) -> Iterator[int]:
    """dnsdist, which puts a header before each query; it asks a server only when it replied to its own queries."""
    port = free_port()
    (directory / "dnsdist.conf").write_text(
        f'setLocal("127.0.0.1:{port}")\nnewServer({{address="127.0.0.1:{server}", useProxyProtocol=true}})\n'
    )
    command = ["/usr/bin/dnsdist", "--supervised", "--disable-syslog", "-C", str(directory / "dnsdist.conf")]
    with running(command, port) as listening:
        yield listening


def client_seen(packet: bytes) -> str:
    """The client's address in a reply of *whoami*."""
    reply = records.read_message(packet)
    assert reply.rcode == codes.NOERROR
    return message.to_text(reply.additional[0]).split()[-1]


def corefile(*lines: str, scheme: str = "") -> str:
    inside = "".join(f"  {line}\n" for line in lines)
    return f"{scheme}.:@PORT@ {{\n bind 127.0.0.1\n proxyproto {{\n{inside} }}\n whoami\n}}\n"


@pytest.mark.parametrize("sends", ["send-proxy", "send-proxy-v2"])
def test_haproxy_s_clients_are_seen_over_tcp(kdns: Start, tmp_path: Path, sends: str) -> None:
    server = kdns(corefile("allow 127.0.0.1/32"))
    with behind_haproxy(tmp_path, server.port, sends) as port:
        seen = client_seen(exchange(query("x. A"), ("127.0.0.1", port), tcp=True, source=CLIENT))
    assert seen == CLIENT
    assert client_seen(exchange(query("x. A"), ("127.0.0.1", server.port), tcp=True)) == "127.0.0.1"


@pytest.mark.parametrize(("scheme", "flag"), [("tls", "+tls"), ("https", "+https=/dns-query")])
def test_haproxy_s_clients_are_seen_through_tls(kdns: Start, tmp_path: Path, scheme: str, flag: str) -> None:
    certificate = certificates.make(tmp_path)
    text = corefile("default use", scheme=f"{scheme}://").replace("whoami", f"tls {certificate} {certificate}\n whoami")
    server = kdns(text)
    with behind_haproxy(tmp_path, server.port, "send-proxy-v2") as port:
        authority = (f"+tls-ca={certificate}", "+tls-hostname=dns.example")
        command = ["kdig", "@127.0.0.1", "-p", str(port), "-b", CLIENT, flag, *authority, "x.", "A"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"IN\tA\t{CLIENT}\n" in said


@pytest.mark.parametrize("tcp", [False, True])
def test_dnsdist_s_clients_are_seen(kdns: Start, tmp_path: Path, tcp: bool) -> None:
    server = kdns(corefile("allow 127.0.0.0/24"))
    with behind_dnsdist(tmp_path, server.port) as port:
        seen = client_seen(exchange(query("x. A"), ("127.0.0.1", port), tcp=tcp, source=CLIENT))
    assert seen == CLIENT


def test_who_may_see_what_is_decided_by_the_client_and_not_by_the_proxy(kdns: Start, tmp_path: Path) -> None:
    acl = f"acl {{\n  block net {CLIENT}/32\n }}\n whoami"
    server = kdns(corefile("allow 127.0.0.1/32").replace("whoami", acl))
    with behind_dnsdist(tmp_path, server.port) as port:
        refused, seen = (
            records.read_message(exchange(query("x. A"), ("127.0.0.1", port), source=source)).rcode
            for source in (CLIENT, "127.0.0.8")
        )
    assert (refused, seen) == (codes.REFUSED, codes.NOERROR)


def test_a_reload_believes_other_proxies(kdns: Start, tmp_path: Path) -> None:
    server = kdns(corefile().replace("proxyproto {\n }", "bufsize 1232"))
    line = f"PROXY TCP4 {CLIENT} 127.0.0.1 4711 53\r\n".encode()
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c" + bytes((127, 0, 0, 7, 127, 0, 0, 1, 18, 103, 0, 53))
    for number, mode in enumerate(("use", "ignore"), start=1):
        server.write(corefile(f"default {mode}"))
        server.signal(signal.SIGUSR1)
        server.wait_for("[INFO] Reloading complete", times=number)
        expected = CLIENT if mode == "use" else "127.0.0.1"

        assert client_seen(exchange(header + query("x. A"), ("127.0.0.1", server.port))) == expected
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
            packet = query("x. A")
            connection.sendall(line + len(packet).to_bytes(2, "big") + packet)
            assert client_seen(connection.recv(4096)[2:]) == expected


def test_a_datagram_with_a_broken_header_is_warned_of(kdns: Start) -> None:
    server = kdns(corefile())
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"PROXY TCP4 nonsense\r\n", ("127.0.0.1", server.port))
    server.wait_for("[WARNING] plugin/proxyproto: dropping invalid Proxy Protocol packet from 127.0.0.1:")
