"""tsig: which queries are taken, how their replies are signed, and that other people's tools think so too."""

import asyncio
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rdatatype
import dns.tsig
import pytest

from kdns.answer import Answers
from kdns.block import Block
from kdns.chain import Keep, Reply, Request, link
from kdns.errors import ConfigError, Dropped, NoAnswer
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.plugins import tsig
from kdns.transport.sockets import Endpoint, open_tcp
from kdns.transport.tcp import TcpListener
from kdns.transport.timeouts import Timeouts
from kdns.wire import build, codes, names, question
from kdns.wire.tsig import BADKEY, BADSIG, BADTIME
from tests.kdns.asking import args, ask, records
from tests.kdns.server import Kdns

SECRET = b64encode(b"thirty-two octets of no meaning.").decode()
ALGORITHMS = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"]
ANSWER = Reply(answer=records("www.example.org. 30 IN A 192.0.2.1"), flags=codes.AA, keep=Keep())


def plugin(text: str = "", *, zones: str = ".", said: list[str] | None = None) -> tsig.Tsig:
    body = f"tsig {{\n secret Key.Example. {SECRET}\n {text}\n}}"
    return tsig.setup(args(body, zones=zones, log=lambda level, line: None if said is None else said.append(line)))


def signed(
    name: str = "www.example.org.", kind: str = "A", *, key: str = "key.example.", secret: str = SECRET
) -> bytes:
    """A query that dnspython signs now."""
    asked = dns.message.make_query(name, kind)
    asked.use_tsig(dns.tsig.Key(key, secret, "hmac-sha256"))
    return asked.to_wire()


def unsigned(kind: str = "A") -> bytes:
    return dns.message.make_query("www.example.org.", kind).to_wire()


def answered(made: tsig.Tsig, packet: bytes, rest: Any = ANSWER, **fields: Any) -> Reply:
    return ask(made, question.parse(packet), rest=rest, **fields)


def test_a_signed_query_is_answered_signed_and_not_repeated() -> None:
    seen: list[Request] = []

    def below(request: Request) -> Reply:
        seen.append(request)
        return ANSWER

    reply = answered(plugin("require all"), signed(), below)

    assert (reply.answer, reply.rcode, reply.keep) == (ANSWER.answer, codes.NOERROR, None)
    assert reply.signer is not None
    assert reply.signer.checked.error == 0
    assert [(each.question.signed, names.show(each.signed_by)) for each in seen] == [(b"", "key.example.")]


def test_an_unsigned_query_passes_as_if_nothing_was_there() -> None:
    assert answered(plugin(), unsigned()) == ANSWER


@pytest.mark.parametrize(
    ("text", "kind", "rcode"),
    [
        ("require all", "A", codes.REFUSED),
        ("require none", "A", codes.NOERROR),
        ("require AXFR AAAA", "AAAA", codes.REFUSED),
        ("require AXFR AAAA", "A", codes.NOERROR),
        ("require_opcode all", "A", codes.REFUSED),
        ("require_opcode none", "A", codes.NOERROR),
        ("require_opcode UPDATE NOTIFY", "A", codes.NOERROR),
        ("require_opcode QUERY", "A", codes.REFUSED),
        ("require AAAA\n require_opcode QUERY", "A", codes.REFUSED),
    ],
)
def test_what_must_be_signed_is_refused_unsigned(text: str, kind: str, rcode: int) -> None:
    reply = answered(plugin(text), unsigned(kind))
    assert (reply.rcode, reply.signer) == (rcode, None)


def test_other_zones_are_none_of_its_business() -> None:
    made = plugin("require all", zones="example.com")
    assert answered(made, unsigned()) == ANSWER
    assert answered(made, signed()).signer is None


def test_what_a_signed_query_leads_to_inside_needs_no_signature() -> None:
    assert answered(plugin("require all"), unsigned(), signed_by=names.parse("key.example.")) == ANSWER


