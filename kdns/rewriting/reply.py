"""Rules that change the reply of the queries that they match: its TTLs, its RCODE, the target of its alias."""

from collections.abc import Callable, Sequence

from kdns.chain import Reply, Request
from kdns.corefile.numbers import unsigned
from kdns.corefile.patterns import MAX_PATTERN, compiled
from kdns.errors import SERVFAIL, NoAnswer, WireError
from kdns.rewriting.answer import each_record
from kdns.rewriting.matching import EXACT, KINDS, REGEX, Replacer, by_pattern, matcher, normal, replacer
from kdns.rewriting.rules import Change, Rule, at_once
from kdns.wire import codes, names, records
from kdns.wire.records import RR

MAX_TTL = 0x7FFFFFFF  # seconds (RFC 2181 section 8)
MAX_NUMERIC_RCODE = 23


def ttl_rule(words: Sequence[str]) -> Rule:
    """`[KIND] NAME TTL|MIN-MAX|-MAX|MIN-`, in seconds, bounds inclusive. ValueError for anything else."""
    if len(words) < 2:
        raise ValueError(f"too few ({len(words)}) arguments for a ttl rule")
    low, high = _bounds(words[-1] if len(words) < 4 else "")

    def clamped(rr: RR) -> RR:
        return records.with_ttl(rr, min(max(records.ttl(rr), low), high))

    return _on_match(words[:-1], "ttl", lambda reply: each_record(reply, clamped))


def rcode_rule(words: Sequence[str]) -> Rule:
    """`[KIND] NAME FROM TO`, RCODEs by name or number. ValueError for anything else."""
    if len(words) < 3:
        raise ValueError(f"too few ({len(words)}) arguments for a rcode rule")
    old, new = words[-2:] if len(words) < 5 else ("", "")
    before, after = _rcode(old, "matching"), _rcode(new, "replacement")
    return _on_match(words[:-2], "rcode", lambda reply: reply._replace(rcode=after) if reply.rcode == before else reply)


def cname_rule(words: Sequence[str]) -> Rule:
    """`[KIND] FROM TO`: the first alias to FROM leads to TO, which is looked up. ValueError for anything else."""
    if len(words) not in (2, 3):
        raise ValueError(f"too few ({len(words)}) arguments for a cname rule")
    kind = words[0].lower() if len(words) == 3 else EXACT
    if kind not in KINDS:
        raise ValueError(f"unknown cname rewrite type: {kind}")
    retarget = _retargeting(kind, words[-2].lower(), words[-1].lower())

    async def undo(request: Request, reply: Reply) -> Reply:
        for number, rr in enumerate(reply.answer):
            if records.rtype(rr) != codes.CNAME:
                continue
            target = retarget(names.show(records.rdata(rr).lower()))
            if target is not None:
                return await _led_to(target, number, request, reply)
        return reply

    return Rule(lambda request: Change(request, (undo,)))


async def _led_to(target: str, number: int, request: Request, reply: Reply) -> Reply:
    """The aliases up to the one at `number`, which now leads to `target`, and what the server knows about that."""
    try:
        name = names.parse(target)
    except WireError:
        raise NoAnswer(SERVFAIL, f"invalid name after rewrite: {target}") from None
    found = await request.ask(request, name, request.question.qtype)
    before = [rr for rr in reply.answer[:number] if records.rtype(rr) == codes.CNAME]
    alias = records.with_rdata(reply.answer[number], name)
    # The server may forget the new answer at other times than the old one: no repeats.
    flags = reply.flags & ~codes.TC | found.flags & codes.TC
    return reply._replace(answer=(*before, alias, *found.answer), flags=flags, keep=None)


def _retargeting(kind: str, old: str, new: str) -> Replacer:
    if kind == EXACT:
        return replacer(EXACT, normal(old), normal(new))
    if kind != REGEX:
        return replacer(kind, old, new)
    if len(old) > MAX_PATTERN:
        raise ValueError(f"regex pattern too long in a cname rule: {len(old)} > {MAX_PATTERN}")
    try:
        return by_pattern(compiled(old), new)
    except ValueError as fault:
        raise ValueError(f"invalid cname rewrite regex pattern: {fault}") from None


def _on_match(words: Sequence[str], rule: str, change: Callable[[Reply], Reply]) -> Rule:
    kind, text = (EXACT, words[0]) if len(words) == 1 else (words[0].lower(), words[1])
    matches = matcher(kind, text, rule)
    undo = at_once(change)

    def apply(request: Request) -> Change | None:
        return None if matches(names.show(request.question.key)) is None else Change(request, (undo,))

    return Rule(apply)


def _bounds(text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    try:
        if not dash:
            return unsigned(low, 32), unsigned(low, 32)
        if low or high:
            bounds = unsigned(low or "0", 32), unsigned(high or str(MAX_TTL), 32)
            if bounds[0] <= bounds[1]:
                return bounds
    except ValueError:
        pass
    raise ValueError(f"invalid TTL '{text}' for a ttl rule")


def _rcode(text: str, which: str) -> int:
    try:
        if text.isdigit() and (number := unsigned(text, 32)) <= MAX_NUMERIC_RCODE:
            return number
        return codes.rcode_number(text)
    except (KeyError, ValueError):
        raise ValueError(f"invalid {which} RCODE '{text}' for a rcode rule") from None
