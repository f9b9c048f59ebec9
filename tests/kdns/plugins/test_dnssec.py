"""dnssec: what is signed for whom, what denials become, and that validators think it right."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.ports import free_port
from kdns.chain import Keep, Reply, Request
from kdns.errors import ConfigError, NoAnswer
from kdns.metrics import Metrics
from kdns.plugins import dnssec
from kdns.wire import codes, names, records
from kdns.wire.edns import DO, Edns
from kdns.wire.records import RR
from kdns.zone import keys
from tests.kdns.asking import args, ask, question, request
from tests.kdns.asking import records as rrs
from tests.kdns.server import Kdns
from tests.kdns.zone.signed import check, loaded, made

NOW = 1_900_000_000
ZONE = names.parse("example.org.")
SOA = "example.org. 60 IN SOA ns.example.org. admin.example.org. 1 7200 1800 86400 60"
DAY = 86400


class Clock:
    """Unix seconds that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def stem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("keys"), "ECDSAP256SHA256", "-f", "KSK")


@pytest.fixture
def key(stem: Path) -> keys.Key:
    return loaded(stem)


def plugin(*found: keys.Key, clock: Clock | None = None, capacity: int = 100, metrics: Metrics | None = None) -> Any:
    return dnssec.Dnssec(dnssec.Settings((ZONE,), found, capacity), metrics or Metrics(), clock or Clock())


def asking(text: str, *, do: bool = True) -> Request:
    return request(question(text, edns=Edns(1232, flags=DO) if do else None))


def kinds(section: tuple[RR, ...]) -> list[str]:
    """Types, of signatures with what they cover."""
    found = []
    for rr in section:
        kind = codes.type_name(records.rtype(rr))
        covered = codes.type_name(int.from_bytes(records.rdata(rr)[:2], "big"))
        found.append(f"{kind} {covered}" if kind == "RRSIG" else kind)
    return found


def sections(reply: Reply) -> tuple[list[str], ...]:
    return kinds(reply.answer), kinds(reply.authority), kinds(reply.additional)


def answer(text: str, authority: str = "", additional: str = "", rcode: int = codes.NOERROR) -> Reply:
    return Reply(rcode, rrs(text), rrs(authority), rrs(additional), codes.AA)


def test_every_set_of_an_answer_is_signed(key: keys.Key) -> None:
    below = answer(
        "www.example.org. 60 IN CNAME a.example.org.\n"
        "a.example.org. 60 IN A 192.0.2.1\na.example.org. 60 IN A 192.0.2.2",
        "example.org. 60 IN NS ns.example.org.",
        "ns.example.org. 60 IN A 192.0.2.53",
    )
    reply = ask(plugin(key), asking("www.example.org. A"), rest=below)

    assert sections(reply) == (["CNAME", "A", "A", "RRSIG CNAME", "RRSIG A"], ["NS", "RRSIG NS"], ["A", "RRSIG A"])
    check(below.answer[1:], reply.answer[4], key, ZONE, NOW)
    assert records.ttl(reply.answer[4]) == 60


def test_what_is_not_of_the_zone_is_not_signed(key: keys.Key) -> None:
    below = answer("www.example.org. 60 IN CNAME www.example.com.\nwww.example.com. 60 IN A 192.0.2.1")
    assert sections(ask(plugin(key), asking("www.example.org. A"), rest=below))[0] == ["CNAME", "A", "RRSIG CNAME"]


@pytest.mark.parametrize(
    ("text", "do"),
    [("www.example.org. A", False), ("www.example.com. A", True), ("example.org. AXFR", True)],
)
def test_others_pass_as_they_are(key: keys.Key, text: str, do: bool) -> None:
    below = answer(f"{text.split()[0]} 60 IN A 192.0.2.1")._replace(keep=Keep())
    assert ask(plugin(key), asking(text, do=do), rest=below) == below


def test_without_keys_nothing_is_signed() -> None:
    below = answer("", SOA, rcode=codes.NXDOMAIN)
    assert ask(plugin(), asking("www.example.org. A"), rest=below) == below


