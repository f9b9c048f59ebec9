"""rewrite: change queries on their way down, and undo it in their replies.

Syntax:
    rewrite [continue|stop] FIELD ...       # stop (the default): no further rule after this one matched
    rewrite [continue|stop] {               # the same; the lines are read as one
        FIELD ...
    }

FIELD is one of:
    name [exact|prefix|suffix|substring|regex] FROM TO [answer auto|name FROM TO|value FROM TO]...
    type FROM TO
    class FROM TO
    edns0 local set|append|replace CODE DATA|{VARIABLE} [revert]
    edns0 local unset CODE
    edns0 nsid set|append|replace [revert]
    edns0 nsid unset
    edns0 subnet set|append|replace V4BITS V6BITS [revert]
    edns0 subnet unset
    ttl [exact|prefix|suffix|substring|regex] NAME SECONDS|MIN-MAX|-MAX|MIN-
    rcode [exact|prefix|suffix|substring|regex] NAME FROM TO
    cname [exact|prefix|suffix|substring|regex] FROM TO

Rules apply in order; what they do to replies is done in the reverse order. The client gets its own question back.
"""

from collections.abc import Callable, Sequence

from kdns.chain import Handler, Reply, Request
from kdns.corefile import Args, Directive
from kdns.errors import NoAnswer
from kdns.rewriting.options import echoed, edns0_rule
from kdns.rewriting.query import class_rule, name_rule, type_rule
from kdns.rewriting.reply import cname_rule, rcode_rule, ttl_rule
from kdns.rewriting.rules import Rule, Undo

STOP, CONTINUE = "stop", "continue"

_READERS: dict[str, Callable[[Sequence[str]], Rule]] = {
    "name": name_rule,
    "type": type_rule,
    "class": class_rule,
    "edns0": edns0_rule,
    "ttl": ttl_rule,
    "rcode": rcode_rule,
    "cname": cname_rule,
}


class Rewrite:
    """The plugin of one server block: rules, each with whether it is the last where it matches."""

    def __init__(self, rules: Sequence[tuple[Rule, bool]]) -> None:
        self._rules = rules
        self._local = frozenset(rule.local for rule, _ in rules if rule.local is not None)
        self.repeatable = all(rule.of_packet for rule, _ in rules)

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below to what the rules made of the query, as the reply to the query that came."""
        asked, undo = self._rewritten(request)
        try:
            reply = await rest(asked)
        except NoAnswer as unwritten:
            empty = await _undone(Reply(unwritten.rcode), asked, undo)
            raise NoAnswer(empty.rcode, unwritten.reason) from unwritten
        opt = asked.question.edns
        if reply.edns is None and opt is not None and (self._local or opt is not request.question.edns):
            reply = reply._replace(edns=echoed(opt, self._local))
        return await _undone(reply, asked, undo)

    def _rewritten(self, request: Request) -> tuple[Request, list[Undo]]:
        undo: list[Undo] = []
        for rule, is_last in self._rules:
            change = rule.apply(request)
            if change is None:
                continue
            request = change.request
            undo += change.undo
            if change.matched and is_last:
                break
        return request, undo


def setup(args: Args) -> Rewrite:
    """The plugin of one server block. ConfigError for rules that cannot be read."""
    return Rewrite([_rule(directive) for directive in args.directives])


async def _undone(reply: Reply, asked: Request, undo: Sequence[Undo]) -> Reply:
    for each in reversed(undo):
        reply = await each(asked, reply)
    return reply


def _rule(directive: Directive) -> tuple[Rule, bool]:
    words = list(directive.words)
    if len(words) < 2:
        words += [word for line in directive.lines for word in line.words]
    else:
        directive.alone(len(words))
    try:
        return _read(words)
    except ValueError as fault:
        raise directive.error(str(fault)) from None


def _read(words: Sequence[str]) -> tuple[Rule, bool]:
    if not words:
        raise ValueError("no rule type specified for rewrite")
    mode = words[0].lower()
    fields = words[1:] if mode in (STOP, CONTINUE) else words
    if not fields:
        raise ValueError(f"{mode} rule must begin with a rule type")
    field = fields[0].lower()
    if field == "answer":
        raise ValueError("response rewrites must begin with a name rule")
    if field not in _READERS:
        raise ValueError(f'invalid rule type "{words[0]}"')
    return _READERS[field](fields[1:]), mode != CONTINUE
