"""trace: tell a collector of traces what each plugin did with a query, and how long it took.

Syntax:
    trace [zipkin|datadog|otlp] [ENDPOINT] {
        every AMOUNT                        # one query of so many, 0 for none; 1
        service NAME                        # kdns by its service; coredns
        client_server [BOOL]                # Zipkin: a query's first span is the client's own, if that has sent one
        datadog_analytics_rate RATE         # 0 to 1; without effect
        zipkin_max_backlog_size SIZE        # spans that may wait; 1000
        zipkin_max_batch_size SIZE          # spans that are sent at once; 100
        zipkin_max_batch_interval DURATION  # how long they are collected; 1s
    }

ENDPOINT is HOST:PORT, or a URL where it begins with http. Without it localhost is meant, at the collector's own port.
What happens in a trace of the client's, as HTTP headers tell (B3 or traceparent), has that trace's number, and is not
followed if that is not; Datadog's way is to begin a trace of its own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random, SystemRandom
from typing import NamedTuple

from kdns.chain import Handler, Plugin, Reply, Request
from kdns.corefile import Args, Directive, Line, duration
from kdns.corefile.numbers import integer, real, unsigned
from kdns.errors import Dropped, NoAnswer
from kdns.tracing import FORMATS, Format, Service, Span, Trace, Within
from kdns.transport.address import split
from kdns.transport.collector import Collector, Limits
from kdns.wire import codes, names

LIMITS = Limits()
NAME = "servedns"  # of a trace's first span
TRACE_ID = "trace/traceid"  # metadata
# Where the collectors listen unless that is said, and the path under which they take spans.
PLACES = {
    "zipkin": ("localhost:9411", "/api/v2/spans"),
    "datadog": ("localhost:8126", "/v0.4/traces"),
    "otlp": ("localhost:4318", "/v1/traces"),
}
BOOLS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


@dataclass(frozen=True)
class Settings:
    """What the directive says."""

    kind: str = "zipkin"
    url: str = ""
    every: int = 1
    service: str = "coredns"
    shares: bool = False
    limits: Limits = LIMITS


class Clock(NamedTuple):
    """What spans take their times and numbers from: nanoseconds since the epoch, monotonic ones, and chance."""

    epoch: Callable[[], int] = time.time_ns
    monotonic: Callable[[], int] = time.monotonic_ns
    chance: Random = SystemRandom()


class Tracer:
    """The tracer of one server block."""

    def __init__(
        self, every: int, form: Format, collector: Collector, clock: Clock, *, joins: bool = True, shares: bool = False
    ) -> None:
        self._every = every
        self._joins = joins
        self._shares = shares
        self._form = form
        self._collector = collector
        self._clock = clock
        self._count = 0
        self.nameblind = self.repeatable = not every  # what is answered from memory could not be followed

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below; of one query of so many, with a span for each plugin that it meets."""
        self._count += 1
        if not self._every or self._count % self._every or request.trace is not None:
            return await rest(request)
        within = request.client.within if self._joins else None
        if within is not None and within.sampled is False:
            return await rest(request)
        number, parent = (within.trace, within.span) if within and within.trace else (self._number(), 0)
        trace = Trace(number, parent, self._collector.add, self._moment)
        if request.labels is not None:
            request.labels[TRACE_ID] = self._form.show(trace.number)
        shared = within if within and within.span and self._shares else None
        return await self._first(trace, request, rest, shared)

    def watch(self, name: str, plugin: Plugin) -> Plugin:
        """The plugin, with a span for what it does with queries that are followed."""

        async def watched(request: Request, rest: Handler) -> Reply:
            if request.trace is None:
                return await plugin(request, rest)
            span = Span(request.trace.number, self._number(), request.trace.inside, name, 0, 0)
            return await self._spanned(request.trace, span, request, lambda inside: plugin(inside, rest))

        for mark in ("repeatable", "nameblind"):
            setattr(watched, mark, getattr(plugin, mark, False))
        return watched

    async def run(self) -> None:
        """Send spans to the collector."""
        await self._collector.run()

    async def _first(self, trace: Trace, request: Request, rest: Handler, shared: Within | None) -> Reply:
        """The reply from below, and the span of all of it: the client's own where that is `shared`."""
        number, parent = (shared.span, shared.parent) if shared else (self._number(), trace.inside)
        span = Span(trace.number, number, parent, NAME, 0, 0, is_server=True, is_shared=shared is not None)
        return await self._spanned(trace, span, request, rest)

    async def _spanned(self, trace: Trace, span: Span, request: Request, rest: Handler) -> Reply:
        """The reply from below, and its span, of which time and outcome are still to be told."""
        begun, since = self._clock.epoch(), self._clock.monotonic()
        rcode, error = "", ""
        try:
            reply = await rest(request._replace(trace=trace.within(span.id)))
            rcode = codes.rcode_name(reply.rcode)
            return reply
        except NoAnswer as failure:
            rcode, error = codes.rcode_name(failure.rcode), failure.reason or ""
            raise
        except Dropped:
            error = "no reply"
            raise
        finally:
            lasted = self._clock.monotonic() - since
            tags = _tags(request, rcode) if span.is_server else {}
            trace.ended([span._replace(begun=begun, nanoseconds=lasted, tags=tags, error=error)])

    def _moment(self) -> tuple[int, int]:
        return self._number(), self._clock.epoch()

    def _number(self) -> int:
        return self._clock.chance.randrange(1, 1 << 64)


