"""Spans, and how collectors of traces want to read them: Zipkin's v2 JSON, OTLP's JSON, Datadog's MessagePack. Pure.

A span is what one plugin did with one query, and how long. All spans of a query have its trace's number; each but the
first names the one that it happened in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

SERVER = "SERVER"  # the kind of a trace's first span: it answers a client


class Span(NamedTuple):
    """What happened in a trace. `parent` is 0 in its first span; `begun` is in nanoseconds since the epoch."""

    trace: int
    id: int
    parent: int
    name: str
    begun: int
    nanoseconds: int
    tags: Mapping[str, str] = {}
    error: str = ""


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
        "traceId": f"{span.trace:016x}",
        "id": f"{span.id:016x}",
        "name": span.name,
        "timestamp": begun,
        "duration": lasted,
        "localEndpoint": here,
    }
    found |= {"parentId": f"{span.parent:016x}"} if span.parent else {"kind": SERVER}
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
        "kind": 1 if span.parent else 2,  # internal, server
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
    "zipkin": Format("POST", "application/json", zipkin, lambda trace: f"{trace:016x}"),
    "otlp": Format("POST", "application/json", otlp, lambda trace: f"{trace:032x}"),
    "datadog": Format("PUT", "application/msgpack", datadog, lambda trace: f"{trace:032x}"),
}


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
