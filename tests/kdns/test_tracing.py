"""Spans in the forms of Zipkin, OpenTelemetry and Datadog."""

import msgspec

from kdns.tracing import FORMATS, Service, Span

HERE = Service("coredns", "192.0.2.53", 53)
FIRST = Span(0xABC, 1, 0, "servedns", 1_700_000_000_123_456_789, 2_500_000, {"coredns.io/name": "a."}, "no healthy")
INNER = Span(0xABC, 2, 1, "forward", 1_700_000_000_123_500_000, 400)
OTHER = Span(0xDEF, 3, 0, "servedns", 1_700_000_000_000_000_000, 1_000)


def test_zipkin_gets_a_list_of_spans() -> None:
    first, inner, _ = msgspec.json.decode(FORMATS["zipkin"].encode(HERE, [FIRST, INNER, OTHER]))
    endpoint = {"serviceName": "coredns", "ipv4": "192.0.2.53", "port": 53}
    assert first == {
        "traceId": "0000000000000abc",
        "id": "0000000000000001",
        "name": "servedns",
        "kind": "SERVER",
        "timestamp": 1_700_000_000_123_456,
        "duration": 2_500,
        "localEndpoint": endpoint,
        "annotations": [{"timestamp": 1_700_000_000_125_956, "value": "no healthy"}],
        "tags": {"coredns.io/name": "a.", "error": "true"},
    }
    assert (inner["parentId"], inner["duration"]) == ("0000000000000001", 1)
    assert not {"kind", "tags", "annotations"} & inner.keys()


def test_opentelemetry_gets_the_spans_of_a_resource() -> None:
    (told,) = msgspec.json.decode(FORMATS["otlp"].encode(HERE, [FIRST, INNER]))["resourceSpans"]
    assert told["resource"] == {"attributes": [{"key": "service.name", "value": {"stringValue": "coredns"}}]}
    first, inner = told["scopeSpans"][0]["spans"]
    assert (first["traceId"], first["spanId"], first["kind"]) == ("abc".rjust(32, "0"), "1".rjust(16, "0"), 2)
    assert first["endTimeUnixNano"] == "1700000000125956789"
    assert first["status"] == {"code": 2, "message": "no healthy"}
    assert (inner["parentSpanId"], inner["kind"], "status" in inner) == (first["spanId"], 1, False)


def test_datadog_gets_a_list_for_each_trace() -> None:
    one, two = msgspec.msgpack.decode(FORMATS["datadog"].encode(HERE, [FIRST, OTHER, INNER]))
    assert [span["span_id"] for span in one] == [1, 2]
    assert [span["trace_id"] for span in two] == [0xDEF]
    assert one[0]["meta"] == {
        "coredns.io@name": "a.",
        "error.message": "no healthy",
        "error.type": "dns_error",
    }
    assert (one[0]["error"], one[1]["error"], one[1]["parent_id"]) == (1, 0, 1)
