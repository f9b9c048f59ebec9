"""The OpenAPI documents of the Kubernetes paths, and discovery."""

from collections.abc import Iterator
from typing import Any

from ipamd.kube import discovery, openapi
from ipamd.kube.kinds import KINDS

PODS = "/api/v1/namespaces/{namespace}/pods/{name}"


def fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Field numbers and contents of a protobuf message whose fields are all length-delimited."""
    place = 0
    while place < len(raw):
        key, place = number(raw, place)
        assert key & 7 == 2
        size, place = number(raw, place)
        yield key >> 3, raw[place : place + size]
        place += size


def number(raw: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while raw[place] & 0x80:
        value |= (raw[place] & 0x7F) << shift
        shift, place = shift + 7, place + 1
    return value | raw[place] << shift, place + 1


def test_every_kind_can_be_patched_dry() -> None:
    paths: Any = openapi.swagger("1")["paths"]

    assert len(paths) == len(KINDS)
    assert {p["name"] for p in paths[PODS]["patch"]["parameters"]} >= {"dryRun", "fieldValidation"}
    assert paths[PODS]["patch"][openapi.GROUP_VERSION_KIND] == {"group": "", "kind": "Pod", "version": "v1"}


def test_version_three_has_a_document_for_every_group() -> None:
    index: Any = openapi.v3_index()["paths"]

    assert index.keys() == {"api/v1", "apis/discovery.k8s.io/v1", "apis/networking.k8s.io/v1"}
    assert [*openapi.v3("discovery.k8s.io", "1")["paths"]] == [
        "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{name}"
    ]


def test_version_three_has_schemas_of_what_is_read() -> None:
    schemas: Any = openapi.v3("networking.k8s.io", "1")["components"]["schemas"]

    assert schemas["ServiceCIDR"][openapi.GROUP_VERSION_KIND] == [
        {"group": "networking.k8s.io", "kind": "ServiceCIDR", "version": "v1"}
    ]
    assert [*schemas["ServiceCIDR"]["properties"]] == ["apiVersion", "kind", "metadata", "spec", "status"]
    assert schemas["ServiceCIDRSpec"]["properties"] == {"cidrs": {"type": "array", "items": {"type": "string"}}}
    assert schemas["IPAddressSpec"]["properties"] == {"parentRef": {"$ref": "#/components/schemas/ParentReference"}}
    core: Any = openapi.v3("", "1")["components"]["schemas"]
    assert core["ServicePort"]["properties"]["targetPort"] == {"type": "string", "format": "int-or-string"}


def test_the_protobuf_document_holds_the_same_paths() -> None:
    top = dict(fields(openapi.swagger_protobuf("1.2.3")))
    assert top[1] == b"2.0"
    assert dict(fields(top[2]))[2] == b"1.2.3"

    named = [dict(fields(path)) for _, path in fields(top[8])]

    assert {path[1].decode() for path in named} == {*openapi.swagger("1")["paths"]}
    operation = dict(fields(named[0][2]))[8]
    parameters = [content for field, content in fields(operation) if field == 8]
    assert len(parameters) == len(openapi.PARAMETERS)


def test_discovery_lists_every_kind_with_its_status() -> None:
    core: Any = discovery.resources("")

    assert [entry["name"] for entry in core["resources"]] == [
        *("namespaces", "namespaces/status", "nodes", "nodes/status"),
        *("pods", "pods/binding", "pods/status", "services", "services/status"),
    ]
    pods = next(entry for entry in core["resources"] if entry["name"] == "pods")
    assert pods["shortNames"] == ["po"]
    assert pods["categories"] == ["all"]
    assert {"list", "watch", "patch", "deletecollection"} <= {*pods["verbs"]}


def test_discovery_lists_the_groups() -> None:
    groups: Any = discovery.groups()

    assert [entry["name"] for entry in groups["groups"]] == ["discovery.k8s.io", "networking.k8s.io"]
    assert discovery.group("discovery.k8s.io")["preferredVersion"] == groups["groups"][0]["preferredVersion"]
