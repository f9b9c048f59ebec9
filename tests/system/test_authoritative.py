"""Zones beside NSD and Knot: the same answer for every name and type of generated zones."""

from collections.abc import Iterator

import pytest

from kdns.wire import codes, edns, names, records
from kdns.wire.edns import Edns
from kdns.wire.names import Name
from kdns.wire.records import RR, Message
from kdns.zone.zone import built
from tests.kdns.server import Kdns, exchange, query
from tests.kdns.zones import rrs
from tests.system.generated import asked, generated, run_on
from tests.system.nameservers import Knot, NameServer, Nsd

COUNT = 40  # zones a server


@pytest.fixture(scope="module")
def zones() -> list[str]:
    """The zones that are asked about."""
    return generated(COUNT)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, zones: list[str]) -> Iterator[tuple[Kdns, list[NameServer]]]:
    """kdns, NSD and Knot, all with the same zones."""
    directory = tmp_path_factory.mktemp("authoritative")
    named = {f"z{number}.test": text for number, text in enumerate(zones)}
    for name, text in named.items():
        (directory / name).write_text(text)
    lines = "".join(f"file {directory}/{name} {name}\n" for name in named)
    kdns = Kdns(directory, f".:@PORT@ {{\nbind 127.0.0.1\n{lines}}}\n")
    others: list[NameServer] = [Nsd(directory / "nsd", named), Knot(directory / "knot", named)]
    kdns.start()
    yield kdns, others
    for each in (kdns, *others):
        each.stop()


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
    if run_on(ours[0], ours[2], theirs[2]):
        return True
    no_soa = ours[:3] == theirs[:3] and bool(ours[2]) and not ours[3] and all(map(is_soa, theirs[3]))
    return no_soa or (is_empty and theirs[2] < ours[2] and theirs[0] == codes.NOERROR)


def met(question: str, answer: set[RR]) -> list[Name]:
    """The name that was asked for and those that aliases lead to."""
    targets = [records.rdata(rr) for rr in answer if records.rtype(rr) == codes.CNAME]
    return [names.parse(question.split()[0]), *targets]


def ask(question: str, port: int) -> Message:
    opt = edns.to_record(Edns(4096))
    packet = query(question)
    return records.read_message(exchange(packet[:11] + b"\1" + packet[12:] + opt, ("127.0.0.1", port)))


def test_every_name_and_type_is_answered_as_nsd_and_knot_answer_it(
    servers: tuple[Kdns, list[NameServer]], zones: list[str]
) -> None:
    kdns, others = servers
    for number, text in enumerate(zones):
        origin = names.parse(f"z{number}.test")
        zone = built(origin, rrs(text, f"z{number}.test."))
        for question in asked(f"z{number}.test", text):
            ours = seen(ask(question, kdns.port), origin)
            is_empty = any(zone.node(name) == () for name in met(question, ours[2]))
            for other in others:
                theirs = seen(ask(question, other.port), origin)
                assert ours == theirs or is_known(ours, theirs, is_empty), f"{type(other).__name__}: {question}\n{text}"
