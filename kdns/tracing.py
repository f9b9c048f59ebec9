"""Spans, and how collectors of traces want to read them: Zipkin's v2 JSON, OTLP's JSON, Datadog's MessagePack. Pure.

A span is what one plugin did with one query, and how long. All spans of a query have its trace's number; each but the
first names the one that it happened in. That first one may have happened in one of the client's: HTTP headers tell, in
the forms of Zipkin (https://github.com/openzipkin/b3-propagation) and the W3C (https://www.w3.org/TR/trace-context/).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

SERVER = "SERVER"  # the kind of a query's first span: it answers a client

_NUMBERS = r"([0-9a-fA-F]{16}|[0-9a-fA-F]{32})-([0-9a-fA-F]{16})"
_B3 = re.compile(rf"(?:{_NUMBERS}(?:-([01d])(?:-([0-9a-fA-F]{{16}}))?)?|([01d]))\Z")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?\Z")
_NUMBER = re.compile(r"[0-9a-fA-F]{1,32}\Z")
_SAMPLED = {"0": False, "false": False, "1": True, "true": True, "d": True}


class Within(NamedTuple):
    """Where in a client's trace a query happens: the span, and the one around that. 0 for what is not told.

    `sampled` is whether the trace is followed: None if that is for the server to say.
    """

    trace: int = 0
    span: int = 0
    parent: int = 0
    sampled: bool | None = None


class Span(NamedTuple):
    """What happened in a trace. `parent` is 0 in its first span; `begun` is in nanoseconds since the epoch.

    `is_server`: it answers a client. `is_shared`: under the number of the client's own span.
    """

    trace: int
    id: int
    parent: int
    name: str
    begun: int
    nanoseconds: int
    tags: Mapping[str, str] = {}
    error: str = ""
    is_server: bool = False
    is_shared: bool = False


class Service(NamedTuple):
    """Whose spans these are: its name, and where it listens ("" and 0 where that is not one place)."""

    name: str
    address: str = ""
    port: int = 0


class Format(NamedTuple):
    """How spans are sent: method, media type, the octets of a batch, and how a trace's number is shown."""

    method: str
    media_type: str
    encode: Callable[[Service, Sequence[Span]], bytes]
    show: Callable[[int], str]


def zipkin(service: Service, spans: Sequence[Span]) -> bytes:
    """A list of Zipkin's v2 API: https://zipkin.io/zipkin-api/ (times in microseconds)."""
    here: dict[str, object] = {"serviceName": service.name}
    if service.address:
        here |= {"ipv6" if ":" in service.address else "ipv4": service.address, "port": service.port}
    return msgspec.json.encode([_zipkin_span(here, span) for span in spans])


def _zipkin_span(here: Mapping[str, object], span: Span) -> dict[str, object]:
    begun, lasted = span.begun // 1000, max(1, span.nanoseconds // 1000)
    found: dict[str, object] = {
        "traceId": _hexadecimal(span.trace),
        "id": f"{span.id:016x}",
        "name": span.name,
        "timestamp": begun,
        "duration": lasted,
        "localEndpoint": here,
    }
    found |= {"parentId": f"{span.parent:016x}"} if span.parent else {}
    found |= {"kind": SERVER} if span.is_server else {}
    found |= {"shared": True} if span.is_shared else {}
    if span.error:
        found["annotations"] = [{"timestamp": begun + lasted, "value": span.error}]
    tags = {**span.tags, **({"error": "true"} if span.error else {})}
    return found | ({"tags": tags} if tags else {})


def otlp(service: Service, spans: Sequence[Span]) -> bytes:
    """An ExportTraceServiceRequest of the OpenTelemetry protocol, in its JSON encoding."""
    scope = {"scope": {"name": "kdns"}, "spans": [_otlp_span(span) for span in spans]}
    resource = {"attributes": _attributes({"service.name": service.name})}
    return msgspec.json.encode({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})


