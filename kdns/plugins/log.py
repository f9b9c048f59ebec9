"""log: a line for every query.

Syntax:
    log [NAMES...] [FORMAT] {
        class success|denial|error|all...     # only replies of these classes; all
    }

The first directive with a name at or above the query's decides (without names: all queries). FORMAT, the last of two or
more words, is text with placeholders:

    {type} {class} {name} {proto} {size} {remote} {port} {local}     of the query; size in octets
    {>id} {>opcode} {>do} {>bufsize}                                  of its header and OPT
    {rcode} {>rflags} {rsize} {duration}                              of the reply; octets before compression, seconds
    {/LABEL}                                                          of metadata, `-` without such a label
    {common} {combined}                                               short for the usual formats
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kdns.chain import Handler, Reply, Request, repeatable
from kdns.corefile import Args, Directive
from kdns.errors import Dropped, NoAnswer, WireError
from kdns.reach import Reach
from kdns.wire import codes, edns, fit, names, verdict
from kdns.wire.names import Name
from kdns.wire.verdict import Verdict

_QUERY = '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}"'
COMMON = _QUERY + " {rcode} {>rflags} {rsize} {duration}"
COMBINED = COMMON + ' "{>opcode}"'

SUCCESS, DENIAL, ERROR, ALL = "success", "denial", "error", "all"
CLASSES = {SUCCESS, DENIAL, ERROR, ALL}

_CLASS_OF = {
    Verdict.ANSWER: SUCCESS,
    Verdict.REFERRAL: SUCCESS,
    Verdict.NODATA: DENIAL,
    Verdict.NXDOMAIN: DENIAL,
}
_FLAGS = {
    "qr": codes.QR, "aa": codes.AA, "tc": codes.TC, "rd": codes.RD, "ra": codes.RA, "z": 0x40, "ad": codes.AD,
    "cd": codes.CD,
}  # fmt: skip


class Seen(NamedTuple):
    """A query, its reply (None if it was dropped), and the seconds between them."""

    request: Request
    reply: Reply | None
    seconds: float


Part = str | Callable[[Seen], str]


@dataclass(frozen=True)
class Rule:
    """A format for the names at or below `scope`, and the classes of replies that get a line."""

    scope: Name
    format: tuple[Part, ...]
    classes: frozenset[str]


class Clocks(NamedTuple):
    """Seconds: `monotonic`, as in Request.now, and `unix`, by which signatures expire."""

    monotonic: Callable[[], float] = time.monotonic
    unix: Callable[[], float] = time.time


@repeatable
class Log:
    """The plugin of one server block. `write` gets each line; what is logged is not repeated without it."""

    def __init__(self, rules: Sequence[Rule], write: Callable[[str], None], clocks: Clocks) -> None:
        self._rules = rules
        self._write = write
        self._clocks = clocks

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below, once its line is written."""
        key = request.question.key
        rule = next((rule for rule in self._rules if names.is_below(key, rule.scope)), None)
        if rule is None:
            return await rest(request)
        try:
            reply = await rest(request)
        except NoAnswer as unwritten:
            self._note(rule, request, Reply(unwritten.rcode))
            raise
        except Dropped:
            self._note(rule, request, None)
            raise
        noted = self._note(rule, request, reply)
        return reply.keeping(None) if noted and reply.keep is not None else reply

    def reach(self) -> list[Reach]:
        """The names of all directives."""
        return [Reach(tuple(rule.scope for rule in self._rules))]

    def _note(self, rule: Rule, request: Request, reply: Reply | None) -> bool:
        if ALL not in rule.classes and classify(request, reply, self._clocks.unix()) not in rule.classes:
            return False
        seen = Seen(request, reply, max(0.0, self._clocks.monotonic() - request.now))
        self._write("".join(part if isinstance(part, str) else part(seen) for part in rule.format))
        return True


def setup(args: Args) -> Log:
    """The plugin of one server block. ConfigError for unknown classes or properties."""
    return logging(args, Clocks())


def logging(args: Args, clocks: Clocks) -> Log:
    """The same with other clocks."""
    rules = [rule for directive in args.directives for rule in _rules(directive)]
    return Log(rules, lambda line: args.log("LINE", line), clocks)


