"""What is kept of objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from kdns.cluster import objects
from kdns.cluster.entries import NO_PORT, NO_PORTS, Form, Port, ServiceEntry, import_entry, service_entry, slice_entry
from kdns.errors import WireError
from kdns.wire import build
from tests.kdns.cluster.making import service_import, slice_of

FORM = Form(5)
TCP = b"\x03tcp"


def of_json(text: str) -> ServiceEntry:
    return service_entry(json.decode(text.encode(), type=objects.Service), FORM)


@pytest.mark.parametrize(
    "text",
    [
        '{"metadata": {"name": "a"}}',
        '{"metadata": {"name": "a", "namespace": null}, "spec": null}',
        '{"metadata": {"name": "a", "labels": null}, "spec": {"clusterIPs": null, "clusterIP": null, "ports": null}}',
        '{"metadata": {"name": "a"}, "spec": {"type": null, "new": {"deep": []}}, "newer": 7}',
    ],
)
def test_absent_null_and_unknown_fields_are_alike(text: str) -> None:
    assert of_json(text) == ServiceEntry()


def test_an_older_service_has_one_cluster_ip() -> None:
    entry = of_json('{"metadata": {"name": "a"}, "spec": {"clusterIP": "10.0.0.1"}}')
    assert entry.tails == (build.address(b"", 5, bytes((10, 0, 0, 1))),)


def test_a_service_has_its_ports_by_label() -> None:
    entry = of_json('{"metadata": {"name": "a"}, "spec": {"ports": [{"name": "Web", "protocol": "TCP", "port": 80}]}}')
    assert entry.ports == (Port(b"\x03web", TCP, 80),)


def test_a_slice_s_port_without_a_number_keeps_its_name() -> None:
    entry = slice_entry(slice_of("a", ["10.0.0.1"], [("web",)]), FORM)  # type: ignore[list-item]
    assert entry is not None
    assert entry.ports == (Port(b"\x03web", b"\0", NO_PORT),)
    unnamed = slice_entry(slice_of("a", ["10.0.0.1"]), FORM)
    assert unnamed is not None
    assert unnamed.ports == NO_PORTS


@pytest.mark.parametrize(
    ("endpoint", "pod_names", "name"),
    [
        ({"addresses": ["10.0.0.1"]}, False, b"\x0810-0-0-1"),
        ({"addresses": ["10.0.0.1"], "hostname": "Web-0"}, True, b"\x05web-0"),
        ({"addresses": ["10.0.0.1"], "hostname": "", "targetRef": {"name": "pod-0"}}, True, b"\x05pod-0"),
        ({"addresses": ["10.0.0.1"], "targetRef": {"name": "pod-0"}}, False, b"\x0810-0-0-1"),
        ({"addresses": ["10.0.0.1"], "targetRef": {"name": "p" * 64}}, True, b"\x0810-0-0-1"),
        ({"addresses": ["10.0.0.1"], "targetRef": {"name": "web.a"}}, True, b"\x03web\x01a"),
        ({"addresses": ["10.0.0.1"], "targetRef": None}, True, b"\x0810-0-0-1"),
        ({"addresses": ["2001:db8::"]}, False, b"\x0b2001-db8--0"),
    ],
)
def test_an_endpoint_is_named_by_hostname_pod_or_address(
    endpoint: dict[str, object], pod_names: bool, name: bytes
) -> None:
    entry = slice_entry(slice_of("a", [endpoint]), Form(pod_names=pod_names))
    assert entry is not None
    assert entry.names == (name,)


def test_only_ready_endpoints_with_an_address_are_kept() -> None:
    conditions = [None, {}, {"ready": None}, {"ready": True}, {"ready": False}]
    endpoints = [{"addresses": [f"10.0.0.{n}"], "conditions": each} for n, each in enumerate(conditions)]
    entry = slice_entry(slice_of("a", [*endpoints, {"addresses": ["example.org"]}, {"addresses": None}]), FORM)
    assert entry is not None
    assert [tail[-1] for tail in entry.tails] == [0, 1, 2, 3]


def test_topology_zones_are_kept_only_where_they_are_asked_for() -> None:
    zoned = slice_of("a", [{"addresses": ["10.0.0.1"], "zone": "EU-1"}, "10.0.0.2"])
    entries = [slice_entry(zoned, Form(zonal=zonal)) for zonal in (False, True)]
    assert [entry and entry.zones for entry in entries] == [(), (b"eu-1", b"")]


def test_an_endpoint_of_a_clusterset_has_its_cluster_in_its_name() -> None:
    there = slice_of("a", [{"addresses": ["10.0.0.1"], "hostname": "e"}], cluster="C1")
    entry = slice_entry(there, Form(clusterset=True))
    assert entry is not None
    assert (entry.service, entry.names) == (b"\x01a\x07default", (b"\x01e\x02c1",))
    assert slice_entry(there, FORM) is None


def test_an_import_is_headless_by_its_type() -> None:
    assert import_entry(service_import("a"), FORM).headless
    assert import_entry(objects.ServiceImport(objects.Metadata("a")), FORM) == ServiceEntry((), ())
    assert not import_entry(service_import("a", ["10.0.0.1"]), FORM).headless


@pytest.mark.parametrize("target", ["10.0.0.1", "2001:db8::1", ""])
def test_an_external_service_that_names_no_host_has_no_alias(target: str) -> None:
    spec = objects.ServiceSpec(type="ExternalName", external_name=target)
    entry = service_entry(objects.Service(objects.Metadata("a"), spec), FORM)
    assert (entry.external, entry.alias) == (True, None)


@given(st.text(max_size=70), st.text(max_size=70), st.text(max_size=70))
def test_any_text_is_kept_or_refused(name: str, hostname: str, address: str) -> None:
    endpoint = {"addresses": [address, "10.0.0.1"], "hostname": hostname, "targetRef": {"name": name}}
    try:
        slice_entry(slice_of(name, [endpoint], [(name, 80)], cluster=hostname), Form(pod_names=True, clusterset=True))
        service_entry(
            objects.Service(objects.Metadata(name), objects.ServiceSpec("ExternalName", None, None, name)), FORM
        )
    except WireError:
        return
