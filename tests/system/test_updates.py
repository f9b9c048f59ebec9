"""A zone changed by those who do so: nsupdate, ExternalDNS's messages; told to NSD and Knot; killed."""

import base64
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.zone
import pytest

from kdns.wire import codes, records
from tests.kdns.server import Kdns, free_port
from tests.system.nameservers import Bind, DynamicBind, Knot, NameServer, Nsd

SECRET = base64.b64encode(b"the secret of the update key").decode()
SEED = "$TTL 60\n@ SOA ns hostmaster 1 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.53\n"
SIGNED = f"tsig {{\nsecret update-key {SECRET}\nrequire_opcode UPDATE\n}}\n"


@pytest.fixture
def primary(tmp_path: Path, kdns: Callable[[str], Kdns]) -> Kdns:
    return kdns(corefile(tmp_path))


def corefile(directory: Path, port: str = "@PORT@", more: str = "") -> str:
    (directory / "db").write_text(SEED)
    lines = f"file {directory}/db\ndatabase {directory}/journal\nallow update-key * *"
    return f"example.test:{port} {{\nbind 127.0.0.1\nerrors\n{SIGNED}dynupdate {{\n{lines}\n}}\n{more}}}\n"


def nsupdate(server: Kdns, script: str, *, secret: str = SECRET, tcp: bool = False) -> str:
    """What nsupdate says to a script; empty where all went well."""
    lines = f"server 127.0.0.1 {server.port}\nzone example.test\nttl 60\n{script}\nsend\n"
    command = ["nsupdate", "-y", f"hmac-sha256:update-key:{secret}", *(["-v"] if tcp else [])]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=30, check=False)
    return (done.stdout + done.stderr).strip()


def serial(server: Kdns) -> int:
    return records.soa_serial(server.ask("example.test. SOA").answer[0])


@pytest.mark.parametrize("tcp", [False, True])
def test_nsupdate_adds_replaces_and_deletes(primary: Kdns, tcp: bool) -> None:
    assert nsupdate(primary, "add www.example.test A 192.0.2.1\nadd www.example.test A 192.0.2.2", tcp=tcp) == ""
    assert len(primary.answers("www.example.test. A")) == 2
    assert serial(primary) == 2
    assert nsupdate(primary, "del www.example.test A\nadd www.example.test 30 A 192.0.2.3", tcp=tcp) == ""
    assert primary.answers("www.example.test. A") == ["www.example.test. 30 IN A 192.0.2.3"]
    assert nsupdate(primary, "del www.example.test", tcp=tcp) == ""
    assert primary.ask("www.example.test. A").rcode == codes.NXDOMAIN
    assert serial(primary) == 4


@pytest.mark.parametrize(
    ("prerequisite", "said"),
    [
        ("prereq yxdomain ns.example.test", ""),
        ("prereq nxdomain ns.example.test", "update failed: YXDOMAIN"),
        ("prereq yxdomain gone.example.test", "update failed: NXDOMAIN"),
        ("prereq nxrrset ns.example.test A", "update failed: YXRRSET"),
        ("prereq yxrrset ns.example.test AAAA", "update failed: NXRRSET"),
        ("prereq yxrrset ns.example.test A 192.0.2.53", ""),
        ("prereq yxrrset ns.example.test A 192.0.2.54", "update failed: NXRRSET"),
    ],
)
def test_an_update_is_done_only_if_what_it_presupposes_is_so(primary: Kdns, prerequisite: str, said: str) -> None:
    assert nsupdate(primary, f"{prerequisite}\nadd new.example.test TXT x") == said
    assert bool(primary.answers("new.example.test. TXT")) == (said == "")


def test_who_has_not_the_key_changes_nothing(primary: Kdns) -> None:
    wrong = base64.b64encode(b"another secret").decode()
    assert "BADSIG" in nsupdate(primary, "add new.example.test TXT x", secret=wrong)
    unsigned = dns.update.UpdateMessage("example.test")
    unsigned.add("new", 60, "TXT", "x")
    assert dns.query.udp(unsigned, "127.0.0.1", port=primary.port).rcode() == dns.rcode.REFUSED
    assert primary.ask("new.example.test. TXT").rcode == codes.NXDOMAIN


