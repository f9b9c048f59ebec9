"""template: answers made from the queries themselves.

Syntax:
    template CLASS TYPE [ZONES...] {
        match REGEXP...                             # of the name; .* ; the first that matches counts
        var NAME EXPRESSION                         # for the templates, and the expressions below
        expr EXPRESSION                             # a condition: all must be true
        answer|additional|authority TEMPLATE...     # a record each, in zone-file form
        rcode RCODE                                 # NOERROR
        ederror CODE [TEXT]                         # an Extended DNS Error (RFC 8914)
        fallthrough [ZONES...]                      # where nothing matches: to the next template, then the next plugin
    }

Of the templates whose zone, class and type (ANY: all) fit, the first that matches answers; one that does not match ends
the search with SERVFAIL unless it falls through. Aliases are followed by asking this server. Templates are Go's, with
.Name .Zone .Class .Type .Match .Group .Var .Remote .Question .Message .Meta; expressions are those of views, and group.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial

from kdns.chain import Handler, Keep, Reply, Request
from kdns.corefile import Args, Directive, Fall, Line
from kdns.corefile.numbers import unsigned
from kdns.corefile.patterns import Pattern, compiled
from kdns.errors import SERVFAIL, EvaluationError, NoAnswer, WireError
from kdns.expression import compiler
from kdns.expression.compiler import Program, is_reserved
from kdns.metrics import Metrics
from kdns.reach import Reach
from kdns.templating import execution
from kdns.templating.execution import Template as Text
from kdns.templating.functions import Struct
from kdns.templating.query import record
from kdns.templating.rule import SCOPE, SECTIONS, Rule
from kdns.wire import codes, edns, records
from kdns.wire.edns import Edns
from kdns.wire.records import RR

SIZE = 4096  # octets: the UDP size that a reply with an Extended DNS Error states to a client that stated none


_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ALIASES_FOR = frozenset({codes.A, codes.AAAA})


class Template:
    """The plugin of one server block: its rules in their order."""

    def __init__(self, rules: Sequence[Rule], metrics: Metrics) -> None:
        self._rules = rules
        self._matches = metrics.family("template_matches_total")
        self._failures = metrics.family("template_template_failures_total")
        self._no_records = metrics.family("template_rr_failures_total")
        self.repeatable = all(rule.is_of_packet for rule in rules)

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The answer of the first rule that matches, or what is below; an update (RFC 2136) is no question."""
        if request.question.is_update:
            return await rest(request)
        for rule in self._rules:
            outcome = rule.match(request)
            if outcome.data is not None:
                return await self._answer(rule, outcome.data, request)
            if not outcome.goes_on:
                raise NoAnswer(SERVFAIL)
        return await rest(request)

    def reach(self) -> list[Reach]:
        """What each rule is for: those for every class and type end what does not fall through."""
        return [Reach(rule.zones, rule.zones if rule.is_for_all else (), rule.fall.zones or ()) for rule in self._rules]

    async def _answer(self, rule: Rule, data: Struct, request: Request) -> Reply:
        where = (request.server, str(data["Zone"]), request.view, str(data["Class"]), str(data["Type"]))
        self._matches.add(where)
        if rule.rcode == codes.SERVFAIL:
            raise NoAnswer(SERVFAIL)
        keep: Keep | None = Keep().tallied(lambda times: self._matches.add(where, times))
        answer: list[RR] = []
        flags = codes.AA
        for rr in self._records(rule, "answer", data, where):
            answer.append(rr)
            if request.question.qtype in _ALIASES_FOR and records.rtype(rr) == codes.CNAME:
                found = await request.ask(request, records.rdata(rr), request.question.qtype)
                answer += found.answer
                flags = codes.AA | found.flags & codes.TC
                keep = None
        authority = tuple(self._records(rule, "authority", data, where))
        additional = tuple(self._records(rule, "additional", data, where))
        return Reply(rule.rcode, tuple(answer), authority, additional, flags, rule.error, by="template", keep=keep)

    def _records(self, rule: Rule, section: str, data: Struct, where: tuple[str, ...]) -> list[RR]:
        return [self._record(text, data, (*where, section, text.source)) for text in rule.templates[section]]

    def _record(self, text: Text, data: Struct, where: tuple[str, ...]) -> RR:
        try:
            return record(text.execute(data))
        except EvaluationError as fault:
            self._failures.add(where)
            raise NoAnswer(SERVFAIL, f"template: {where[-2]}: {fault}") from None
        except WireError as fault:
            self._no_records.add(where)
            raise NoAnswer(SERVFAIL, str(fault)) from None