def _otlp_span(span: Span) -> dict[str, object]:
    found: dict[str, object] = {
        "traceId": f"{span.trace:032x}",
        "spanId": f"{span.id:016x}",
        "name": span.name,
        "kind": 2 if span.is_server else 1,  # server, internal
        "startTimeUnixNano": str(span.begun),
        "endTimeUnixNano": str(span.begun + span.nanoseconds),
        "attributes": _attributes(span.tags),
    }
    if span.parent:
        found["parentSpanId"] = f"{span.parent:016x}"
    if span.error:
        found["status"] = {"code": 2, "message": span.error}
    return found


def _attributes(tags: Mapping[str, str]) -> list[dict[str, object]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in tags.items()]


def datadog(service: Service, spans: Sequence[Span]) -> bytes:
    """The traces of `PUT /v0.4/traces` of a Datadog agent: lists of spans, a list a trace."""
    traces: dict[int, list[dict[str, object]]] = {}
    for span in spans:
        traces.setdefault(span.trace, []).append(_datadog_span(service, span))
    return msgspec.msgpack.encode([*traces.values()])


def _datadog_span(service: Service, span: Span) -> dict[str, object]:
    failed = {"error.message": span.error, "error.type": "dns_error"} if span.error else {}
    return {
        "service": service.name,
        "name": span.name,
        "resource": span.name,
        "type": "dns",
        "trace_id": span.trace,
        "span_id": span.id,
        "parent_id": span.parent,
        "start": span.begun,
        "duration": span.nanoseconds,
        "error": 1 if span.error else 0,
        "meta": {**{key.replace("/", "@"): value for key, value in span.tags.items()}, **failed},
    }


FORMATS: Mapping[str, Format] = {
    "zipkin": Format("POST", "application/json", zipkin, lambda trace: _hexadecimal(trace)),
    "otlp": Format("POST", "application/json", otlp, lambda trace: f"{trace:032x}"),
    "datadog": Format("PUT", "application/msgpack", datadog, lambda trace: f"{trace:032x}"),
}


def within(headers: Mapping[str, str]) -> Within | None:
    """Where the headers of an HTTP request (their names in lower case) say that it happens; None if they do not."""
    if match := _B3.match(headers.get("b3", "")):
        trace, span, sampled, parent, alone = match.groups("")
        return Within(_number(trace), _number(span), _number(parent), _SAMPLED.get(sampled or alone))
    trace, span = headers.get("x-b3-traceid", ""), headers.get("x-b3-spanid", "")
    sampled = "1" if headers.get("x-b3-flags") == "1" else headers.get("x-b3-sampled", "").lower()
    if (_NUMBER.match(trace) and _NUMBER.match(span)) or (not trace and not span and sampled in _SAMPLED):
        parent = headers.get("x-b3-parentspanid", "")
        return Within(_number(trace), _number(span), _number(parent), _SAMPLED.get(sampled))
    if match := _TRACEPARENT.match(headers.get("traceparent", "")):
        return Within(_number(match[1]), _number(match[2]), 0, bool(int(match[3], 16) & 1))
    return None


def _number(text: str) -> int:
    return int(text, 16) if _NUMBER.match(text) else 0


def _hexadecimal(trace: int) -> str:
    """A trace's number as Zipkin has it: of 64 bits, or of 128."""
    return f"{trace:032x}" if trace >> 64 else f"{trace:016x}"


class Trace:
    """A query that is followed: `number` is its trace's, `inside` the span that is under way, `ended` takes spans.

    `moment` gives a number for a new span, and the time in nanoseconds since the epoch.
    """

    def __init__(
        self,
        number: int,
        inside: int,
        ended: Callable[[Iterable[Span]], None],
        moment: Callable[[], tuple[int, int]],
    ) -> None:
        self.number = number
        self.inside = inside
        self.ended = ended
        self._moment = moment

    def within(self, span: int) -> "Trace":
        """The same query within another span."""
        return Trace(self.number, span, self.ended, self._moment)

    def note(self, name: str, nanoseconds: int, tags: Mapping[str, str]) -> None:
        """A span, within the one that is under way, for what took so long and is just over."""
        number, now = self._moment()
        self.ended([Span(self.number, number, self.inside, name, now - nanoseconds, nanoseconds, tags)])