def test_an_update_for_a_zone_that_takes_none_is_not_implemented(tmp_path: Path, kdns: Callable[[str], Kdns]) -> None:
    server = kdns(corefile(tmp_path) + "example.com:@PORT@ {\nbind 127.0.0.1\nwhoami\n}\n")
    asked = dns.update.UpdateMessage("example.com")
    asked.delete("www")
    assert dns.query.udp(asked, "127.0.0.1", port=server.port).rcode() == dns.rcode.NOTIMP


def test_an_update_of_another_zone_of_the_block_is_no_query_of_its_soa(
    tmp_path: Path, kdns: Callable[[str], Kdns]
) -> None:
    (tmp_path / "db").write_text(SEED)
    answering = 'template ANY ANY example.com {\nanswer "{{ .Name }} 60 IN A 192.0.2.1"\n}\n'
    zone = f"dynupdate example.test {{\nfile {tmp_path}/db\nallow update-key * *\n}}\n"
    server = kdns(f".:@PORT@ {{\nbind 127.0.0.1\nerrors\n{SIGNED}{answering}{zone}}}\n")
    asked = dns.update.UpdateMessage("example.com")
    asked.add("www", 60, "A", "192.0.2.1")
    assert dns.query.udp(asked, "127.0.0.1", port=server.port).rcode() == dns.rcode.NOTAUTH
    assert server.answers("example.com. A") == ["example.com. 60 IN A 192.0.2.1"]


@pytest.mark.parametrize(
    "other",
    [
        "hosts {\n192.0.2.1 example.test\n}",
        'template ANY SOA {\nanswer "{{ .Name }} 60 IN A 192.0.2.1"\n}',
        "kubernetes example.test {\nendpoint http://127.0.0.1:1\nstartup_timeout 1ms\nfallthrough\n}",
        "kubernetes cluster.local {\nendpoint http://127.0.0.1:1\nstartup_timeout 1ms\n}\nk8s_external example.test",
    ],
)
def test_an_update_is_never_answered_out_of_other_data_of_the_same_names(
    tmp_path: Path, kdns: Callable[[str], Kdns], other: str
) -> None:
    server = kdns(corefile(tmp_path, more=f"{other}\n"))
    assert nsupdate(server, "add www.example.test A 192.0.2.9") == ""
    assert bytes((192, 0, 2, 9)) in (tmp_path / "journal").read_bytes()


def external_dns(server: Kdns, *changes: Callable[[dns.update.UpdateMessage], None]) -> dns.message.Message:
    """The reply to a message as the rfc2136 provider of ExternalDNS sends it: over TCP, signed, without prerequisites,
    records inserted one by one and removed by value.
    """
    message = dns.update.UpdateMessage("example.test")
    for change in changes:
        change(message)
    ring = dns.tsigkeyring.from_text({"update-key.": SECRET})
    message.use_tsig(ring, algorithm=dns.tsig.HMAC_SHA256)
    return dns.query.tcp(message, "127.0.0.1", port=server.port, timeout=10)


def test_external_dns_creates_updates_and_deletes_a_name_with_its_registry_records(primary: Kdns) -> None:
    owner = '"heritage=external-dns,external-dns/owner=default,external-dns/resource=service/default/web"'
    created = external_dns(
        primary,
        lambda m: m.add("web", 300, "A", "192.0.2.10"),
        lambda m: m.add("a-web", 300, "TXT", owner),
        lambda m: m.add("alias", 300, "CNAME", "web.example.test."),
        lambda m: m.add("web", 300, "AAAA", "2001:db8::10"),
    )
    assert created.rcode() == dns.rcode.NOERROR
    assert primary.answers("a-web.example.test. TXT") == [f"a-web.example.test. 300 IN TXT {owner}"]
    assert len(primary.answers("alias.example.test. A")) == 2
    updated = external_dns(
        primary,
        lambda m: m.delete("web", "A", "192.0.2.10"),
        lambda m: m.add("web", 300, "A", "192.0.2.11"),
    )
    assert updated.rcode() == dns.rcode.NOERROR
    assert primary.answers("web.example.test. A") == ["web.example.test. 300 IN A 192.0.2.11"]
    removed = external_dns(
        primary,
        lambda m: m.delete("web", "A", "192.0.2.11"),
        lambda m: m.delete("web", "AAAA", "2001:db8::10"),
        lambda m: m.delete("alias", "CNAME", "web.example.test."),
        lambda m: m.delete("a-web", "TXT", owner),
    )
    assert removed.rcode() == dns.rcode.NOERROR
    assert primary.ask("web.example.test. A").rcode == codes.NXDOMAIN


