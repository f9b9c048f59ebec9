"""One template directive: which queries it is for, and what it knows about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kdns.chain import Request
from kdns.corefile import Fall
from kdns.corefile.patterns import Match, Pattern
from kdns.errors import EvaluationError
from kdns.expression import query
from kdns.expression.compiler import Program, Scope
from kdns.expression.functions import Function
from kdns.expression.values import Kind, Value
from kdns.templating.execution import Template
from kdns.templating.functions import Struct, Texts
from kdns.templating.query import data
from kdns.templating.syntax import members
from kdns.wire import codes, names
from kdns.wire.edns import Edns
from kdns.wire.names import Name

SECTIONS = ("answer", "authority", "additional")
SCOPE: Scope = {**query.SCOPE, "group": Function(1, 1, (Kind.ANY,), Kind.STRING)}

# Members of the data that others who send the same packet do not share; "" stands for all of it.
_NOT_SHARED = frozenset({"", "Remote", "Meta", "Message"})


class Outcome(NamedTuple):
    """What a rule says of a query: the data for its templates, or whether the search goes on without it."""

    data: Struct | None
    goes_on: bool = False


@dataclass(frozen=True)
class Rule:
    """A directive as read. `variables` and `conditions` are programs in their order; `templates` are by section."""

    qclass: int
    qtype: int
    zones: tuple[Name, ...]
    patterns: tuple[tuple[str, Pattern], ...]
    variables: tuple[tuple[str, Program], ...]
    conditions: tuple[Program, ...]
    templates: Mapping[str, tuple[Template, ...]]
    rcode: int
    error: Edns | None
    fall: Fall

    @property
    def is_of_packet(self) -> bool:
        """Whether it makes the same of every packet with the same octets."""
        trees = tuple(template.nodes for templates in self.templates.values() for template in templates)
        return not self.variables and not self.conditions and _NOT_SHARED.isdisjoint(members(trees))

    @property
    def is_for_all(self) -> bool:
        """Whether it is for every class and type."""
        return self.qclass == codes.ANY_CLASS and self.qtype == codes.ANY

    def match(self, request: Request) -> Outcome:
        """What this rule says of a query."""
        asked = request.question
        zone = next((zone for zone in names.ancestors(asked.key) if zone in self.zones), None)
        if zone is None or not self._fits(asked.qclass, asked.qtype):
            return Outcome(None, goes_on=True)
        name = names.show(asked.key)
        for source, pattern in self.patterns:
            found = pattern.search(name)
            if found is not None:
                return self._matched(request, zone, source, found)
        return Outcome(None, self.fall.through(asked.key))

    def _fits(self, qclass: int, qtype: int) -> bool:
        """Whether class and type are those of the directive; ANY is all, on either side."""
        fits_class = codes.ANY_CLASS in (self.qclass, qclass) or self.qclass == qclass
        return fits_class and (codes.ANY in (self.qtype, qtype) or self.qtype == qtype)

    def _matched(self, request: Request, zone: Name, source: str, match: Match) -> Outcome:
        asked = request.question
        name = names.show(asked.key)
        matches = [name[match.start() : match.end()], *(group or "" for group in match.groups())]
        groups = Texts({str(number): group for number, group in enumerate(matches)})
        groups.update({key: group or "" for key, group in match.groupdict().items()})
        try:
            variables, goes_on = self._evaluated(request, groups)
        except EvaluationError:
            return Outcome(None)
        if goes_on is not None:
            return Outcome(None, goes_on)
        qclass = self.qclass if asked.qclass == codes.ANY_CLASS else asked.qclass
        qtype = self.qtype if asked.qtype == codes.ANY else asked.qtype
        return Outcome(
            data(
                request,
                Zone=names.show(zone),
                Regex=source,
                Match=matches,
                Group=groups,
                Class=codes.CLASSES.get(qclass, ""),
                Type=codes.TYPES.get(qtype, ""),
                Var=variables,
            )
        )

    def _evaluated(self, request: Request, groups: Texts) -> tuple[dict[str, Value], bool | None]:
        """The variables; and where a condition is not true, whether the search goes on."""
        variables: dict[str, Value] = {}
        if not self.variables and not self.conditions:
            return variables, None
        frame = query.frame(request)
        frame["group"] = lambda key: groups.get(str(key), "") if isinstance(key, str | int) else ""
        for name, program in self.variables:
            variables[name] = frame[name] = program.run(frame)
        if all(condition.run(frame) is True for condition in self.conditions):
            return variables, None
        return variables, self.fall.through(request.question.key)
