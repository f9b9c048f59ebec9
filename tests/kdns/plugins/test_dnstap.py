"""dnstap: what a Corefile can say; and messages of a running server, read by Debian's tools and by a collector."""

import asyncio
import platform
import re
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dnstap_pb import dnstap_pb2 as pb
from fstrm import FSTRM_DATA_FRAME, FstrmCodec

from bench.ports import free_port
from kdns import VERSION
from kdns.errors import ConfigError, NoAnswer
from kdns.plugins import dnstap
from kdns.plugins.dnstap import Dnstap, Tap
from kdns.tapping import SECOND, Sender
from kdns.transport.tap import Incoming, Outgoing
from kdns.wire import codes
from kdns.wire import records as wire
from tests.kdns.asking import args, ask, request
from tests.kdns.collector import Collector
from tests.kdns.server import PATIENCE, Kdns
from tests.kdns.transport import certificates

Start = Callable[..., Kdns]
HOSTS = "hosts {\n  192.0.2.1 www.example.org\n }"


@pytest.mark.parametrize(
    ("text", "listens", "sender"),
    [
        ("dnstap /run/tap.sock", False, Sender(platform.node().encode(), f"kdns-{VERSION}".encode(), is_full=False)),
        ("dnstap unix:///run/tap.sock brief 3 4", False, Sender(platform.node().encode(), b"1", is_full=False)),
        ("dnstap tcp://tap.example:6000 full 1024 4096", False, Sender(b"me", b"1", is_full=True)),
        ("dnstap tls://[2001:db8::1]:6000/ full", False, Sender(b"me", b"1", is_full=True)),
        ("dnstap listen tcp://127.0.0.1:6000 full", True, Sender(b"me", b"1", is_full=True)),
        ("dnstap listen /run/tap.sock", True, Sender(b"me", b"1", is_full=False)),
    ],
)
def test_a_tap_has_a_place_and_tells_who_it_is(text: str, listens: bool, sender: Sender) -> None:
    lines = [f"version {sender.version.decode()}"]
    lines += ["identity me"] if sender.identity == b"me" else []
    (tap,) = dnstap.setup(args(f"{text} {{\n{chr(10).join(lines)}\nextra {{name}}\nskipverify\n}}"))._taps

    assert isinstance(tap.sink, Incoming if listens else Outgoing)
    assert tap.sender == sender
    assert len(tap.extra) == 1


