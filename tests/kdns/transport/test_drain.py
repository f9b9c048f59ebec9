"""The C module `drain`, and `batches` in its place: a batch at a time on real sockets, whatever the octets, and under
the address sanitizer.
"""

import socket
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kdns.chain import Keep
from kdns.memo import Memo
from kdns.transport import batches
from kdns.transport.native import INTERFACE
from kdns.transport.sockets import IP_PKTINFO
from kdns.wire import codes
from tests.kdns.server import Kdns
from tests.kdns.transport.native import SOURCE, compiled, loaded, sanitized

QUERY = b"\x12\x34" + b"\x01\x00\x00\x01" + bytes(6) + b"\x01a\x00\x00\x01\x00\x01"


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return loaded(compiled(tmp_path_factory.mktemp("native"), "-O2"))


@pytest.fixture(scope="module", params=["compiled", "by ctypes"])
def drain(request: pytest.FixtureRequest, native: ModuleType) -> ModuleType:
    return native if request.param == "compiled" else batches


class Pair:
    """A non-blocking server socket with a Drain, and a client of it."""

    def __init__(self, drain: ModuleType) -> None:
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind(("127.0.0.1", 0))
        self.server.setblocking(False)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.connect(self.server.getsockname())
        self.client.settimeout(5)
        self.drain = drain.Drain(self.server.fileno())

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.client.close()

    def batch(self, memo: Memo, now: float = 1.0, known: Any = lambda packet: None) -> Any:
        return self.drain.batch(memo.hot, now, known)


def kept(*tails: bytes, until: float = 10.0) -> Memo:
    memo = Memo(1 << 20)
    for tail in tails:
        memo.add(QUERY[2:], tail, Keep(until=until, variants=len(tails)))
    memo.find(QUERY[2:], 0.0)
    return memo


def test_what_is_hot_is_answered_under_the_id_that_asked(drain: ModuleType) -> None:
    memo = kept(b"reply")
    with Pair(drain) as pair:
        pair.client.send(QUERY)
        assert pair.batch(memo) == []
        assert pair.client.recv(512) == b"\x12\x34reply"
    assert memo.hot[QUERY[2:]].hits == 2


def test_variants_are_sent_in_turn(drain: ModuleType) -> None:
    memo = kept(b"ab", b"ba")
    with Pair(drain) as pair:
        for _ in range(4):
            pair.client.send(QUERY)
        pair.batch(memo)
        assert sorted(pair.client.recv(512)[2:] for _ in range(4)) == [b"ab", b"ab", b"ba", b"ba"]


def test_what_nobody_knows_comes_back_with_its_address(drain: ModuleType) -> None:
    with Pair(drain) as pair:
        pair.client.send(QUERY)
        ((packet, host, port, local, _way),) = pair.batch(Memo(1 << 20))
        assert (packet, (host, port), local) == (QUERY, pair.client.getsockname(), "")


def test_an_answer_whose_time_is_up_is_not_sent(drain: ModuleType) -> None:
    with Pair(drain) as pair:
        pair.client.send(QUERY)
        assert len(pair.batch(kept(b"reply"), now=10.0)) == 1


@pytest.mark.parametrize("size", [0, 4094, 4095, 30_000])
def test_replies_are_sent_whole_whether_they_fit_behind_the_id_or_not(drain: ModuleType, size: int) -> None:
    reply = bytes(range(256)) * 120
    with Pair(drain) as pair:
        pair.client.send(QUERY)
        pair.batch(kept(reply[:size]))
        assert pair.client.recv(65_535) == b"\x12\x34" + reply[:size]


def test_what_is_known_at_once_is_sent_as_it_is(drain: ModuleType) -> None:
    with Pair(drain) as pair:
        pair.client.send(QUERY)
        assert pair.batch(Memo(1 << 20), known=lambda packet: packet[:2] + b"known") == []
        assert pair.client.recv(512) == b"\x12\x34known"


