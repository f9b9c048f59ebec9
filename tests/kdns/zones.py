"""Zones for tests, written as master files."""

from textwrap import dedent

from kdns.wire import codes, message, names, records
from kdns.wire.records import RR
from kdns.zone import text
from kdns.zone.zone import Zone, built

APEX = """
$TTL 60
@ SOA ns hostmaster 7 7200 1800 86400 30
@ NS ns
ns A 192.0.2.53
"""


def rrs(master: str, origin: str = "example.org.") -> list[RR]:
    """The records of a master file's text."""
    lines = dedent(master).splitlines()
    return list(text.read("db", names.parse(origin), lambda path: lines))


def zone(master: str, origin: str = "example.org.", apex: str = APEX) -> Zone:
    """The zone of an apex and of more lines; TTLs are 60 s unless they are given."""
    return built(names.parse(origin), rrs(apex + dedent(master), origin))


def shown(found: tuple[RR, ...]) -> list[str]:
    """Records as text without TTL and class, in order: `www.example.org. A 192.0.2.1`."""
    words = (message.to_text(rr).split(" ", 3) for rr in found)
    return [f"{owner} {rest}" for owner, _, _, rest in words]


def updating(text: str) -> RR:
    """A record of an UPDATE: `OWNER [TTL] CLASS TYPE [RDATA]`; without RDATA where there is none."""
    owner, ttl, class_, kind, *rdata = text.split() if text.split()[1].isdigit() else _with_ttl(text.split())
    number, type_ = codes.class_number(class_), codes.type_number(kind)
    if not rdata:
        return records.make(names.parse(owner), type_, int(ttl), b"", number)
    made = message.from_text(f"{owner} {ttl} IN {kind} {' '.join(rdata)}")
    return records.make(names.parse(owner), type_, int(ttl), records.rdata(made), number)


def _with_ttl(words: list[str]) -> list[str]:
    return [words[0], "0", *words[1:]]