@pytest.mark.parametrize("rcode", [codes.NOERROR, codes.NXDOMAIN])
def test_a_denial_becomes_nodata_with_its_proof(key: keys.Key, rcode: int) -> None:
    reply = ask(plugin(key), asking("Nix.example.org. A"), rest=answer("", SOA, rcode=rcode))

    assert reply.rcode == codes.NOERROR
    assert sections(reply) == ([], ["SOA", "RRSIG SOA", "RRSIG NSEC", "NSEC"], [])
    *_, signature, proof = reply.authority
    check([proof], signature, key, ZONE, NOW)
    assert records.rdata(proof).startswith(names.parse("\\000.Nix.example.org."))


def test_who_asks_for_the_proof_gets_it_as_the_answer(key: keys.Key) -> None:
    reply = ask(plugin(key), asking("nix.example.org. NSEC"), rest=answer("", SOA, rcode=codes.NXDOMAIN))
    assert (reply.rcode, sections(reply)) == (codes.NOERROR, (["RRSIG NSEC", "NSEC"], [], []))


@pytest.mark.parametrize("authority", ["", f"{SOA}\nexample.org. 60 IN NS ns.example.org."])
def test_a_denial_that_is_not_only_its_soa_stays(key: keys.Key, authority: str) -> None:
    below = answer("", authority, rcode=codes.NXDOMAIN)
    assert ask(plugin(key), asking("nix.example.org. A"), rest=below) == below


def test_aliases_that_lead_to_nothing_are_proved_to(key: keys.Key) -> None:
    below = answer("www.example.org. 60 IN CNAME nix.example.org.", SOA, rcode=codes.NXDOMAIN)
    reply = ask(plugin(key), asking("www.example.org. A"), rest=below)
    assert reply.rcode == codes.NOERROR
    assert sections(reply)[:2] == (["CNAME", "RRSIG CNAME"], ["SOA", "RRSIG SOA", "RRSIG NSEC", "NSEC"])
    assert records.owner(reply.authority[-1]) == names.parse("nix.example.org.")


def test_aliases_that_lead_away_are_not(key: keys.Key) -> None:
    below = answer("www.example.org. 60 IN CNAME nix.example.com.", SOA)
    assert sections(ask(plugin(key), asking("www.example.org. A"), rest=below))[1] == ["SOA", "RRSIG SOA"]


def test_a_delegation_has_its_ds_signed(key: keys.Key) -> None:
    ds = "sub.example.org. 60 IN TYPE43 \\# 36 " + "00" * 36
    below = answer("", f"sub.example.org. 60 IN NS ns.sub.example.org.\n{ds}", "ns.sub.example.org. 60 IN A 192.0.2.1")
    reply = ask(plugin(key), asking("www.sub.example.org. A"), rest=below)
    assert sections(reply) == ([], ["NS", "DS", "RRSIG DS"], ["A"])


def test_a_delegation_without_ds_is_proved_to_have_none(key: keys.Key) -> None:
    below = answer("", "sub.example.org. 60 IN NS ns.sub.example.org.")
    reply = ask(plugin(key), asking("www.sub.example.org. A"), rest=below)
    assert sections(reply) == ([], ["NS", "RRSIG NSEC", "NSEC"], [])
    assert records.owner(reply.authority[-1]) == names.parse("sub.example.org.")


@pytest.mark.parametrize(("do", "expected"), [(False, ["DNSKEY"]), (True, ["DNSKEY", "RRSIG DNSKEY"])])
def test_answers_with_the_zones_keys(key: keys.Key, do: bool, expected: list[str]) -> None:
    reply = ask(plugin(key), asking("Example.org. DNSKEY", do=do))
    assert (sections(reply)[0], reply.flags, reply.by) == (expected, codes.AA, "dnssec")
    assert records.owner(reply.answer[0]) == ZONE


def test_keys_of_names_below_are_asked_for_below(key: keys.Key) -> None:
    with pytest.raises(NoAnswer):
        ask(plugin(key), asking("www.example.org. DNSKEY"))


