"""Spans in the forms of Zipkin, OpenTelemetry and Datadog."""

import msgspec
import pytest

from kdns.tracing import FORMATS, Service, Span, Within, within

HERE = Service("coredns", "192.0.2.53", 53)
FIRST = Span(
    0xABC, 1, 0, "servedns", 1_700_000_000_123_456_789, 2_500_000, {"coredns.io/name": "a."}, "no healthy", True
)
INNER = Span(0xABC, 2, 1, "forward", 1_700_000_000_123_500_000, 400)
OTHER = Span(0xDEF, 3, 0, "servedns", 1_700_000_000_000_000_000, 1_000, is_server=True)


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


def test_zipkin_is_told_of_spans_that_clients_have_begun() -> None:
    mine = Span(1 << 64, 2, 1, "servedns", 0, 0, is_server=True, is_shared=True)
    (told,) = msgspec.json.decode(FORMATS["zipkin"].encode(HERE, [mine]))
    assert told["traceId"] == "00000000000000010000000000000000"
    assert (told["id"], told["parentId"], told["kind"], told["shared"]) == (
        "2".zfill(16),
        "1".zfill(16),
        "SERVER",
        True,
    )


TRACE, SPAN, PARENT = "a" * 32, "b" * 16, "c" * 16
T, S, P = (int(text, 16) for text in (TRACE, SPAN, PARENT))
NUMBERS = {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        (NUMBERS, Within(T, S)),
        (NUMBERS | {"x-b3-sampled": "0"}, Within(T, S, 0, sampled=False)),
        (NUMBERS | {"x-b3-sampled": "true", "x-b3-parentspanid": PARENT}, Within(T, S, P, sampled=True)),
        (NUMBERS | {"x-b3-flags": "1", "x-b3-sampled": "0"}, Within(T, S, 0, sampled=True)),
        ({"x-b3-sampled": "0"}, Within(sampled=False)),
        ({"x-b3-traceid": TRACE}, None),
        ({"x-b3-traceid": "x", "x-b3-spanid": SPAN}, None),
        ({"b3": f"{TRACE}-{SPAN}"}, Within(T, S)),
        ({"b3": f"{TRACE}-{SPAN}-d-{PARENT}"}, Within(T, S, P, sampled=True)),
        ({"b3": f"{SPAN}-{SPAN}-0"}, Within(S, S, 0, sampled=False)),
        ({"b3": "0"}, Within(sampled=False)),
        ({"b3": "junk"}, None),
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, Within(T, S, 0, sampled=True)),
        ({"traceparent": f"00-{TRACE}-{SPAN}-00"}, Within(T, S, 0, sampled=False)),
        ({"traceparent": f"ff-{TRACE}-{SPAN}-01"}, None),
        ({"traceparent": "00-1-2-3"}, None),
    ],
)  # fmt: skip
def test_headers_tell_in_which_trace_a_request_happens(headers: dict[str, str], found: Within | None) -> None:
    assert within(headers) == found