def test_batches_of_what_is_hot_follow_each_other_but_not_for_ever(drain: ModuleType) -> None:
    memo = kept(b"reply")
    with Pair(drain) as pair:
        pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 19)
        for _ in range(150):
            pair.client.send(QUERY)
        pair.batch(memo)
        assert memo.hot[QUERY[2:]].hits == 129
        pair.batch(memo)
        assert memo.hot[QUERY[2:]].hits == 151


@pytest.mark.parametrize("known", [None, b"known"])
def test_behind_a_batch_with_something_else_the_event_loop_has_its_turn(drain: ModuleType, known: bytes | None) -> None:
    memo, other = kept(b"reply"), b"\x12\x35another query"
    with Pair(drain) as pair:
        for packet in (other, *[QUERY] * 99):
            pair.client.send(packet)
        pair.batch(memo, known=lambda packet: known)
        assert memo.hot[QUERY[2:]].hits == 64


def test_what_is_in_the_dict_but_no_entry_is_not_sent(native: ModuleType) -> None:
    hot: dict[bytes, Any] = {QUERY[2:]: "no entry"}
    with Pair(native) as pair:
        pair.client.send(QUERY)
        assert [packet for packet, *_ in pair.drain.batch(hot, 1.0, lambda packet: None)] == [QUERY]


def test_nothing_waiting_is_an_empty_batch(drain: ModuleType) -> None:
    with Pair(drain) as pair:
        assert pair.batch(Memo(1 << 20)) == []


def test_what_is_shorter_than_a_header_is_dropped(drain: ModuleType) -> None:
    with Pair(drain) as pair:
        for size in range(12):
            pair.client.send(QUERY[:size])
        pair.client.send(QUERY[:12])
        assert [packet for packet, *_ in pair.batch(Memo(1 << 20))] == [QUERY[:12]]


def test_a_failure_of_the_callable_is_raised_after_what_went_before_is_sent(drain: ModuleType) -> None:
    def fails(packet: bytes) -> bytes:
        raise LookupError(packet)

    with Pair(drain) as pair:
        pair.client.send(QUERY)
        pair.client.send(b"other query")
        pair.client.send(b"another query")
        with pytest.raises(LookupError, match="another query"):
            pair.batch(kept(b"reply"), known=fails)
        assert pair.client.recv(512) == b"\x12\x34reply"


@pytest.mark.parametrize("arguments", [(), ({}, 1.0), ([], 1.0, print), ({}, "now", print)])
def test_wrong_arguments_are_refused(native: ModuleType, arguments: tuple[Any, ...]) -> None:
    with Pair(native) as pair, pytest.raises(TypeError):
        pair.drain.batch(*arguments)


def test_late_replies_go_to_who_asked_in_their_order(drain: ModuleType) -> None:
    with Pair(drain) as one, Pair(drain) as other:
        asked = []
        for _ in range(100):
            one.client.send(QUERY)
            asked += one.batch(Memo(1 << 20))
        other.client.connect(one.server.getsockname())
        other.client.send(QUERY)
        asked += one.batch(Memo(1 << 20))
        one.drain.send([(way, b"%d" % number) for number, (*_, way) in enumerate(asked)])
        assert [one.client.recv(512) for _ in range(100)] == [b"%d" % number for number in range(100)]
        assert other.client.recv(512) == b"100"


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_late_reply_comes_from_the_address_that_was_asked(drain: ModuleType, family: socket.AddressFamily) -> None:
    here, any_address = ("127.0.0.7", "0.0.0.0") if family == socket.AF_INET else ("::1", "::")
    with socket.socket(family, socket.SOCK_DGRAM) as server, socket.socket(family, socket.SOCK_DGRAM) as client:
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        server.bind((any_address, 0))
        client.connect((here, server.getsockname()[1]))  # takes replies from there only
        client.settimeout(5)
        client.send(QUERY)
        native = drain.Drain(server.fileno())
        ((_, host, port, local, way),) = native.batch({}, 1.0, lambda packet: None)
        assert ((host, port), local) == (client.getsockname()[:2], here)
        native.send([(way, b"reply")])
        assert client.recv(512) == b"reply"


