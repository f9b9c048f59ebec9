"""What a reply says: an answer, NODATA, NXDOMAIN, a referral, a failure (RFC 2308 sections 2 and 7).

A reply is looked at as values, against the question that it answers. The classes are those of CoreDNS's cache: what
may be kept, in which of its two stores, and for how long, follows from them.
"""

from collections.abc import Iterable
from enum import Enum
from struct import Struct

from kdns.wire import codes, records
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import RR

_KIND = Struct("!HH")
_SERIAL_HALF = 1 << 31


class Verdict(Enum):
    """The classes of replies. UNFIT ones (other errors, expired signatures) are never kept."""

    ANSWER = "answer"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    REFERRAL = "referral"
    FAILURE = "failure"  # SERVFAIL, NOTIMP
    UNFIT = "unfit"


# Python 3.11 asks a function for each member of an Enum: on every reply's way they have names of their own.
ANSWER, NODATA, NXDOMAIN, REFERRAL, FAILURE, UNFIT = Verdict
DENIALS = NODATA, NXDOMAIN, FAILURE  # few, and told apart by identity


def of(question: Question, rcode: int, answer: tuple[RR, ...], authority: tuple[RR, ...]) -> Verdict:
    """The class of a reply. An empty NOERROR with neither SOA nor NS counts as an answer, as CoreDNS has it."""
    return of_resolved(rcode, answer, authority, resolves(question, answer))


def of_resolved(rcode: int, answer: tuple[RR, ...], authority: tuple[RR, ...], resolved: bool) -> Verdict:
    """The same where it is known whether the answer section `resolves`."""
    seen = at_sight(rcode, answer, authority)
    if answer and seen is ANSWER and not resolved and has_soa(authority):
        return NODATA
    return seen


def at_sight(rcode: int, answer: tuple[RR, ...], authority: tuple[RR, ...]) -> Verdict:
    """The class of a reply without following its aliases: any records are an answer."""
    if rcode == codes.NXDOMAIN:
        return UNFIT if answer else NXDOMAIN
    if rcode != codes.NOERROR:
        return FAILURE if rcode in (codes.SERVFAIL, codes.NOTIMP) else UNFIT
    if answer:
        return ANSWER
    kinds = {records.rtype(rr) for rr in authority}
    if codes.SOA in kinds:
        return NODATA
    return REFERRAL if codes.NS in kinds else ANSWER


def has_soa(authority: Iterable[RR]) -> bool:
    """Whether the authority section bounds a denial by an SOA."""
    return any(records.rtype(rr) == codes.SOA for rr in authority)


def resolves(question: Question, answer: tuple[RR, ...]) -> bool:
    """Whether an answer section has the asked type at the end of the alias chain (RFC 1034 section 3.6.2).

    False for an empty section, a chain that loops or forks (RFC 2181 section 10.1), one that ends elsewhere. ANY is
    answered by whatever its name owns, CNAME by the alias itself.
    """
    if question.qtype != codes.CNAME and _is_plain(question, answer):
        return True
    fitting = [rr for rr in answer if question.qclass in (codes.ANY_CLASS, records.rclass(rr))]
    if question.qtype == codes.ANY:
        return any(records.owner(rr).lower() == question.key for rr in fitting)
    if question.qtype == codes.CNAME:
        return len(_aliases(fitting).get(question.key, ())) == 1
    end = end_of_aliases(question, fitting)
    return any(records.rtype(rr) == question.qtype and records.owner(rr).lower() == end for rr in fitting)


def end_of_aliases(question: Question, answer: Iterable[RR]) -> Name | None:
    """The name (lower-cased) that the aliases of an answer lead to; None of a chain that loops or forks."""
    return _end_of_chain(question.key, _aliases(answer))


def is_valid_at(rr: RR, now: float) -> bool:
    """Whether an RRSIG is valid at `now` (Unix seconds), by serial arithmetic (RFC 4034 section 3.1.5)."""
    octets = records.rdata(rr)
    expiration, inception = int.from_bytes(octets[8:12], "big"), int.from_bytes(octets[12:16], "big")
    return _ahead(int(now), inception) and _ahead(expiration, int(now))


def signatures_hold(rrs: Iterable[RR], now: float) -> bool:
    """Whether every RRSIG among the records is valid at `now` (Unix seconds); True without any."""
    return all(is_valid_at(rr, now) for rr in rrs if records.rtype(rr) == codes.RRSIG)


def _is_plain(question: Question, answer: tuple[RR, ...]) -> bool:
    """Whether all records have the name, type and class that were asked for: so most answers are."""
    end, kind = len(question.key), _KIND.pack(question.qtype, question.qclass)
    for rr in answer:
        if rr[end : end + 4] != kind or rr[:end].lower() != question.key:
            return False
    return bool(answer)


def _aliases(answer: Iterable[RR]) -> dict[Name, set[Name]]:
    found: dict[Name, set[Name]] = {}
    for rr in answer:
        if records.rtype(rr) == codes.CNAME:
            found.setdefault(records.owner(rr).lower(), set()).add(records.rdata(rr).lower())
    return found


def _end_of_chain(name: Name, aliases: dict[Name, set[Name]]) -> Name | None:
    seen: set[Name] = set()
    while targets := aliases.get(name):
        if name in seen or len(targets) > 1:
            return None
        seen.add(name)
        (name,) = targets
    return name


def _ahead(later: int, earlier: int) -> bool:
    return (later - earlier) % (1 << 32) < _SERIAL_HALF
