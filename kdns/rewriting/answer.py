"""What name rules do to replies: `answer auto|name|value`, on owner names and on the names that records point to."""

from collections.abc import Callable, Iterator, Sequence

from kdns.chain import Reply
from kdns.errors import SERVFAIL, NoAnswer, WireError
from kdns.rewriting.matching import Replacer, by_pattern, normal, template_pattern
from kdns.rewriting.rules import Undo, at_once
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR

# Types whose RDATA points to a name, with the octets in front of it (of SOA the MNAME; NAPTR has strings in front).
_TARGET_AT = {codes.NS: 0, codes.CNAME: 0, codes.SOA: 0, codes.PTR: 0, codes.DNAME: 0, codes.MX: 2, codes.SRV: 6}
_NAPTR_STRINGS = 3  # flags, services, regexp, behind order and preference (RFC 3403 section 4.1)

Renaming = Callable[[Name], Name]


def read(kind: str, words: Sequence[str]) -> tuple[bool, tuple[Undo, ...]]:
    """What stands behind FROM and TO of a name rule: whether `auto` is, and the rest. ValueError for mistakes."""
    if len(words) < 2:
        raise ValueError(f"invalid arguments for {kind} rule")
    if words[0] != "answer":
        raise ValueError(f"exceeded the number of arguments for a non-answer rule argument for {kind} rule")
    auto, has_names = False, False
    found: list[Undo] = []
    for what, arguments in _parts(kind, words):
        if what == "auto":
            auto = True
            continue
        has_names = has_names or what == "name"
        found.append(_explicit(kind, what, arguments))
    if auto and has_names:
        raise ValueError("auto name answer rule cannot be combined with explicit name anwer rules")
    return auto, tuple(found)


def renamed_by(replace: Replacer) -> tuple[Undo, Undo]:
    """Owners and targets rewritten as text where `replace` matches them."""
    rename = _as_text(replace)
    return owners(rename), targets(rename)


def mapped_back(after: Name, before: Name) -> tuple[Undo, Undo]:
    """Owners and targets at or below the name that was asked in the end, put back below the one that came."""

    def rename(name: Name) -> Name:
        if not names.is_below(name.lower(), after):
            return name
        return _within_bounds(name[: len(name) - len(after)] + before)

    return owners(rename), targets(rename)


def owners(rename: Renaming) -> Undo:
    """The owner of every record renamed."""
    return at_once(lambda reply: each_record(reply, lambda rr: records.with_owner(rr, rename(records.owner(rr)))))


def targets(rename: Renaming) -> Undo:
    """The name that a record points to renamed, in every record that points to one."""
    return at_once(lambda reply: each_record(reply, lambda rr: _with_target(rr, rename)))


def each_record(reply: Reply, change: Callable[[RR], RR]) -> Reply:
    """The reply with every record of its three sections changed."""
    return reply._replace(
        answer=tuple(map(change, reply.answer)),
        authority=tuple(map(change, reply.authority)),
        additional=tuple(map(change, reply.additional)),
    )


def _parts(kind: str, words: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """What is to be done to answers, with its arguments; `answer` may stand in front of each or of the first only."""
    at = 0
    while at < len(words):
        at += words[at] == "answer"
        if at == len(words):
            raise ValueError(f"type missing for answer rule for {kind} rule")
        what = words[at]
        if what not in ("auto", "name", "value"):
            raise ValueError(f'invalid type "{what}" for answer rule for {kind} rule')
        count = 0 if what == "auto" else 2
        if len(words) - at - 1 < count:
            raise ValueError(f"{what} answer rule for {kind} rule: 2 arguments required")
        yield what, words[at + 1 : at + 1 + count]
        at += 1 + count


def _explicit(kind: str, what: str, arguments: Sequence[str]) -> Undo:
    old, new = arguments
    try:
        rename = _as_text(by_pattern(template_pattern(old, new), normal(new)))
    except ValueError as fault:
        raise ValueError(f"{what} answer rule for {kind} rule: {fault}") from None
    return owners(rename) if what == "name" else targets(rename)


def _as_text(replace: Replacer) -> Renaming:
    def rename(name: Name) -> Name:
        text = replace(names.show(name))
        if text is None:
            return name
        try:
            return names.parse(text)
        except WireError:
            raise NoAnswer(SERVFAIL, f"invalid name after rewrite: {text}") from None

    return rename


def _within_bounds(name: Name) -> Name:
    if len(name) > names.MAX_NAME:
        raise NoAnswer(SERVFAIL, f"invalid name after rewrite: {names.show(name)}")
    return name


def _with_target(rr: RR, rename: Renaming) -> RR:
    octets = records.rdata(rr)
    try:
        start = _target_at(records.rtype(rr), octets)
        if start is None:
            return rr
        end = names.end_of(octets, start)
    except (WireError, IndexError):  # RDATA that is not what its type says: an upstream's, passed on as it came
        return rr
    return records.with_rdata(rr, octets[:start] + rename(octets[start:end]) + octets[end:])


def _target_at(kind: int, octets: bytes) -> int | None:
    if kind != codes.NAPTR:
        return _TARGET_AT.get(kind)
    at = 4
    for _ in range(_NAPTR_STRINGS):
        at += 1 + octets[at]
    return at
