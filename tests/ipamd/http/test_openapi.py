"""The OpenAPI document: complete, consistent, and true."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.ipamd.daemon import Daemon

METHODS = {"get", "post", "put", "delete"}


@pytest.fixture(scope="module")
def document(ipamd: Daemon) -> Any:
    """The document as it is served."""
    return ipamd.request("GET", "/openapi.json").body


def references(node: Any) -> Iterator[str]:
    """Every `$ref` in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    if isinstance(node, list):
        for inner in node:
            yield from references(inner)


def test_every_reference_leads_somewhere(document: Any) -> None:
    names = {reference.removeprefix("#/components/schemas/") for reference in references(document)}

    assert names == set(document["components"]["schemas"])


def test_every_operation_refuses_a_parameter_that_it_has_not_and_names_its_own(ipamd: Daemon, document: Any) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            known = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
            refused = ipamd.request(method.upper(), path.replace("{", "").replace("}", "") + "?forcast=true")
            assert (refused.status, refused.body["code"]) == (400, "malformed"), path
            there_are = f"there are {', '.join(sorted(known))}" if known else "this path has none"
            assert refused.body["detail"] == f"unknown parameter 'forcast'; {there_are}"
            assert "400" in operation["responses"]


def test_every_operation_is_described(document: Any) -> None:
    operations = [(path, method) for path, methods in document["paths"].items() for method in methods]
    ids = [document["paths"][path][method]["operationId"] for path, method in operations]

    assert len(set(ids)) == len(operations) > 9
    assert {method for _, method in operations} <= METHODS
    for path, method in operations:
        described = document["paths"][path][method]
        in_path = [p["name"] for p in described.get("parameters", []) if p["in"] == "path"]
        assert in_path == [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        assert described["summary"]


def test_what_is_refused_is_documented(ipamd: Daemon, document: Any) -> None:
    replies = document["paths"]["/v1/leases"]["post"]["responses"]

    assert set(replies) == {"200", "201", "400", "404", "403", "409", "413", "415", "422", "503", "507"}
    assert "`taken`" in replies["409"]["description"]
    assert list(replies["409"]["content"]) == ["application/problem+json"]
    assert ipamd.lease("x", "nope").body["code"] in replies["404"]["description"]


def test_what_is_shown_is_what_is_documented(ipamd: Daemon, document: Any) -> None:
    schema = document["components"]["schemas"]["LeaseBody"]
    shown = ipamd.lease("documented").body

    assert set(schema["required"]) <= set(shown) <= set(schema["properties"])
    assert document["components"]["schemas"]["LeaseRequest"]["additionalProperties"] is False


def test_what_a_route_reads_from_the_header_is_documented(document: Any) -> None:
    fields = {
        (method, path): [each["name"] for each in described.get("parameters", ()) if each["in"] == "header"]
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    }

    assert fields["post", "/v1/leases"] == fields["delete", "/v1/leases"] == ["Idempotency-Key"]
    assert fields["put", "/v1/pools/{name}"] == ["If-Match", "If-None-Match"]


@pytest.mark.parametrize(
    "query",
    ["/v1/pools?forecast=1", "/v1/pools/pods/available-ips?limit=x", "/v1/leases?page=2", "/v1/events?after=-1"],
)
def test_a_parameter_that_cannot_be_read_is_refused_as_documented(ipamd: Daemon, document: Any, query: str) -> None:
    path = query.partition("?")[0].replace("/pods/", "/{name}/")

    assert ipamd.request("GET", query).body["code"] == "malformed"
    assert "`malformed`" in document["paths"][path]["get"]["responses"]["400"]["description"]