@pytest.mark.parametrize(
    ("packet", "error"),
    [(signed(key="other."), BADKEY), (signed(secret=b64encode(b"x").decode()), BADSIG)],
)
def test_a_signature_that_does_not_hold_is_notauth(packet: bytes, error: int) -> None:
    reply = answered(plugin(), packet, AssertionError("asked below"))
    assert (reply.rcode, reply.answer) == (codes.NOTAUTH, ())
    assert reply.signer is not None
    assert reply.signer.checked.error == error


def test_a_signature_of_another_time_is_notauth() -> None:
    made = tsig.Tsig(plugin()._settings, lambda: time.time() + 1000, print)
    reply = answered(made, signed())
    assert reply.signer is not None
    assert (reply.rcode, reply.signer.checked.error) == (codes.NOTAUTH, BADTIME)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (NoAnswer(codes.REFUSED), []),
        (NoAnswer(codes.REFUSED, "no upstream"), ["request handler returned an error: no upstream"]),
    ],
)
def test_what_nobody_answered_is_signed_too(failure: NoAnswer, said: list[str]) -> None:
    lines: list[str] = []
    reply = answered(plugin(said=lines), signed(), failure)
    assert (reply.rcode, lines) == (codes.REFUSED, said)
    assert reply.signer is not None


def test_what_is_dropped_stays_dropped() -> None:
    with pytest.raises(Dropped):
        answered(plugin(), signed(), Dropped())


def test_a_broken_signature_is_a_broken_message() -> None:
    whole = signed()
    record = whole.index(b"\x03key\x07example\0")
    rdata = record + len(b"\x03key\x07example\0") + 10
    broken = whole[: rdata - 2] + b"\0\x0d" + whole[rdata : rdata + 13]
    with pytest.raises(NoAnswer) as unwritten:
        answered(plugin(), broken)
    assert unwritten.value.rcode == codes.FORMERR


KEYS = f"""
key "one." {{
\talgorithm hmac-sha256;
\tsecret "{SECRET}";
}};

key two {{
    secret {SECRET};
}}
"""


