"""Signed zones beside NSD and Knot: the same answers, signatures and proofs to clients that ask for them; all valid."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdns.wire import codes, edns, names, records
from kdns.wire.edns import DO, Edns
from kdns.wire.names import Name
from kdns.wire.records import RR, Message
from kdns.zone import signed
from kdns.zone.lookup import Outcome, lookup
from kdns.zone.signing import Period
from kdns.zone.zone import Zone, built
from tests.kdns.server import Kdns, exchange, query
from tests.kdns.zone.signed import loaded, made
from tests.kdns.zones import rrs
from tests.system.generated import TYPES, asked, generated, run_on
from tests.system.nameservers import Knot, NameServer, Nsd

COUNT = 12  # zones
MOST = 8  # names of each that delv is asked for
DAY = 86_400


class Served:
    """A directory with signed zones, the records of each by its name, and who serves them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.zones: dict[str, list[RR]] = {}
        now = int(time.time())
        for number, text in enumerate(generated(COUNT)):
            name = f"z{number}.test"
            key = made(directory, "ECDSAP256SHA256", "-f", "KSK", zone=name)
            period = Period(now - DAY, now + DAY)
            found = signed.signed(rrs(text, f"{name}."), names.parse(name), [loaded(key)], period, 8)
            self.zones[name] = found
            (directory / name).write_text("".join(f"{signed.to_text(rr)}\n" for rr in found))
            words = Path(f"{key}.key").read_text().split("DNSKEY ")[1].split()
            anchor = f'"{name}." static-key {" ".join(words[:3])} "{"".join(words[3:])}";'
            (directory / f"{name}.anchor").write_text(f"trust-anchors {{ {anchor} }};\n")
        lines = "".join(f"file {directory}/{name} {name}\n" for name in self.zones)
        texts = {name: (directory / name).read_text() for name in self.zones}
        self.kdns = Kdns(directory, f".:@PORT@ {{\nbind 127.0.0.1\n{lines}}}\n")
        self.others: list[NameServer] = [Nsd(directory / "nsd", texts), Knot(directory / "knot", texts)]
        self.kdns.start()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """kdns, NSD and Knot, all with the same signed zones."""
    found = Served(tmp_path_factory.mktemp("signed"))
    yield found
    for each in (found.kdns, *found.others):
        each.stop()


Seen = tuple[int, bool, frozenset[RR], frozenset[RR]]


def seen(message: Message, origin: Name) -> Seen:
    """What has to be the same: RCODE, AA, the answer, and the authority but for the apex's NS and their signatures."""
    authority = frozenset(folded(rr) for rr in message.authority if not is_apex_ns(rr, origin))
    return message.rcode, bool(message.flags & codes.AA), frozenset(map(folded, message.answer)), authority


def is_apex_ns(rr: RR, origin: Name) -> bool:
    kind = records.rtype(rr)
    covered = int.from_bytes(records.rdata(rr)[:2], "big") if kind == codes.RRSIG else kind
    return covered == codes.NS and records.owner(rr).lower() == origin


def folded(rr: RR) -> RR:
    """A record's owner in lower case; without the TTL, which others lower to the SOA's minimum in denials."""
    owner = records.owner(rr)
    return owner.lower() + records.with_ttl(rr, 0)[len(owner) :]


def kinds(rrs: frozenset[RR]) -> set[int]:
    """The types of records, of signatures those that they cover."""
    found = ((records.rtype(rr), records.rdata(rr)) for rr in rrs)
    return {int.from_bytes(rdata[:2], "big") if kind == codes.RRSIG else kind for kind, rdata in found}


def is_known(ours: Seen, theirs: Seen, question: str) -> bool:
    """Whether a difference is one that docs/compatibility.md lists, in which kdns does as CoreDNS.

    Of an alias that ends inside the zone without the type there is no SOA; an alias is followed for NSEC too.
    """
    if run_on(ours[0], ours[2], theirs[2]):
        return True
    if codes.CNAME not in kinds(ours[2]):
        return False
    if ours[:3] == theirs[:3] and kinds(theirs[3] - ours[3]) <= {codes.SOA}:
        return True
    return question.endswith(" NSEC")


def is_less(theirs: Seen, ours: Seen) -> bool:
    """Whether only a proof is missing: Knot has none that a wildcard which is an empty non-terminal is there."""
    return ours[:3] == theirs[:3] and theirs[3] < ours[3] and kinds(ours[3] - theirs[3]) == {codes.NSEC}


def is_behind_dname(theirs: Seen, ours: Seen) -> bool:
    """Whether only proofs differ, of what a DNAME leads to: NSD takes another name's there."""
    return (
        codes.DNAME in kinds(ours[2])
        and ours[:3] == theirs[:3]
        and kinds(theirs[3] ^ ours[3]) <= {codes.NSEC, codes.SOA}
    )


def ask(question: str, port: int) -> Message:
    packet = query(question)
    packet = packet[:11] + b"\1" + packet[12:] + edns.to_record(Edns(4096, b"", DO))
    return records.read_message(exchange(packet, ("127.0.0.1", port), tcp=True))


def test_the_zones_are_well_signed(served: Served) -> None:
    for name in served.zones:
        subprocess.run(["ldns-verify-zone", str(served.directory / name)], check=True, capture_output=True)


def test_every_name_and_type_is_answered_and_proven_as_by_nsd_and_knot(served: Served) -> None:
    for name in served.zones:
        origin = names.parse(name)
        text = served.directory.joinpath(name).read_text()
        for question in asked(name, text, (*TYPES, "NSEC", "DNSKEY")):
            ours = seen(ask(question, served.kdns.port), origin)
            nsd, knot = (seen(ask(question, other.port), origin) for other in served.others)
            is_as_knot = ours == knot or is_known(ours, knot, question) or is_less(knot, ours)
            assert is_as_knot, f"Knot: {question}\n{text}"
            is_as_nsd = ours == nsd or is_known(ours, nsd, question) or is_behind_dname(nsd, ours)
            assert is_as_nsd, f"NSD: {question}\n{text}"


def test_delv_validates_what_is_there_and_what_is_not(served: Served) -> None:
    for name, found in served.zones.items():
        zone = built(names.parse(name), found)
        anchor = ["-a", str(served.directory / f"{name}.anchor"), f"+root={name}"]
        text = served.directory.joinpath(name).read_text()
        own = [question for question in asked(name, text, ("TXT",)) if ends_here(zone, question)]
        for question in own[:MOST]:
            command = ["delv", "@127.0.0.1", "-p", str(served.kdns.port), *anchor, *question.split()]
            said = subprocess.run(command, capture_output=True, text=True, check=False)
            assert "fully validated" in said.stdout, f"{question}: {said.stdout}{said.stderr}\n{text}"


def ends_here(zone: Zone, question: str) -> bool:
    """Whether the zone itself has the whole answer."""
    found = lookup(zone, names.parse(question.split()[0]), codes.TXT)
    return found.outcome is not Outcome.DELEGATION and found.target is None
