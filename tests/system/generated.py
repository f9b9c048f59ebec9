"""Zones that hypothesis makes, and what is asked about them: for servers that are to answer alike."""

from collections.abc import Collection, Iterator, Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdns.wire import codes, names, records
from kdns.wire.records import RR
from kdns.zone.lookup import YXDOMAIN
from tests.kdns.zones import rrs

LABELS = ("a", "b", "c", "*")
OWNED = ("A", "AAAA", "TXT", "MX", "SRV", "HTTPS", "CAA", "TYPE65280", "CNAME", "NS", "DS", "DNAME")
TYPES = (*OWNED, "SOA")
OUTSIDE = "outside.invalid."


def owners() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(LABELS), min_size=1, max_size=3).map(".".join)


def records_of(owner: str, kinds: Sequence[str], target: str) -> list[str]:
    """Lines of a master file for a name. An alias stands alone; below a cut there are glue and what nobody sees."""
    values = {
        "A": "192.0.2.1", "AAAA": "2001:db8::1", "TXT": '"x"', "MX": f"10 {target}", "SRV": f"1 2 3 {target}",
        "HTTPS": f'1 {target} alpn="h2,h3"', "CAA": '0 issue "ca.example"', "TYPE65280": "\\# 1 2a",
    }  # fmt: skip
    if "CNAME" in kinds:
        return [f"{owner} CNAME {target}"]
    if "NS" in kinds and "*" not in owner:
        hidden = [f"hidden.{owner} TXT x", f"*.{owner} TXT x"] if "TXT" in kinds else []
        secure = [f"{owner} DS 12345 13 2 {'ab' * 32}"] if "DS" in kinds else []
        return [f"{owner} NS ns.{owner}", f"ns.{owner} A 192.0.2.9", *secure, *hidden]
    if "DNAME" in kinds and "*" not in owner:
        return [f"{owner} DNAME {target}"]
    return [f"{owner} {kind} {values[kind]}" for kind in kinds if kind in values]


@st.composite
def zones(draw: st.DrawFn) -> str:
    """The lines of a zone behind its apex."""
    lines: dict[str, None] = {}
    taken: dict[str, list[str]] = {}
    for owner in draw(st.lists(owners(), max_size=8, unique=True)):
        target = draw(st.sampled_from((OUTSIDE, "ns"))) if draw(st.booleans()) else draw(owners())
        kinds = draw(st.lists(st.sampled_from(OWNED), min_size=1, max_size=3, unique=True))
        taken[owner] = records_of(owner, kinds, target)
    for owner, made in taken.items():
        above = [owner.split(".", at)[-1] for at in range(1, owner.count(".") + 1)]
        if not any(" DNAME " in line for each in above for line in taken.get(each, ())):  # nothing is below a DNAME
            lines.update(dict.fromkeys(made))
    return "\n".join(lines)


APEX = "$TTL 60\n@ SOA ns hostmaster 7 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.53\n"


def generated(count: int) -> list[str]:
    """So many zones as the text of master files, always the same."""
    made: list[str] = []

    @settings(max_examples=count, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(zones())
    def collect(lines: str) -> None:
        made.append(APEX + lines + "\n")

    collect()
    return made


def asked(origin: str, text: str, types: Sequence[str] = TYPES) -> Iterator[str]:
    """Every name of a zone, those above and beside it, with every type."""
    found = {origin}
    for rr in rrs(text, f"{origin}."):
        name = names.show(records.owner(rr)).rstrip(".")
        while name.endswith(f".{origin}"):
            found |= {name, f"x.{name}", f"x.y.{name}"}
            name = name.partition(".")[2]
    for name in sorted({*found, f"x.{origin}"}):
        yield from (f"{name}. {kind}" for kind in types)


def run_on(rcode: int, ours: Collection[RR], theirs: Collection[RR]) -> bool:
    """Whether aliases lead on and on: each server shows as many as it likes then, or fails; `rcode` is ours."""
    kinds = [[records.rtype(rr) for rr in each] for each in (ours, theirs)]
    mine, other = (each.count(codes.CNAME) for each in kinds)
    return min(mine, other) > 7 or (rcode in (codes.SERVFAIL, YXDOMAIN) and other > 0)
