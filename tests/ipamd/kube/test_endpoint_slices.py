"""EndpointSlices that a client writes."""

from typing import Any

import pytest

from ipamd.errors import StatusError
from tests.ipamd.kube.cluster import Cluster

GOOD: dict[str, Any] = {
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["198.51.100.1"], "hostname": "a"}],
    "ports": [{"port": 80}],
}


async def test_a_slice_is_kept_as_it_is_with_the_defaults_of_its_ports(cluster: Cluster) -> None:
    made = await cluster.create("EndpointSlice", "by-hand", **GOOD)

    assert made["apiVersion"] == "discovery.k8s.io/v1"
    assert made["endpoints"] == GOOD["endpoints"]
    assert made["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"addressType": None}, "addressType: Required value"),
        ({"addressType": "IP"}, 'addressType: Unsupported value: "IP"'),
        ({"endpoints": [{"addresses": []}]}, "must contain at least 1 address"),
        ({"endpoints": [{"addresses": ["x"] * 101}]}, "must have at most 100 items"),
        ({"endpoints": [{"addresses": ["fd00::1"]}]}, "must be a valid IPv4 address"),
        ({"endpoints": [{"addresses": ["www"]}]}, "must be a valid IP address"),
        ({"endpoints": [{"addresses": ["10.0.0.1"], "hostname": "a.b"}]}, "hostname: Invalid value"),
        ({"endpoints": [{"addresses": ["10.0.0.1"]}] * 1001}, "must have at most 1000 items"),
        ({"ports": [{"port": 0}]}, "must be between 1 and 65535"),
        ({"ports": [{"port": 1}, {"port": 2}]}, 'Duplicate value: ""'),
        ({"ports": [{"name": "A"}]}, "name: Invalid value"),
        ({"ports": [{"protocol": "ICMP"}]}, 'Unsupported value: "ICMP"'),
        ({"addressType": "FQDN", "endpoints": [{"addresses": ["-"]}]}, "RFC 1123 subdomain"),
    ],
)
async def test_a_wrong_slice_is_refused(cluster: Cluster, members: dict[str, Any], complaint: str) -> None:
    with pytest.raises(StatusError, match=complaint) as refused:
        await cluster.create("EndpointSlice", "by-hand", **{**GOOD, **members})

    assert refused.value.status == 422


async def test_the_address_type_stays(cluster: Cluster) -> None:
    await cluster.create("EndpointSlice", "by-hand", **GOOD)

    with pytest.raises(StatusError, match='addressType: Invalid value: "IPv6": field is immutable'):
        await cluster.patch("EndpointSlice", "by-hand", {"addressType": "IPv6", "endpoints": []})