def _tags(request: Request, rcode: str) -> dict[str, str]:
    asked = request.question
    told = {
        "name": names.show(asked.key),
        "type": codes.type_name(asked.qtype),
        "proto": request.client.proto,
        "remote": request.client.address,
        "rcode": rcode,
    }
    return {f"coredns.io/{key}": value for key, value in told.items()}


def setup(args: Args) -> Tracer:
    """The tracer of one server block; what stands there later counts. ConfigError for mistakes."""
    settings = Settings()
    for directive in args.directives:
        settings = _with_endpoint(settings, directive)
        for line in directive.lines:
            settings = _with(settings, line)
    return tracer(args, settings, Clock())


def tracer(args: Args, settings: Settings, clock: Clock) -> Tracer:
    """The same of settings, with other clocks."""
    address = args.addresses[0] if args.addresses else ""
    service = Service(settings.service, address, args.keys[0][0].port if address else 0)
    form = FORMATS[settings.kind]
    collector = Collector(settings.url, form, service, settings.limits, args.warn)
    joins, shares = settings.kind != "datadog", settings.kind == "zipkin" and settings.shares
    return Tracer(settings.every, form, collector, clock, joins=joins, shares=shares)


def _with_endpoint(settings: Settings, directive: Directive) -> Settings:
    words = directive.expect(0, 2)
    kind = words[0].lower() if len(words) == 2 else "zipkin"
    if kind not in PLACES:
        raise directive.error(f"tracing endpoint type '{kind}' is not supported")
    place, path = PLACES[kind]
    text = words[-1] if words else place
    if not text.startswith(("http://", "https://")):
        host, port = directive.read(text, split, f"{text} is no HOST:PORT: ")
        text = f"http://{text}" if port is not None else f"http://{host}:{place.rpartition(':')[2]}"
        text += path
    elif kind == "datadog":
        text = text.rstrip("/") + path
    return replace(settings, kind=kind, url=text)


def _with(settings: Settings, line: Line) -> Settings:
    limits = settings.limits
    match line.name:
        case "every":
            return replace(settings, every=line.read(line.expect(1)[0], unsigned))
        case "service":
            return replace(settings, service=line.expect(1)[0])
        case "client_server":
            return replace(settings, shares=_boolean(line))
        case "datadog_analytics_rate":
            _check_rate(line)
            return settings
        case "zipkin_max_backlog_size":
            return replace(settings, limits=replace(limits, backlog=_size(line) or limits.backlog))
        case "zipkin_max_batch_size":
            return replace(settings, limits=replace(limits, batch=_size(line) or limits.batch))
        case "zipkin_max_batch_interval":
            interval = line.read(line.expect(1)[0], duration)
            return replace(settings, limits=replace(limits, interval=interval or limits.interval))
    raise line.error(f"unknown property '{line.name}'")


def _size(line: Line) -> int:
    found = line.read(line.expect(1)[0], integer)
    if found < 0:
        raise line.error(f"{line.name} can't be negative: {found}")
    return found


def _boolean(line: Line) -> bool:
    for word in line.expect(0, 1):
        if word.lower() not in BOOLS:
            raise line.error(f'strconv.ParseBool: parsing "{word}": invalid syntax')
        return BOOLS[word.lower()]
    return True


def _check_rate(line: Line) -> None:
    for word in line.expect(0, 1):
        rate = line.read(word, real)
        if not 0 <= rate <= 1:
            raise line.error(f"datadog analytics rate must be between 0 and 1, '{rate:f}' is not supported")