@pytest.mark.parametrize(
    ("replies", "complaint"),
    [
        (((b"", b""),), "wants a list"),
        ([b"reply"], "not a way"),
        ([(b"", b"reply")], "not a way"),
        ([(b"", b"reply", b"")], "not a way"),
        (["way", "reply"], "not a way"),
    ],
)
def test_what_no_batch_gave_is_not_sent(native: ModuleType, replies: Any, complaint: str) -> None:
    with Pair(native) as pair:
        pair.client.send(QUERY)
        ((*_, way),) = pair.batch(Memo(1 << 20))
        with pytest.raises(TypeError, match=complaint):
            pair.drain.send([(way, b"first"), *replies] if isinstance(replies, list) else replies)
        with pytest.raises(TypeError, match="not a way"):
            pair.drain.send([(way, "no octets")])
        with pytest.raises(ValueError, match="not a way"):
            pair.drain.send([(b"\xff" * len(way), b"reply")])


BESIDE = """
import sys
import kdns.transport

kdns.transport.__path__.insert(0, {directory!r})
sys.argv = ["kdns", *sys.argv[4:]]
from kdns.__main__ import main

main()
"""


@pytest.mark.parametrize(("interface", "warnings"), [(INTERFACE, 0), (INTERFACE - 1, 1)])
def test_one_that_another_versions_source_was_compiled_to_is_not_called_and_that_is_told(
    tmp_path: Path, interface: int, warnings: int
) -> None:
    source = tmp_path / "drain.c"
    source.write_text(SOURCE.read_text().replace(f" INTERFACE = {INTERFACE},", f" INTERFACE = {interface},"))
    compiled(tmp_path, source=source)
    script = tmp_path / "beside.py"
    script.write_text(BESIDE.format(directory=str(tmp_path)))
    server = Kdns(tmp_path, ".:@PORT@ {\n bind 127.0.0.1\n whoami\n}\n")
    server.prefix = [sys.executable, str(script)]
    server.start()

    rcode = server.ask("a. A").rcode

    server.stop()
    assert rcode == codes.NOERROR
    assert server.output.read_text().count(f"[WARNING] a module in C is not used: {tmp_path}") == warnings


FUZZ = """
import random, socket, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from kdns.chain import Keep
from kdns.memo import Memo
from kdns.transport import batches
from kdns.transport.sockets import IP_PKTINFO
from tests.kdns.transport.native import loaded

module = {module}
rng, memo = random.Random(4711), Memo(1 << 20)
for number in range(200):
    key = rng.randbytes(rng.randrange(10, 300))
    for _ in range(2):
        memo.add(key, rng.randbytes(rng.randrange(0, 60_000)), Keep(until=rng.choice([0.5, 2.0]), variants=2))
    memo.find(key, 0.0)
keys = list(memo.hot)
answered = returned = 0
for family, here in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")):
    server = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    server.bind((here, 0))
    server.setblocking(False)
    drain = module.Drain(server.fileno())
    port = server.getsockname()[1]
    clients = []
    for kind, there in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        if family == socket.AF_INET6 or kind == family:
            clients.append(socket.socket(kind, socket.SOCK_DGRAM))
            clients[-1].connect((there, port))
    for _ in range(400):
        for _ in range(rng.randrange(80)):
            octets = rng.choice(keys) if rng.random() < 0.5 else rng.randbytes(rng.choice([0, 11, 12, 40, 4096, 9000]))
            rng.choice(clients).send(b"id" + octets)
        known = lambda packet: packet if rng.random() < 0.3 else None
        rest = drain.batch(memo.hot, 1.0, known)
        returned += len(rest)
        drain.send([(row[4], rng.randbytes(rng.choice([0, 12, 500, 9000, 65_000, 70_000]))) for row in rest])
    answered += sum(entry.hits for entry in memo.hot.values())
print("answered", answered, "returned", returned)
"""


@pytest.mark.parametrize("module", ["loaded(Path({file}))", "batches"])
def test_octets_of_all_kinds_under_the_address_sanitizer(tmp_path: Path, module: str) -> None:
    assert "answered" in sanitized(tmp_path, FUZZ, module)