def test_every_change_that_was_answered_is_there_after_a_kill(primary: Kdns) -> None:
    for round_ in range(3):
        for number in range(5):
            assert nsupdate(primary, f"add host{round_}-{number}.example.test A 192.0.2.1") == ""
        before = serial(primary)
        primary.signal(signal.SIGKILL)
        primary.process.wait()
        primary.start()
        assert serial(primary) == before == 1 + 5 * (round_ + 1)
        assert primary.answers(f"host{round_}-4.example.test. A")


def test_a_reload_keeps_the_database_and_goes_on_with_it(tmp_path: Path, kdns: Callable[[str], Kdns]) -> None:
    server = kdns(corefile(tmp_path, more="reload 2s 1s\n"))
    assert nsupdate(server, "add one.example.test A 192.0.2.1") == ""
    server.write(corefile(tmp_path, more="reload 2s 1s\nlog\n"))
    server.wait_for("Reloading complete")
    assert nsupdate(server, "add two.example.test A 192.0.2.2") == ""
    assert server.answers("one.example.test. A")
    assert server.answers("two.example.test. A")
    server.signal(signal.SIGKILL)
    server.process.wait()
    server.start()
    assert server.answers("one.example.test. A")
    assert server.answers("two.example.test. A")


def test_what_the_cache_keeps_is_never_older_than_the_zone(tmp_path: Path, kdns: Callable[[str], Kdns]) -> None:
    server = kdns(corefile(tmp_path, more="cache\ntransfer {\nto *\n}\n"))
    assert server.ask("www.example.test. A").rcode == codes.NXDOMAIN
    assert nsupdate(server, "add www.example.test A 192.0.2.1") == ""
    assert server.answers("www.example.test. A") == ["www.example.test. 60 IN A 192.0.2.1"]


@pytest.mark.parametrize("kind", [Nsd, Knot, Bind])
def test_secondaries_are_told_and_fetch_the_differences(
    kind: type[NameServer], tmp_path: Path, kdns: Callable[[str], Kdns]
) -> None:
    port = free_port()
    other = kind(tmp_path / "other", {"example.test": None}, port)
    try:
        more = f"log\ntransfer {{\nto 127.0.0.1:{other.port}\n}}\n"
        server = kdns(corefile(tmp_path, str(port), more))
        server.port = port
        twin = Kdns(tmp_path, "")
        twin.port = other.port
        for number in range(3):
            assert nsupdate(server, f"add host{number}.example.test A 192.0.2.{number}") == ""
            while not answered(twin, f"host{number}.example.test. A"):
                continue
        assert nsupdate(server, "del host1.example.test\ndel host0.example.test A") == ""
        while answered(twin, "host1.example.test. A"):
            continue
        assert twin.answers("host2.example.test. A") == server.answers("host2.example.test. A")
        assert "IXFR" in server.output.read_text()
    finally:
        other.stop()


def answered(server: Kdns, question: str) -> bool:
    """Whether there is an answer; not while the server puts other processes in the place of its own."""
    try:
        return bool(server.answers(question, tcp=True))
    except ConnectionError:
        return False


def test_the_differences_lead_from_any_serial_to_the_newest(tmp_path: Path, kdns: Callable[[str], Kdns]) -> None:
    server = kdns(corefile(tmp_path, more="transfer {\nto *\n}\n"))
    many = "\n".join(f"add host{number}.example.test A 192.0.2.{number}" for number in range(20))
    assert nsupdate(server, many) == ""
    assert nsupdate(server, "del host7.example.test\nadd www.example.test A 192.0.2.1") == ""
    assert nsupdate(server, "add www.example.test 5 A 192.0.2.1") == ""
    soa = "example.test. 60 IN SOA ns.example.test. hostmaster.example.test. {} 7200 1800 86400 30".format
    www = "www.example.test. {} IN A 192.0.2.1".format
    assert fetched(server, "IXFR=2") == [
        *(soa(4), soa(2), "host7.example.test. 60 IN A 192.0.2.7", soa(3), www(60)),
        *(soa(3), www(60), soa(4), www(5), soa(4)),
    ]
    assert fetched(server, "IXFR=4") == [soa(4)]
    assert len(fetched(server, "IXFR=99")) == len(fetched(server, "AXFR")) == 24