@pytest.mark.parametrize("name", ["one.", "TWO."])
def test_keys_come_from_a_file_as_bind_has_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "keys").write_text(KEYS)
    reply = answered(tsig.setup(args(f"tsig {{\n secrets {tmp_path}/keys\n}}")), signed(key=name))
    assert reply.rcode == codes.NOERROR


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("key {", 'expected key name "key {"'),
        ("key", 'expected key name "key"'),
        ("foo key {", 'unexpected token "foo"'),
        (f"key a {{\nsecret {SECRET}\n}}\nkey a {{\nsecret {SECRET}\n}}", 'key "a." redefined'),
        ("key a {\nschmecret x;\n}", 'unexpected token "schmecret"'),
        ("key a {\n\tsecret\n}", r'expected secret key "\\tsecret"'),
        ("key a {\n\tsecret ;\n}", r'expected secret key "\\tsecret ;"'),
        ("key a {\n}", 'expected secret for key "a."'),
        (f"key {'x' * 64} {{\nsecret {SECRET}\n}}", "label of 64 octets"),
    ],
)
def test_says_what_is_wrong_in_a_key_file(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        tsig.setup(args(f"tsig {{\n secrets {tmp_path}/keys\n}}"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tsig {\n blah\n}", "unknown property 'blah'"),
        ("tsig\ntsig", "this plugin can only be used once per Server Block"),
        ("tsig {\n secret a. b c\n}", "Wrong argument count or unexpected line ending after 'c'"),
        ("tsig {\n secret a b\n secret A. c\n}", 'key "a." redefined'),
        ("tsig {\n secrets\n}", "Wrong argument count or unexpected line ending after 'secrets'"),
        ("tsig {\n secrets /nowhere/keys\n}", "open /nowhere/keys: no such file or directory"),
        ("tsig {\n require\n}", "Wrong argument count or unexpected line ending after 'require'"),
        ("tsig {\n require a\n}", "unknown query type 'a'"),
        ("tsig {\n require WHATEVER\n}", "unknown query type 'WHATEVER'"),
        ("tsig {\n require_opcode\n}", "Wrong argument count or unexpected line ending after 'require_opcode'"),
        ("tsig {\n require_opcode query\n}", "unknown opcode 'query'"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        tsig.setup(args(text))


def test_a_secret_that_is_none_earns_a_warning() -> None:
    said: list[str] = []
    made = tsig.setup(args("tsig {\n secret a. test-key\n}", log=lambda level, line: said.append(f"{level} {line}")))
    assert said == ['WARNING the secret of key "a." is no Base64: what it signs is not taken']
    reply = answered(made, signed(key="a."))
    assert reply.signer is not None
    assert reply.signer.checked.error == BADKEY


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdns]:
    running = Kdns(
        tmp_path_factory.mktemp("tsig"),
        f".:@PORT@ {{\n tsig {{\n secret key. {SECRET}\n require all\n }}\n erratic {{\n drop 0\n large\n }}\n}}\n",
    )
    running.start()
    yield running
    assert running.stop() == 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("flags", [[], ["+tcp"]])
@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_tools_take_what_is_signed(server: Kdns, tool: str, flags: list[str], algorithm: str) -> None:
    said = run(tool, server, "a.example.org", "AAAA", *flags, "-y", f"{algorithm}:key:{SECRET}")
    assert "2001:db8::53" in said
    assert "TSIG PSEUDOSECTION" in said
    assert "verify" not in said.lower()


@pytest.mark.parametrize(
    ("key", "told"), [(f"hmac-sha256:other:{SECRET}", "BADKEY"), ("hmac-sha256:key:AAAA", "BADSIG")]
)
def test_tools_read_what_is_wrong(server: Kdns, key: str, told: str) -> None:
    said = run("dig", server, "a.example.org", "A", "-y", key)
    assert "NOTAUTH" in said
    assert told in said


def test_who_does_not_sign_is_refused(server: Kdns) -> None:
    assert "REFUSED" in run("dig", server, "a.example.org", "A")


def test_a_reply_that_is_cut_has_room_for_its_signature(server: Kdns) -> None:
    key = dns.tsig.Key("key.", SECRET, "hmac-sha512")
    query = dns.message.make_query("a.example.org", "A", use_edns=-1)
    query.use_tsig(key)

    reply = dns.query.udp(query, "127.0.0.1", 10, server.port, raise_on_truncation=False)

    assert len(reply.to_wire()) <= 512
    assert reply.had_tsig
    assert reply.flags & dns.flags.TC
    assert len(dns.query.tcp(query, "127.0.0.1", 10, server.port).answer[0]) == 1


def run(tool: str, server: Kdns, *words: str) -> str:
    command = [tool, "@127.0.0.1", "-p", str(server.port), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def test_a_zone_of_many_messages_is_signed_throughout() -> None:
    origin = names.parse("example.org.")
    soa = build.soa(origin, 30, origin, origin, 7, minimum=30)
    hosts = [
        build.address(names.join([f"host-{at}".encode()], origin), 30, at.to_bytes(4, "big")) for at in range(9000)
    ]

    async def zone(request: Request, rest: Any) -> Reply:
        return Reply(answer=(soa, *hosts, soa), flags=codes.AA)

    answers = Answers(
        "dns://:53", {origin: (Block(origin, link([plugin("require all"), zone])),)}, False, Metrics(), print
    )
    (sock,) = open_tcp(Endpoint("127.0.0.1", 0))
    port = sock.getsockname()[1]
    listener = TcpListener(sock, answers, Memo(1 << 20), time.monotonic, Timeouts())
    await listener.start()
    words = ["@127.0.0.1", "-p", str(port), "example.org", "AXFR", "-y", f"hmac-sha256:key.example:{SECRET}"]
    process = await asyncio.create_subprocess_exec("dig", *words, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    listener.stop()

    assert b"XFR size: 9002 records (messages 6, " in said
    assert b"failed" not in said
