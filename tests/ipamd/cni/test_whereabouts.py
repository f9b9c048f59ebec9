"""whereabouts' ranges."""

import pytest

from ipamd.cni.whereabouts import read_sloppy
from ipamd.errors import CniError
from ipamd.ranges import read_address, show_address
from tests.ipamd.cni.calling import plan


def spans(**ipam: object) -> list[list[str]]:
    made = plan({"type": "ipamd", **ipam})
    return [["-".join(show_address(each.family, end) for end in span) for span in each.spans] for each in made.sets]


@pytest.mark.parametrize(
    ("ipam", "read"),
    [
        ({"range": "192.0.2.0/24"}, ["192.0.2.1-192.0.2.254"]),
        ({"range": "2001:db8::/125"}, ["2001:db8::1-2001:db8::6"]),
        ({"range": "192.0.2.5-192.0.2.25/24"}, ["192.0.2.5-192.0.2.25"]),
        ({"range": "192.0.2.77/24", "range_start": "192.0.2.9"}, ["192.0.2.9-192.0.2.254"]),
        ({"range": "192.0.2.0/24", "range_end": "192.0.2.009"}, ["192.0.2.1-192.0.2.9"]),
        # ends that cannot be are passed over
        ({"range": "192.0.2.0/24", "range_start": "192.0.3.1", "range_end": "192.0.2.255"}, ["192.0.2.1-192.0.2.254"]),
        ({"range": "192.0.2.0/24", "range_start": "192.0.2.9", "range_end": "192.0.2.8"}, ["192.0.2.9-192.0.2.254"]),
        (
            {"range": "192.0.2.0/29", "exclude": ["192.0.2.2", "192.0.2.5/31"]},
            ["192.0.2.1-192.0.2.1", "192.0.2.3-192.0.2.3", "192.0.2.6-192.0.2.6"],
        ),
        ({"range": "192.0.2.0/30", "exclude": ["2001:db8::/64"]}, ["192.0.2.1-192.0.2.2"]),
    ],
)
def test_a_range_is_read(ipam: dict[str, object], read: list[str]) -> None:
    assert spans(**ipam) == [read]


def test_the_own_range_comes_before_those_that_are_listed() -> None:
    listed = [{"range": "10.2.0.0/30"}, {"range": "2001:db8::/126", "exclude": ["2001:db8::1"]}]

    assert spans(range="10.1.0.0/30", ipRanges=listed) == [
        ["10.1.0.1-10.1.0.2"],
        ["10.2.0.1-10.2.0.2"],
        ["2001:db8::2-2001:db8::2"],
    ]


@pytest.mark.parametrize(
    ("ipam", "space"),
    [
        ({}, "whereabouts"),
        ({"network_name": "blue"}, "blue"),
        ({"enable_overlapping_ranges": False}, "whereabouts-10.1.0.0-24"),
        ({"network_name": "blue", "enable_overlapping_ranges": False}, "blue-10.1.0.0-24"),
    ],
)
def test_networks_share_their_addresses_by_network_name(ipam: dict[str, object], space: str) -> None:
    assert [each.space for each in plan({"range": "10.1.0.0/24", **ipam}).sets] == [space]


def test_static_addresses_are_in_every_result() -> None:
    arguments = {"IP": "10.9.0.4/16, 2001:db8::4/64", "GATEWAY": "2001:db8::1"}
    made = plan({"addresses": [{"address": "10.1.0.7/24", "gateway": "10.1.0.1"}]}, arguments)

    assert [(str(each), str(each.gateway)) for each in made.static] == [
        ("10.1.0.7/24", "10.1.0.1"),
        ("10.9.0.4/16", "None"),
        ("2001:db8::4/64", "2001:db8::1"),
    ]


@pytest.mark.parametrize(
    ("ipam", "message"),
    [
        (
            {"range": "192.0.2.0/31"},
            "net mask is too short, subnet 192.0.2.0/31 has no usable IP addresses, it is too small",
        ),
        ({"range": "192.0.2.0"}, "invalid CIDR 192.0.2.0: invalid CIDR address: 192.0.2.0"),
        ({"range": "192.168.1.5-192.168.2.25/28"}, "invalid range start for CIDR 192.168.2.16/28: 192.168.1.5"),
        ({"range": "192.0.2.0/24", "range_start": "first"}, "not an IP address: 'first'"),
        ({"range": "192.0.2.0/24", "exclude": ["x"]}, "could not parse exclude range, error: not an IP address: 'x'"),
        ({"range": "192.0.2.0/24", "gateway": "x"}, "not an IP address: 'x'"),
        ({"addresses": [{"address": "192.0.2.1"}]}, "invalid CIDR 192.0.2.1: invalid CIDR address: 192.0.2.1"),
        ({"addresses": [{"address": "192.0.2.1/24", "gateway": "x"}]}, "not an IP address: 'x'"),
    ],
)
def test_ranges_that_cannot_be_are_refused(ipam: dict[str, object], message: str) -> None:
    with pytest.raises(CniError) as refused:
        plan(ipam)
    assert (refused.value.code, refused.value.message) == (7, message)


@pytest.mark.parametrize("text", ["010.001.000.08", " 10.1.0.8 ", "000010.1.0.8"])
def test_leading_zeros_are_decimal(text: str) -> None:
    assert read_sloppy(text) == read_address("10.1.0.8")