def fetched(server: Kdns, kind: str) -> list[str]:
    """The records that dig fetches, one a line."""
    flags = ["+nocomments", "+nostats", "+nocmd", "+tcp"]
    command = ["dig", "@127.0.0.1", "-p", str(server.port), "example.test", kind, *flags]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return [" ".join(line.split()) for line in printed.splitlines() if line and not line.startswith(";")]


# No names by which BIND's own policy could refuse a zone: its name server keeps its address, no wildcard is delegated.
OWNERS = ["example.test.", *(f"{name}.example.test." for name in ("a", "A", "x.y", "y", "www", "*.w", "sub", "h.sub"))]
RECORDS = [
    *(("A", "192.0.2.1"), ("A", "192.0.2.2"), ("AAAA", "2001:db8::1"), ("TXT", '"x"'), ("TXT", '"x" "y"')),
    *(("CNAME", "www.example.test."), ("CNAME", "a.example.test."), ("CNAME", "A.example.test.")),
    *(("MX", "10 ns.example.test."), ("MX", "10 NS.example.test."), ("SRV", "0 0 1 ns.example.test.")),
    *(("NS", "ns.example.test."), ("NS", "out.example."), ("PTR", "a.example.test."), ("CAA", '0 issue "ca"')),
    *(("SOA", f"ns.example.test. h.example.test. {serial} 1 1 9 1") for serial in (3, 50, 2**31 + 5, 2**32 - 1)),
]


def random_update(chance: Random) -> list[tuple[str, ...]]:
    """The sections of an update, as the names of UpdateMessage's methods and what they are given."""
    wanted = []
    for how in chance.choices(["present", "absent"], k=chance.randint(0, 2)):
        kind, rdata = chance.choice(RECORDS)
        wanted.append(
            (how, chance.choice(OWNERS), *chance.choice([(), (kind,), (kind, rdata)][: 2 + (how == "present")]))
        )
    changes = []
    for how in chance.choices(["add", "add", "delete"], k=chance.randint(1, 4)):
        kind, rdata = chance.choice(RECORDS)
        owner = chance.choice(OWNERS[:-2] if kind == "NS" else OWNERS)
        given = (
            (chance.choice(["30", "60"]), kind, rdata) if how == "add" else chance.choice([(), (kind,), (kind, rdata)])
        )
        if not (owner.startswith("*") and kind == "NS"):
            changes.append((how, owner, *given))
    return wanted + changes


def updated(
    port: int, sections: list[tuple[str, ...]], keyring: dict[dns.name.Name, dns.tsig.Key] | None = None
) -> str:
    """The RCODE that a server has for an update."""
    message = dns.update.UpdateMessage("example.test.", keyring=keyring)
    for how, *given in sections:
        getattr(message, how)(*given)
    return dns.rcode.to_text(dns.query.tcp(message, "127.0.0.1", port=port, timeout=10).rcode())


def zone_of(port: int) -> set[str]:
    """What a server transfers, but for the serial."""
    found = dns.zone.Zone("example.test.", relativize=False)
    dns.query.inbound_xfr("127.0.0.1", found, port=port, timeout=10)
    rows = ((f"{name} {ttl}", rdata) for name, ttl, rdata in found.iterate_rdatas())
    return {f"{row} {rdata.rdtype.name} {rdata}".lower() for row, rdata in rows if rdata.rdtype != dns.rdatatype.SOA}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_updates_leave_the_zone_that_bind_has(tmp_path: Path, kdns: Callable[[str], Kdns], seed: int) -> None:
    chance, keyring = Random(seed), dns.tsigkeyring.from_text({"update-key.": ("hmac-sha256", SECRET)})
    ours = kdns(corefile(tmp_path, more="transfer {\nto *\n}\n"))
    theirs = DynamicBind(tmp_path / "bind", {"example.test": SEED})
    try:
        for number in range(60):
            update = random_update(chance)
            assert updated(ours.port, update, keyring) == updated(theirs.port, update), update
            if number % 5 == 4:
                assert zone_of(ours.port) == zone_of(theirs.port)
    finally:
        theirs.stop()