def test_a_key_for_keys_and_one_for_the_rest_share_the_work(key: keys.Key, tmp_path: Path) -> None:
    zsk = loaded(made(tmp_path))
    both = plugin(key, zsk)
    tags = [
        [int.from_bytes(records.rdata(rr)[16:18], "big") for rr in reply.answer if records.rtype(rr) == codes.RRSIG]
        for reply in (
            ask(both, asking("example.org. DNSKEY")),
            ask(both, asking("a.example.org. A"), rest=answer("a.example.org. 60 IN A 192.0.2.1")),
        )
    ]
    assert tags == [[key.tag], [zsk.tag]]


def test_signatures_are_kept_whatever_the_ttl_and_made_anew_in_time(key: keys.Key) -> None:
    clock, metrics = Clock(), Metrics()
    made_once = plugin(key, clock=clock, metrics=metrics)

    def asked(ttl: int) -> bytes:
        reply = ask(made_once, asking("a.example.org. A"), rest=answer(f"a.example.org. {ttl} IN A 192.0.2.1"))
        assert records.ttl(reply.answer[1]) == ttl
        return records.rdata(reply.answer[1])

    first = asked(60)
    clock.now += 6 * DAY
    assert asked(59) == first
    clock.now += 1
    assert asked(60) != first
    counted = [metrics.family(f"dnssec_cache_{name}").values for name in ("hits_total", "misses_total", "entries")]
    assert counted == [{("dns://:53",): 1}, {("dns://:53",): 2}, {("dns://:53", "signature"): 1}]


@pytest.mark.parametrize(("capacity", "entries"), [(3, 3), (0, 0), (-1, 0)])
def test_no_more_signatures_are_kept_than_there_is_room_for(key: keys.Key, capacity: int, entries: int) -> None:
    metrics = Metrics()
    small = plugin(key, capacity=capacity, metrics=metrics)
    for at in range(9):
        ask(small, asking("a.example.org. A"), rest=answer(f"a.example.org. 60 IN A 192.0.2.{at}"))
    assert metrics.family("dnssec_cache_entries").values == {("dns://:53", "signature"): entries}


def test_what_is_repeated_is_counted_and_ends_in_time(key: keys.Key) -> None:
    metrics = Metrics()
    below = answer("a.example.org. 60 IN A 192.0.2.1")._replace(keep=Keep((ZONE,)))
    keep = ask(plugin(key, metrics=metrics), asking("a.example.org. A"), rest=below).keep
    assert keep is not None
    assert (keep.names, keep.until) == ((ZONE,), 1000.0 + 3600)
    for tally in keep.tallies:
        tally(5)
    assert metrics.family("dnssec_cache_hits_total").values == {("dns://:53",): 5}


