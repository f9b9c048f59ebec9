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
    {/log/type} {/log/class}                                          what the reply is, and its class (with *metadata*)
    {common} {combined}                                               short for the usual formats
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kdns.chain import Handler, Reply, Request, Step, repeatable
from kdns.corefile import Args, Directive
from kdns.errors import Dropped, NoAnswer, WireError
from kdns.placeholders import COMMON, Part, Seen, filled, parse_format
from kdns.reach import Reach
from kdns.wire import codes, names, verdict
from kdns.wire.names import Name
from kdns.wire.verdict import Verdict

SUCCESS, DENIAL, ERROR, ALL = "success", "denial", "error", "all"
CLASSES = {SUCCESS, DENIAL, ERROR, ALL}

_TYPE_OF = {
    Verdict.ANSWER: "NOERROR",
    Verdict.REFERRAL: "DELEGATION",
    Verdict.NODATA: "NODATA",
    Verdict.NXDOMAIN: "NXDOMAIN",
    Verdict.FAILURE: "SERVERERROR",
    Verdict.UNFIT: "OTHERERROR",
}
_CLASS_OF = {"NOERROR": SUCCESS, "DELEGATION": SUCCESS, "NODATA": DENIAL, "NXDOMAIN": DENIAL}  # the others: ERROR


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
        rule = self._rule(request)
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
        return self._noted(rule, request, reply)

    def step(self) -> Step:
        """Write a line for what comes back."""
        return Step(returned=lambda request, reply: self._noted(self._rule(request), request, reply))

    def reach(self) -> list[Reach]:
        """The names of all directives."""
        return [Reach(tuple(rule.scope for rule in self._rules))]

    def _rule(self, request: Request) -> Rule | None:
        key = request.question.key
        return next((rule for rule in self._rules if names.is_below(key, rule.scope)), None)

    def _noted(self, rule: Rule | None, request: Request, reply: Reply) -> Reply:
        noted = rule is not None and self._note(rule, request, reply)
        return reply.keeping(None) if noted and reply.keep is not None else reply

    def _note(self, rule: Rule, request: Request, reply: Reply | None) -> bool:
        if request.labels is not None:
            made = typify(request, reply, self._clocks.unix())
            request.labels.update({"log/type": made, "log/class": _CLASS_OF.get(made, ERROR)})
        if ALL not in rule.classes and classify(request, reply, self._clocks.unix()) not in rule.classes:
            return False
        seen = Seen(request, reply, max(0.0, self._clocks.monotonic() - request.now))
        self._write(filled(rule.format, seen))
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
    return _CLASS_OF.get(typify(request, reply, unix), ERROR)


def typify(request: Request, reply: Reply | None, unix: float) -> str:
    """What a reply is, in CoreDNS's words; `unix`: seconds since 1970, by which signatures expire."""
    asked = request.question
    opcode = asked.flags & codes.OPCODE_MASK
    if opcode == codes.UPDATE << 11:
        return "UPDATE"
    if opcode or asked.qtype in (codes.AXFR, codes.IXFR):
        return "META"
    if reply is None:
        return "OTHERERROR"
    if asked.do and not verdict.signatures_hold((*reply.answer, *reply.authority, *reply.additional), unix):
        return "OTHERERROR"
    return _TYPE_OF[verdict.at_sight(reply.rcode, reply.answer, reply.authority)]


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