def test_without_a_block_identity_and_version_are_the_host_s_and_kdns_s() -> None:
    first, second = dnstap.setup(args("dnstap /run/tap.sock\ndnstap tcp://127.0.0.1:6000 full"))._taps

    assert first.sender == Sender(platform.node().encode(), f"kdns-{VERSION}".encode(), is_full=False)
    assert second.sender.is_full


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dnstap", "Wrong argument count"),
        ("dnstap listen", "dnstap listen requires an endpoint argument"),
        ("dnstap /s full 0", "MultipleTcpWriteBuf must be between 1 and 1024: 0"),
        ("dnstap /s full 1025", "MultipleTcpWriteBuf must be between 1 and 1024: 1025"),
        ("dnstap /s full much", 'invalid MultipleTcpWriteBuf "much"'),
        ("dnstap /s full 1 4097", "MultipleQueue must be between 1 and 4096: 4097"),
        ("dnstap /s full 1 many", 'invalid MultipleQueue "many"'),
        ("dnstap tcp://tap.example", "missing port in address"),
        ("dnstap tls://tap.example:port", "tls://tap.example:port"),
        ("dnstap /s {\nidentity\n}", "Wrong argument count"),
        ("dnstap /s {\nversion\n}", "Wrong argument count"),
        ("dnstap /s {\nextra\n}", "Wrong argument count"),
        ("dnstap /s {\ntls a b\n}", "tls directive only valid for listeners"),
        ("dnstap listen tls://127.0.0.1:6000 {\ntls a\n}", "tls requires cert and key file paths"),
        ("dnstap /s {\nidentity two words\n}", "unknown property 'words'"),
        ("dnstap /s {\ncolour red\n}", "unknown property 'colour'"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        dnstap.setup(args(text))


@pytest.mark.parametrize(
    ("text", "divisible"),
    [("dnstap /s", True), ("dnstap tcp://127.0.0.1:6000", True), ("dnstap /s\ndnstap listen /t", False)],
)
def test_only_one_process_can_have_collectors_that_connect_to_it(text: str, divisible: bool) -> None:
    assert dnstap.setup(args(text)).divisible is divisible


class Sink:
    """Keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def put(self, payload: bytes) -> None:
        self.messages.append(pb.Dnstap.FromString(payload))


def tapped(*, is_full: bool = True) -> tuple[Dnstap, Sink]:
    sink = Sink()
    form = dnstap.parse_format("{name} {/who}")
    times = iter(range(10 * SECOND, 100 * SECOND, SECOND))
    return Dnstap([Tap(Sender(b"me", b"1", is_full), form, sink)], lambda: next(times)), sink  # type: ignore[arg-type]


def test_a_query_is_told_of_before_its_reply_and_neither_is_kept_from_being_told_again() -> None:
    plugin, sink = tapped()
    reply = ask(plugin, request("www.example.org. A", labels={"who": "you"}), rest="www.example.org. 60 IN A 192.0.2.1")

    first, second = sink.messages
    assert [message.message.type for message in sink.messages] == [5, 6]  # CLIENT_QUERY, CLIENT_RESPONSE
    assert first.extra == second.extra == b"www.example.org. you"
    assert (second.message.query_time_sec, second.message.response_time_sec) == (10, 11)
    assert wire.read_message(second.message.response_message).answer == reply.answer
    assert reply.keep is None


def test_what_nobody_answers_has_no_response() -> None:
    plugin, sink = tapped(is_full=False)
    with pytest.raises(NoAnswer):
        ask(plugin, "www.example.org. A", rest=NoAnswer(codes.SERVFAIL))

    assert [message.message.type for message in sink.messages] == [5]


@contextmanager
def captured(directory: Path, *where: str) -> Iterator[Callable[[], str]]:
    """fstrm_capture on a socket; the function gives, once kdns has ended, what dnstap-ldns shows of what it got."""
    file = directory / "capture.fstrm"
    command = ["/usr/bin/fstrm_capture", "-t", "protobuf:dnstap.Dnstap", *where, "-w", str(file), "-dddd"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "opening" not in process.stderr.readline():
        assert process.poll() is None

    def shown() -> str:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
        reader = ["/usr/bin/dnstap-ldns", "-y", "-r", str(file)]
        return subprocess.run(reader, capture_output=True, text=True, check=True).stdout

    try:
        yield shown
    finally:
        process.kill()
        process.communicate()


def read(file: Path) -> list[Any]:
    """The messages of a captured stream."""
    codec, found = FstrmCodec(), []
    codec.append(file.read_bytes())
    while codec.process():
        kind, _, payload = codec.decode()
        if kind == FSTRM_DATA_FRAME:
            found.append(pb.Dnstap.FromString(payload))
    return found


def field(text: str, name: str) -> list[str]:
    """The values of a field, message by message."""
    return [value.strip('"') for value in re.findall(rf"(?m)^ *{name}: (.*)$", text)]


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_debian_s_tools_read_what_clients_asked_and_were_told(kdns: Start, tmp_path: Path, kind: str) -> None:
    port = free_port()
    where = ("-u", str(tmp_path / "tap.sock")) if kind == "unix" else ("-a", "127.0.0.1", "-p", str(port))
    place = tmp_path / "tap.sock" if kind == "unix" else f"tcp://127.0.0.1:{port}"
    with captured(tmp_path, *where) as shown:
        server = kdns(f".:@PORT@ {{\n bind 127.0.0.1\n dnstap {place} full {{\n  identity me\n }}\n {HOSTS}\n}}\n")
        for tcp in (False, True, False):  # the last one is told of though it was asked before
            server.ask("www.example.org. A", tcp=tcp)
        assert server.stop() == 0
        text = shown()
    assert re.findall(r"CLIENT_\w+", text) == ["CLIENT_QUERY", "CLIENT_RESPONSE"] * 3
    assert set(field(text, "identity")) == {"me"}
    assert field(text, "socket_protocol") == ["UDP"] * 2 + ["TCP"] * 2 + ["UDP"] * 2
    assert set(field(text, "query_address")) == {"127.0.0.1"}
    assert text.count("www.example.org.\t") >= 3
    assert text.count("192.0.2.1") == 3


def test_what_upstreams_are_asked_is_told_too(kdns: Start, tmp_path: Path) -> None:
    upstream = kdns(f".:@PORT@ {{\n bind 127.0.0.1\n {HOSTS}\n}}\n")
    with captured(tmp_path, "-u", str(tmp_path / "tap.sock")) as shown:
        taps = f'dnstap {tmp_path}/tap.sock full {{\n  extra "to {{/forward/upstream}}"\n }}'
        server = kdns(f".:@PORT@ {{\n bind 127.0.0.1\n metadata\n {taps}\n forward . 127.0.0.1:{upstream.port}\n}}\n")
        server.ask("www.example.org. A")
        server.stop()
        text = shown()
    order = re.findall(r"(?:CLIENT|FORWARDER)_\w+", text)
    assert order == ["CLIENT_QUERY", "FORWARDER_QUERY", "FORWARDER_RESPONSE", "CLIENT_RESPONSE"]
    assert field(text, "response_port") == [str(upstream.port)] * 2
    extras = [message.extra.decode() for message in read(tmp_path / "capture.fstrm")]
    assert extras == ["to -", *[f"to 127.0.0.1:{upstream.port}"] * 3]


def test_each_of_several_processes_tells_of_its_own_clients(kdns: Start, tmp_path: Path) -> None:
    with captured(tmp_path, "-u", str(tmp_path / "tap.sock")) as shown:
        taps = f"dnstap {tmp_path}/tap.sock"
        server = kdns(f".:@PORT@ {{\n bind 127.0.0.1\n multisocket 3\n {taps}\n {HOSTS}\n}}\n")
        for _ in range(30):  # from other ports, so the system takes other sockets
            server.ask("www.example.org. A")
        server.stop()
        text = shown()
    assert re.findall(r"CLIENT_\w+", text).count("CLIENT_RESPONSE") == 30


async def test_collectors_with_a_certificate_may_connect(kdns: Start, tmp_path: Path) -> None:
    certificates.authority(tmp_path, "authority")
    for name in ("server", "collector"):
        certificates.certificate(tmp_path, name, "authority")
    port = free_port()
    files = f"{tmp_path}/server.crt {tmp_path}/server.key {tmp_path}/authority.crt"
    taps = f"dnstap listen tls://127.0.0.1:{port} full {{\n  tls {files}\n }}"
    server = await asyncio.to_thread(kdns, f".:@PORT@ {{\n bind 127.0.0.1\n {taps}\n {HOSTS}\n}}\n")
    tls = ssl.create_default_context(cafile=str(tmp_path / "authority.crt"))
    loop = asyncio.get_running_loop()

    _, stranger = await loop.create_connection(Collector, "127.0.0.1", port, ssl=tls)
    await stranger.lost
    tls.load_cert_chain(tmp_path / "collector.crt", tmp_path / "collector.key")
    _, collector = await loop.create_connection(Collector, "127.0.0.1", port, ssl=tls)
    while not collector.messages.qsize():
        await asyncio.to_thread(server.ask, "www.example.org. A")
    message = (await collector.next()).message
    await asyncio.to_thread(server.stop)
    await collector.lost

    assert message.type in (pb.Message.CLIENT_QUERY, pb.Message.CLIENT_RESPONSE)
    assert not stranger.kinds


def test_a_reload_listens_at_the_same_place_again(kdns: Start, tmp_path: Path) -> None:
    taps = f"dnstap listen tcp://127.0.0.1:{free_port()}\n dnstap listen {tmp_path}/tap.sock"
    server = kdns(f".:@PORT@ {{\n bind 127.0.0.1\n {taps}\n {HOSTS}\n}}\n")
    server.signal(signal.SIGUSR1)
    said = server.wait_for("[INFO] Reloading complete")

    assert "ERROR" not in said
    assert server.answers("www.example.org. A")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("dnstap /nowhere/tap.sock", "[ERROR] plugin/dnstap: No connection to dnstap endpoint: "),
        (
            "dnstap listen tls://127.0.0.1:@PORT@",
            "[ERROR] plugin/dnstap: Failed to start dnstap listener: TLS listener",
        ),
    ],
)
def test_a_server_without_its_collector_answers_all_the_same(kdns: Start, lines: str, said: str) -> None:
    server = kdns(f".:@PORT@ {{\n bind 127.0.0.1\n {lines}\n {HOSTS}\n}}\n")

    assert server.answers("www.example.org. A")
    assert said in server.output.read_text()