@pytest.mark.parametrize("ending", ["", ".key", ".private"])
def test_keys_are_named_with_or_without_their_ending(stem: Path, ending: str) -> None:
    text = f"dnssec {{\n key file {stem.name}{ending}\n cache_capacity 7\n}}"
    made_here = dnssec.setup(args(text, zones="example.org", directory=stem.parent))
    assert sections(ask(made_here, asking("example.org. DNSKEY")))[0] == ["DNSKEY", "RRSIG DNSKEY"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("dnssec\ndnssec", "this plugin can only be used once per Server Block"),
        ("dnssec {\n key\n}", "Wrong argument count or unexpected line ending after 'key'"),
        ("dnssec {\n key file\n}", "Wrong argument count or unexpected line ending after 'file'"),
        ("dnssec {\n key aws_secretsmanager x\n}", "keys can not be read from 'aws_secretsmanager'"),
        ("dnssec {\n key file missing\n}", "open .*missing.key: no such file or directory"),
        ("dnssec {\n cache_capacity\n}", "Wrong argument count or unexpected line ending after 'cache_capacity'"),
        ("dnssec {\n cache_capacity a\n}", 'strconv.Atoi: parsing "a": invalid syntax'),
        ("dnssec {\n whatever\n}", "unknown property 'whatever'"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        dnssec.setup(args(text, directory=tmp_path))


def test_a_key_must_be_able_to_sign_one_of_the_zones(stem: Path, key: keys.Key) -> None:
    with pytest.raises(ConfigError, match=rf"key example.org. \(keyid: {key.tag}\) can not sign any of the zones"):
        dnssec.setup(args(f"dnssec example.com {{\n key file {stem}\n}}"))


def test_a_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "K.key").write_text("")
    (tmp_path / "K.private").write_text("")
    with pytest.raises(ConfigError, match=f"{tmp_path}/K: no public key found"):
        dnssec.setup(args("dnssec {\n key file K\n}", directory=tmp_path))


COREFILE = """
example.org:@PORT@ {
    dnssec {
        key file KEYS
    }
    template IN A example.org {
        match ^www[.]
        answer "{{ .Name }} 60 IN CNAME host.example.org."
        fallthrough
    }
    template IN A example.org {
        match ^(host|.*[.]wild)[.]
        answer "{{ .Name }} 60 IN A 192.0.2.1"
        fallthrough
    }
    template IN NS example.org {
        match ^example
        answer "{{ .Name }} 60 IN NS host.example.org."
        fallthrough
    }
    template IN ANY example.org {
        match ^nix[.]
        rcode NXDOMAIN
        authority "example.org. 60 IN SOA host.example.org. admin.example.org. 1 7200 1800 86400 60"
        fallthrough
    }
    template IN SOA example.org {
        match ^example
        answer "example.org. 60 IN SOA host.example.org. admin.example.org. 1 7200 1800 86400 60"
        fallthrough
    }
    template IN ANY example.org {
        authority "example.org. 60 IN SOA host.example.org. admin.example.org. 1 7200 1800 86400 60"
    }
}
"""


@pytest.fixture(scope="module", params=["RSASHA256", "ECDSAP256SHA256", "ECDSAP384SHA384", "ED25519"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdns]:
    """A zone signed on the way, with a key for keys and one for the rest; `anchor` is the first one's record."""
    place = tmp_path_factory.mktemp("dnssec")
    ksk, zsk = made(place, request.param, "-f", "KSK"), made(place, request.param)
    running = Kdns(place, COREFILE.replace("KEYS", f"{ksk} {zsk}"))
    words = Path(f"{ksk}.key").read_text().split("DNSKEY ")[1].split()
    (place / "anchors").write_text(
        f'trust-anchors {{ "example.org." static-key {" ".join(words[:3])} "{"".join(words[3:])}"; }};\n'
    )
    (place / "anchor").write_text(f"example.org. 3600 IN DNSKEY {' '.join(words)}\n")
    running.start()
    yield running
    assert running.stop() == 0


VALID = [
    ("host.example.org A", "; fully validated"),
    ("www.example.org A", "; fully validated"),
    ("any.wild.example.org A", "; fully validated"),
    ("example.org SOA", "; fully validated"),
    ("example.org DNSKEY", "; fully validated"),
    ("host.example.org AAAA", "; negative response, fully validated"),
    ("www.example.org AAAA", "; negative response, fully validated"),
    ("nix.example.org A", "; negative response, fully validated"),
    ("example.org MX", "; negative response, fully validated"),
    ("host.example.org DS", "; negative response, fully validated"),
]


@pytest.mark.parametrize(("text", "verdict"), VALID)
def test_delv_validates_every_reply(server: Kdns, text: str, verdict: str) -> None:
    flags = ["-a", str(server.directory / "anchors"), "+root=example.org"]
    command = ["delv", "@127.0.0.1", "-p", str(server.port), *flags, *text.split()]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert verdict in said.stdout, said.stdout + said.stderr


def test_a_resolver_validates_every_reply(server: Kdns, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "conf").write_text(f"""
server:
    interface: 127.0.0.1@{port}
    do-daemonize: no
    use-syslog: no
    username: ""
    chroot: ""
    directory: "{tmp_path}"
    pidfile: ""
    do-not-query-localhost: no
    module-config: "validator iterator"
    trust-anchor-file: "{server.directory}/anchor"
remote-control:
    control-enable: no
stub-zone:
    name: example.org
    stub-addr: 127.0.0.1@{server.port}
""")
    command = ["unbound", "-d", "-c", str(tmp_path / "conf")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as resolver:
        assert resolver.stderr is not None
        assert any("start of service" in line for line in resolver.stderr)
        said = [_asked(port, text) for text, _ in VALID]
        resolver.terminate()
    assert all(" ad;" in each for each in said), said


def _asked(port: int, text: str) -> str:
    command = ["dig", "@127.0.0.1", "-p", str(port), "+dnssec", *text.split()]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
