"""Zones beside NSD and Knot: the same answer for every name and type of generated zones."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdns.wire import codes, edns, names, records
from kdns.wire.edns import Edns
from kdns.wire.names import Name
from kdns.wire.records import RR, Message
from kdns.zone.zone import built
from tests.kdns.server import Kdns, exchange, query
from tests.kdns.zones import rrs
from tests.system.nameservers import Knot, NameServer, Nsd

LABELS = ("a", "b", "c", "*")
TYPES = ("A", "AAAA", "TXT", "MX", "SRV", "CNAME", "NS", "DS", "DNAME", "SOA")
OUTSIDE = "outside.invalid."


def owners() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(LABELS), min_size=1, max_size=3).map(".".join)


def records_of(owner: str, kinds: Sequence[str], target: str) -> list[str]:
    """Lines of a master file for a name. An alias stands alone; a cut has its name server's address."""
    values = {
        "A": "192.0.2.1", "AAAA": "2001:db8::1", "TXT": '"x"', "MX": f"10 {target}", "SRV": f"1 2 3 {target}",
    }  # fmt: skip
    if "CNAME" in kinds:
        return [f"{owner} CNAME {target}"]
    if "NS" in kinds and "*" not in owner:
        return [f"{owner} NS ns.{owner}", f"ns.{owner} A 192.0.2.9"]
    if "DNAME" in kinds and "*" not in owner:
        return [f"{owner} DNAME {OUTSIDE}"]
    return [f"{owner} {kind} {values[kind]}" for kind in kinds if kind in values]


@st.composite
def zones(draw: st.DrawFn) -> str:
    """The lines of a zone behind its apex."""
    lines: dict[str, None] = {}
    taken: dict[str, list[str]] = {}
    for owner in draw(st.lists(owners(), max_size=8, unique=True)):
        target = draw(st.sampled_from((OUTSIDE, "ns"))) if draw(st.booleans()) else draw(owners())
        kinds = draw(st.lists(st.sampled_from(TYPES[:9]), min_size=1, max_size=3, unique=True))
        taken[owner] = records_of(owner, kinds, target)
    for owner, made in taken.items():
        above = [owner.split(".", at)[-1] for at in range(1, owner.count(".") + 1)]
        if not any(" DNAME " in line for each in above for line in taken.get(each, ())):  # nothing is below a DNAME
            lines.update(dict.fromkeys(made))
    return "\n".join(lines)


APEX = "$TTL 60\n@ SOA ns hostmaster 7 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.53\n"
COUNT = 40  # zones a server


@pytest.fixture(scope="module")
def generated() -> list[str]:
    """The zones that are asked about: what hypothesis makes in one run, always the same."""
    made: list[str] = []

    @settings(max_examples=COUNT, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(zones())
    def collect(lines: str) -> None:
        made.append(APEX + lines + "\n")

    collect()
    return made


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, generated: list[str]) -> Iterator[tuple[Kdns, list[NameServer]]]:
    """kdns, NSD and Knot, all with the same zones."""
    directory = tmp_path_factory.mktemp("authoritative")
    named = {f"z{number}.test": text for number, text in enumerate(generated)}
    for name, text in named.items():
        (directory / name).write_text(text)
    lines = "".join(f"file {directory}/{name} {name}\n" for name in named)
    kdns = Kdns(directory, f".:@PORT@ {{\nbind 127.0.0.1\n{lines}}}\n")
    others: list[NameServer] = [Nsd(directory / "nsd", named), Knot(directory / "knot", named)]
    kdns.start()
    yield kdns, others
    for each in (kdns, *others):
        each.stop()


def asked(origin: str, text: str) -> Iterator[str]:
    """Every name of a zone, those above and beside it, with every type."""
    found = {origin}
    for rr in rrs(text, f"{origin}."):
        name = names.show(records.owner(rr)).rstrip(".")
        while name.endswith(f".{origin}"):
            found |= {name, f"x.{name}", f"x.y.{name}"}
            name = name.partition(".")[2]
    for name in sorted({*found, f"x.{origin}"}):
        yield from (f"{name}. {kind}" for kind in TYPES)


Seen = tuple[int, bool, set[RR], set[RR]]


def seen(message: Message, origin: Name) -> Seen:
    """What has to be the same: RCODE, AA, the answer, and of the authority the referral or the denial."""
    authority = {folded(rr) for rr in message.authority if records.owner(rr).lower() != origin or is_soa(rr)}
    return message.rcode, bool(message.flags & codes.AA), {folded(rr) for rr in message.answer}, authority


def is_soa(rr: RR) -> bool:
    return records.rtype(rr) == codes.SOA


def folded(rr: RR) -> RR:
    """A record in lower case, the TTL of an SOA left out: others lower it to the minimum in denials (RFC 2308)."""
    return records.with_ttl(rr, 0).lower() if is_soa(rr) else rr.lower()


def is_known(ours: Seen, theirs: Seen, is_empty: bool) -> bool:
    """Whether a difference is one that docs/compatibility.md lists, in which kdns does as CoreDNS.

    Of an alias that ends inside the zone without the type there is no SOA; a wildcard stands in for an empty
    non-terminal beside it.
    """
    no_soa = ours[:3] == theirs[:3] and bool(ours[2]) and not ours[3] and all(map(is_soa, theirs[3]))
    return no_soa or (is_empty and not theirs[2] and theirs[0] == codes.NOERROR)


def ask(question: str, port: int) -> Message:
    opt = edns.to_record(Edns(4096))
    packet = query(question)
    return records.read_message(exchange(packet[:11] + b"\1" + packet[12:] + opt, ("127.0.0.1", port)))


def test_every_name_and_type_is_answered_as_nsd_and_knot_answer_it(
    servers: tuple[Kdns, list[NameServer]], generated: list[str]
) -> None:
    kdns, others = servers
    for number, text in enumerate(generated):
        origin = names.parse(f"z{number}.test")
        zone = built(origin, rrs(text, f"z{number}.test."))
        for question in asked(f"z{number}.test", text):
            is_empty = zone.node(names.parse(question.split()[0])) == ()
            ours = seen(ask(question, kdns.port), origin)
            for other in others:
                theirs = seen(ask(question, other.port), origin)
                assert ours == theirs or is_known(ours, theirs, is_empty), f"{type(other).__name__}: {question}\n{text}"
