"""errors: log why queries got no proper answer.

Syntax:
    errors [stdout] {
        stacktrace      # with an unexpected fault also where in the code it happened
        consolidate DURATION REGEXP [warning|error|info|debug] [show_first]
    }

What is logged is the reason of whatever is raised below; a query without an answer but also without a reason (a refused
zone transfer, say) leaves no line. Errors that a `consolidate` pattern matches, the first such, are counted instead:
DURATION after the first of them one line says how many there were, at that level. `show_first` logs the first one too.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kdns.chain import Handler, Reply, Request, Step, nameblind
from kdns.corefile import Args, Line, duration, show_duration
from kdns.corefile.patterns import Pattern, compiled
from kdns.errors import NoAnswer
from kdns.wire import codes, names

LEVELS = {"warning": "WARNING", "error": "ERROR", "info": "INFO", "debug": "DEBUG"}


class Timer(Protocol):
    """A call that was put off."""

    def cancel(self) -> None:
        """Do not call."""


Later = Callable[[float, Callable[[], object]], Timer]
Log = Callable[[str, str], None]


@dataclass(frozen=True)
class Consolidate:
    """One `consolidate` line. `period` is in seconds."""

    period: float
    regexp: str
    pattern: Pattern
    level: str = "ERROR"
    show_first: bool = False


class _Count:
    """How many errors matched a line since its timer was set."""

    def __init__(self, rule: Consolidate) -> None:
        self.rule = rule
        self.seen = 0
        self.timer: Timer | None = None


@nameblind
class Errors:
    """The plugin of one server block. `later(seconds, call)` sets a timer; `stacktrace` is for whoever logs faults."""

    def __init__(self, rules: Sequence[Consolidate], stacktrace: bool, log: Log, later: Later) -> None:
        self.stacktrace = stacktrace
        self._counts = [_Count(rule) for rule in rules]
        self._log = log
        self._later = later

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below; its failure goes into the log on its way up."""
        try:
            return await rest(request)
        except NoAnswer as failure:
            if failure.reason is not None:
                self._note(request, failure.rcode, failure.reason)
            raise

    def step(self) -> Step:
        """A reply is no failure."""
        return Step()

    async def close(self) -> None:
        """Log what was counted so far: the timers end with the plugin."""
        for count in self._counts:
            if count.timer is not None:
                count.timer.cancel()
                self._report(count)

    def _note(self, request: Request, rcode: int, reason: str) -> None:
        count = next((each for each in self._counts if each.rule.pattern.search(reason)), None)
        if count is not None:
            count.seen += 1
            if count.timer is None:
                count.timer = self._later(count.rule.period, lambda: self._report(count))
            if count.seen > 1 or not count.rule.show_first:
                return
        asked = request.question
        level = "ERROR" if count is None else count.rule.level
        self._log(level, f"{rcode} {names.show(asked.key)} {codes.type_name(asked.qtype)}: {reason}")

    def _report(self, count: _Count) -> None:
        rule, seen = count.rule, count.seen
        count.seen, count.timer = 0, None
        if seen > 1 or not rule.show_first:
            self._log(rule.level, f"{seen} errors like '{rule.regexp}' occurred in last {show_duration(rule.period)}")


def setup(args: Args) -> Errors:
    """The plugin of one server block. ConfigError for another destination than stdout, or wrong properties."""
    return logging(args, lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call))


def logging(args: Args, later: Later) -> Errors:
    """The same with another clock: `later` sets its timers."""
    directive = args.once()
    for word in directive.expect(0, 1):
        if word != "stdout":
            raise directive.error(f"invalid log file: {word}")
    rules: list[Consolidate] = []
    stacktrace = False
    for line in directive.properties({"stacktrace": 0}):
        if line.name == "stacktrace":
            stacktrace = True
        elif line.name == "consolidate":
            rules.append(_consolidate(line))
        else:
            raise line.error(f"Unknown field {line.name}")
    return Errors(rules, stacktrace, args.log, later)


def _consolidate(line: Line) -> Consolidate:
    period, regexp, *options = line.expect(2, 4)
    rule = Consolidate(line.read(period, duration), regexp, line.read(regexp, compiled))
    level = ""
    show_first = False
    for option in options:
        if option == "show_first":
            show_first = True
        elif option not in LEVELS:
            raise line.error(f"unknown option in consolidate: {option}")
        elif level:
            raise line.error("multiple log levels specified in consolidate")
        elif show_first:
            raise line.error("log level must come before show_first in consolidate")
        else:
            level = LEVELS[option]
    return Consolidate(rule.period, regexp, rule.pattern, level or rule.level, show_first)