def setup(args: Args) -> Template:
    """The plugin of one server block. ConfigError for patterns, expressions and templates that are none."""
    return Template([_rule(args, directive) for directive in args.directives], args.metrics)


def _rule(args: Args, directive: Directive) -> Rule:
    if len(directive.words) < 2:
        raise directive.wrong_count()
    qclass, qtype, *zones = directive.words
    reading = _Reading()
    for line in directive.lines:
        reading.property(args, line)
    return Rule(
        _number(directive.head, qclass, codes.class_number, "invalid query class"),
        _number(directive.head, qtype, codes.type_number, "invalid RR class"),
        args.origins(zones),
        tuple(reading.patterns) or ((".*", compiled(".*")),),
        tuple(reading.variables),
        tuple(reading.conditions),
        {section: tuple(texts) for section, texts in reading.templates.items()},
        reading.rcode,
        reading.error,
        reading.fall,
    )


class _Reading:
    """What the lines of a block have said so far."""

    def __init__(self) -> None:
        self.patterns: list[tuple[str, Pattern]] = []
        self.variables: list[tuple[str, Program]] = []
        self.conditions: list[Program] = []
        self.templates: dict[str, list[Text]] = {section: [] for section in SECTIONS}
        self.rcode = codes.NOERROR
        self.error: Edns | None = None
        self.fall = Fall()
        self._scope = dict(SCOPE)

    def property(self, args: Args, line: Line) -> None:
        """Take one line in. ConfigError if it is none."""
        match line.name:
            case "match":
                self.patterns += [(word, _pattern(line, word)) for word in _some(line)]
            case "answer" | "additional" | "authority":
                self.templates[line.name] += [_text(line, word) for word in _some(line)]
            case "var":
                self._variable(line)
            case "expr":
                failure = "could not compile expression: "
                self.conditions.append(line.read(" ".join(_some(line)), self._compiled, failure))
            case "rcode":
                self.rcode = _number(line, line.expect(1)[0], codes.rcode_number, "unknown rcode")
            case "ederror":
                self.error = _error(line)
            case "fallthrough":
                self.fall = args.fallthrough(line)
            case "upstream":
                return  # of old Corefiles; it means nothing since CoreDNS 1.3
            case _:
                raise line.wrong_count()

    def _variable(self, line: Line) -> None:
        if len(line.args) < 2:
            raise line.wrong_count()
        name, *words = line.args
        if not _VARIABLE.fullmatch(name):
            raise line.error(f'invalid variable name "{name}"')
        if is_reserved(name, self._scope):
            raise line.error(f'variable name "{name}" is reserved')
        failure = f"could not compile expression: {name}, "
        program = line.read(" ".join(words), self._compiled, failure)
        self._scope[name] = program.kind
        self.variables.append((name, program))

    def _compiled(self, text: str) -> Program:
        return compiler.compiled(text, self._scope)


def _some(line: Line) -> tuple[str, ...]:
    if not line.args:
        raise line.wrong_count()
    return line.args


def _pattern(line: Line, word: str) -> Pattern:
    return line.read(word, compiled, f"could not parse regex: {word}, ")


def _text(line: Line, word: str) -> Text:
    return line.read(word, execution.compiled, f"could not compile template: {word}, ")


def _number(line: Line, word: str, number: Callable[[str], int], failure: str) -> int:
    """The number of a name, which must be in capitals."""
    try:
        if word == word.upper():
            return number(word)
    except KeyError:
        pass
    raise line.error(f"{failure} {word}")


def _error(line: Line) -> Edns:
    code, *texts = line.expect(1, 2)
    failure = f"error parsing extended DNS error code {code}, "
    number = line.read(code, partial(unsigned, bits=16), failure)
    option = number.to_bytes(2, "big") + "".join(texts).encode()
    return Edns(SIZE, edns.pack_options([(edns.EDE, option)]), edns.DO)