def classify(request: Request, reply: Reply | None, unix: float) -> str:
    """The class of a reply. No reply, a transfer, and expired signatures that were wanted are errors."""
    asked = request.question
    if reply is None or asked.qtype in (codes.AXFR, codes.IXFR) or asked.flags & codes.OPCODE_MASK:
        return ERROR
    if asked.do and not verdict.signatures_hold((*reply.answer, *reply.authority, *reply.additional), unix):
        return ERROR
    return _CLASS_OF.get(verdict.at_sight(reply.rcode, reply.answer, reply.authority), ERROR)


def parse_format(text: str) -> tuple[Part, ...]:
    """A FORMAT in pieces: literal text, and functions for its placeholders. Unknown placeholders are literal."""
    text = text.replace("{common}", COMMON).replace("{combined}", COMBINED)
    return tuple(_part(piece) for piece in re.split(r"(\{[^{}]*\})", text) if piece)


def _part(piece: str) -> Part:
    if piece.startswith("{/"):
        label = piece[2:-1]
        return lambda seen: (seen.request.labels or {}).get(label, "-")
    return _FIELDS.get(piece, piece)


def _rules(directive: Directive) -> list[Rule]:
    scopes: Sequence[str] = directive.words or (".",)
    form = COMMON
    if len(scopes) > 1 and "{" in scopes[-1]:
        *scopes, form = scopes
    classes = _classes(directive) or frozenset({ALL})
    try:
        return [Rule(names.parse(scope).lower(), parse_format(form), classes) for scope in scopes]
    except WireError as fault:
        raise directive.error(str(fault)) from None


def _classes(directive: Directive) -> frozenset[str]:
    found: set[str] = set()
    for line in directive.lines:
        if line.name != "class":
            raise line.error(f"unknown property '{line.name}'")
        if not line.args:
            raise line.wrong_count()
        for word in line.args:
            if word not in CLASSES:
                raise line.error(f"invalid Class: {word}")
            found.add(word)
    return frozenset(found)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _rcode(seen: Seen) -> str:
    if seen.reply is None:
        return "-"
    return codes.RCODES.get(seen.reply.rcode) or str(seen.reply.rcode)


def _reply_flags(seen: Seen) -> str:
    if seen.reply is None:
        return "-"
    word = fit.flags(seen.request.question, seen.reply.flags, seen.reply.rcode) & ~seen.reply.cleared
    return ",".join(name for name, bit in _FLAGS.items() if word & bit)


def _reply_size(seen: Seen) -> str:
    reply = seen.reply
    if reply is None:
        return "0"
    opt = edns.to_record(reply.edns) if reply.edns else b""
    return str(fit.uncompressed_size(seen.request.question, (reply.answer, reply.authority, reply.additional), opt))


def _duration(seen: Seen) -> str:
    return f"{seen.seconds:.9f}".rstrip("0").rstrip(".") + "s"


def _buffer_size(seen: Seen) -> str:
    return str(fit.limits(seen.request.question, seen.request.client.proto, False)[0])


_FIELDS: dict[str, Callable[[Seen], str]] = {
    "{type}": lambda seen: codes.type_name(seen.request.question.qtype),
    "{class}": lambda seen: codes.class_name(seen.request.question.qclass),
    "{name}": lambda seen: names.show(seen.request.question.key),
    "{proto}": lambda seen: seen.request.client.proto,
    "{size}": lambda seen: str(seen.request.size),
    "{remote}": lambda seen: _host(seen.request.client.address),
    "{port}": lambda seen: str(seen.request.client.port),
    "{local}": lambda seen: _host(seen.request.client.local_address),
    "{>id}": lambda seen: str(seen.request.question.id),
    "{>opcode}": lambda seen: str((seen.request.question.flags & codes.OPCODE_MASK) >> 11),
    "{>do}": lambda seen: "true" if seen.request.question.do else "false",
    "{>bufsize}": _buffer_size,
    "{rcode}": _rcode,
    "{>rflags}": _reply_flags,
    "{rsize}": _reply_size,
    "{duration}": _duration,
}
