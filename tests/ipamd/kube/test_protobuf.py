"""Bodies in Kubernetes' protobuf: what kubectl 1.32 sent, octet by octet, and what nobody should send."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.errors import StatusError
from ipamd.kube.protobuf import MAGIC, decode

NAMESPACE = (
    "6b3873000a0f0a02763112094e616d657370616365121c0a140a0473686f7012001a0022002a0032003800420012001a020a001a002200"
)
SERVICES = [
    (
        "6b3873000a0d0a02763112075365727669636512690a1f0a0377656212001a0022002a003200380042005a0a0a03617070120377656212420a"
        "1b0a0738302d38303830120354435018502207080010903f1a002800120a0a0361707012037765621a002209436c757374657249503a004200"
        "52005a00600068001a020a001a002200",
        {
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {
                "ports": [{"name": "80-8080", "protocol": "TCP", "port": 80, "targetPort": 8080}],
                "selector": {"app": "web"},
                "type": "ClusterIP",
            },
        },
    ),
    (
        "6b3873000a0d0a02763112075365727669636512730a1f0a0365787412001a0022002a003200380042005a0a0a036170701203657874124c0a"
        "150a023830120354435018502206080010501a002800120a0a0361707012036578741a00220c45787465726e616c4e616d653a004200520d61"
        "2e6578616d706c652e636f6d5a00600068001a020a001a002200",
        {
            "metadata": {"name": "ext", "labels": {"app": "ext"}},
            "spec": {
                "ports": [{"name": "80", "protocol": "TCP", "port": 80, "targetPort": 80}],
                "selector": {"app": "ext"},
                "type": "ExternalName",
                "externalName": "a.example.com",
            },
        },
    ),
    (
        "6b3873000a0d0a027631120753657276696365126a0a1d0a026e7012001a0022002a003200380042005a090a0361707012026e7012450a200a"
        "0738302d6874747012035443501850220a080110001a04687474702894eb0112090a0361707012026e701a0022084e6f6465506f72743a0042"
        "0052005a00600068001a020a001a002200",
        {
            "metadata": {"name": "np", "labels": {"app": "np"}},
            "spec": {
                "ports": [
                    {"name": "80-http", "protocol": "TCP", "port": 80, "targetPort": "http", "nodePort": 30100},
                ],
                "selector": {"app": "np"},
                "type": "NodePort",
            },
        },
    ),
]


def field(number: int, octets: bytes) -> bytes:
    return bytes([number << 3 | 2, len(octets)]) + octets


def service(spec: bytes) -> bytes:
    head = field(1, field(1, b"v1") + field(2, b"Service"))
    return MAGIC + head + field(2, field(2, spec))


def test_a_namespace_as_kubectl_creates_it() -> None:
    assert decode(bytes.fromhex(NAMESPACE)) == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


@pytest.mark.parametrize(("sent", "meant"), SERVICES, ids=["ClusterIP", "ExternalName", "NodePort"])
def test_a_service_as_kubectl_creates_it(sent: str, meant: dict[str, object]) -> None:
    assert decode(bytes.fromhex(sent)) == {"apiVersion": "v1", "kind": "Service", **meant}


def test_lists_and_maps_gather_their_fields() -> None:
    entries = field(2, field(1, b"a") + field(2, b"1")) + field(2, field(1, b"b") + field(2, b"2"))
    read = decode(service(entries + field(18, b"10.0.0.1").replace(b"\x92", b"\x92\x01") + b"\x68\x01"))
    assert read["spec"] == {
        "selector": {"a": "1", "b": "2"},
        "clusterIPs": ["10.0.0.1"],
        "publishNotReadyAddresses": True,
    }


def test_a_number_may_be_negative() -> None:
    port = field(1, b"\x18" + b"\xff" * 9 + b"\x01")
    assert decode(service(port))["spec"] == {"ports": [{"port": -1}]}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "does not begin"),
        (b"{}", "does not begin"),
        (MAGIC, "only Namespace and Service of v1"),
        (MAGIC + field(1, field(1, b"v1") + field(2, b"Pod")), "only Namespace and Service of v1"),
        (MAGIC + field(1, field(1, b"v2") + field(2, b"Service")), "only Namespace and Service of v1"),
        (service(b"")[:-1], "ends within a field"),
        (MAGIC + b"\x0a", "ends within a number"),
        (MAGIC + b"\x0a" + b"\xff" * 11, "more than ten octets"),
        (service(b"\x0d\0\0\0\0"), "wire type 5"),
        (service(field(8, b"192.0.2.1")), "field 8 of ServiceSpec"),
        (service(field(3, b"\xff")), "not in UTF-8"),
        (service(b"\x18\x01"), "a number stands"),
        (service(field(1, field(3, b"80"))), "octets stand"),
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(StatusError, match=complaint) as refused:
        decode(body)
    assert refused.value.status == 400


@given(st.binary())
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    for body in (octets, MAGIC + octets, service(octets[:100])):
        with suppress(StatusError):
            assert isinstance(decode(body), dict)
