"""header: set or clear flags in the headers of queries and replies.

Syntax:
    header {
        query|response set|clear aa|ra|rd...
    }

Lines are applied in order. What a query says of RD is copied into its reply, so a changed query changes that as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kdns.chain import Handler, Plugin, Reply, Request, repeatable
from kdns.corefile import Args, Directive, Line
from kdns.wire import codes

FLAGS = {"aa": codes.AA, "ra": codes.RA, "rd": codes.RD}


@dataclass(frozen=True)
class Rule:
    """Header bits to set or to clear."""

    bits: int
    is_set: bool

    def applied(self, word: int) -> int:
        """The header's second word with the bits as they should be."""
        return word | self.bits if self.is_set else word & ~self.bits


def setup(args: Args) -> Plugin:
    """The plugin of one server block, by the first directive that has rules. ConfigError for wrong ones."""
    for directive in args.directives:
        queries, replies = _rules(directive)
        if queries or replies:
            break
    else:
        raise args.directives[-1].wrong_count()

    @repeatable
    async def header(request: Request, rest: Handler) -> Reply:
        asked = request.question
        word = _applied(queries, asked.flags)
        reply = await rest(request._replace(question=asked._replace(flags=word)))
        whole = _applied(replies, (reply.flags | word & codes.RD) & ~reply.cleared)
        lost = asked.flags & codes.RD & ~whole
        return reply._replace(flags=whole, cleared=reply.cleared & ~whole | lost)

    return header


def _applied(rules: Sequence[Rule], word: int) -> int:
    for rule in rules:
        word = rule.applied(word)
    return word


def _rules(directive: Directive) -> tuple[list[Rule], list[Rule]]:
    """The rules for queries and for replies."""
    directive.expect(0)
    rules: dict[str, list[Rule]] = {"query": [], "response": []}
    for line in directive.lines:
        selector = line.name.lower()
        if selector not in rules:
            raise _refused(line, f"invalid selector={selector} should be query or response")
        rules[selector].append(_rule(line))
    return rules["query"], rules["response"]


def _rule(line: Line) -> Rule:
    if not line.args:
        raise _refused(line, "no flag action provided")
    action, *flags = (word.lower() for word in line.args)
    if not flags:
        raise _refused(line, "invalid length for flags, at least one should be provided")
    if action not in ("set", "clear"):
        raise _refused(line, f"unknown flag action={action}, should be set or clear")
    bits = 0
    for flag in flags:
        if flag not in FLAGS:
            raise _refused(line, f"unknown/unsupported flag={flag}")
        bits |= FLAGS[flag]
    return Rule(bits, action == "set")


def _refused(line: Line, reason: str) -> Exception:
    return line.error(f"setting up rule: {reason}")
