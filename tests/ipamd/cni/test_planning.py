"""From configurations to plans."""

import pytest

from ipamd.cni.document import Dns, Route
from ipamd.cni.planning import distribute, read_resolv_conf
from ipamd.errors import CniError
from tests.ipamd.cni.calling import plan

TWO = {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.3.0/24"}, {"subnet": "10.1.4.0/24"}]]}


def refused(ipam: object, **more: object) -> str:
    with pytest.raises(CniError) as error:
        distribute(plan(ipam, **more))
    assert error.value.code == 7
    return error.value.message


@pytest.mark.parametrize(
    ("ipam", "pools"),
    [
        ({}, ()),
        ({"pool": "pods"}, ("pods",)),
        ({"pools": ["pods", "pods-v6"]}, ("pods", "pods-v6")),
        ({"pool": "a", "pools": ["b"]}, ("a", "b")),
        ({"pool": None, "routes": None}, ()),
    ],
)
def test_pools_are_named_or_left_to_be_chosen(ipam: object, pools: tuple[str, ...]) -> None:
    assert plan(ipam).pools == pools


def test_addresses_are_asked_for_in_three_ways_and_each_once() -> None:
    made = plan(
        TWO,
        {"IP": "10.1.2.10/24"},
        args={"cni": {"ips": ["10.1.2.11/24", "10.1.2.10"]}},
        runtimeConfig={"ips": ["2001:db8::1/64"]},
    )

    assert [str(each) for each in made.asked] == ["10.1.2.10", "10.1.2.11", "2001:db8::1"]


def test_each_set_gives_the_address_that_is_asked_of_it() -> None:
    made = plan(TWO, args={"cni": {"ips": ["10.1.4.9", "10.1.2.5"]}})

    assert [str(address) for _, address in distribute(made)] == ["10.1.2.5", "10.1.4.9"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["10.1.2.88", "10.1.2.77"], "failed to allocate all requested IPs: 10.1.2.77"),
        (["10.9.9.9", "2001:db8::1"], "failed to allocate all requested IPs: 10.9.9.9 2001:db8::1"),
        (["10.1.4.1"], "failed to allocate for range 1: requested ip 10.1.4.1 is subnet's gateway"),
        (["ten"], "not an IP address: 'ten'"),
    ],
)
def test_addresses_that_no_set_can_give_are_refused(asked: list[str], message: str) -> None:
    assert refused(TWO, args={"cni": {"ips": asked}}) == message


@pytest.mark.parametrize("ipam", [TWO, {"ipRanges": [{"range": "10.1.0.0/24"}, {"range": "10.2.0.0/24"}]}])
def test_old_versions_have_one_address_of_a_family(ipam: object) -> None:
    assert plan(ipam, version="0.3.0")
    assert refused(ipam, version="0.2.0") == "CNI version 0.2.0 does not support more than 1 address per family"


@pytest.mark.parametrize(
    ("ipam", "message"),
    [
        (None, "IPAM config missing 'ipam' key"),
        ({"pool": "pods", "subnet": "10.1.0.0/24"}, "an ipam object names pools or has ranges, not both"),
        ({"pool": "pods", "range": "10.1.0.0/24"}, "an ipam object names pools or has ranges, not both"),
        ({"routes": [{"dst": "here"}]}, "invalid CIDR here: invalid CIDR address: here"),
    ],
)
def test_configurations_that_cannot_be_are_refused(ipam: object, message: str) -> None:
    assert refused(ipam) == message


def test_routes_are_shown_as_networks() -> None:
    made = plan({"routes": [{"dst": "2001:db8:2::0/64", "gw": "2001:db8::0:1", "mtu": 1400}, {"dst": "10.1.2.3/8"}]})

    assert made.routes == (Route("2001:db8:2::/64", "2001:db8::1", 1400), Route("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", Dns()),
        ("nameserver\nsearch\ndomain\n", Dns()),
        ("\n  nameserver 192.0.2.1 x\n\tnameserver 192.0.2.2\n", Dns(("192.0.2.1", "192.0.2.2"))),
        (";nameserver 192.0.2.1\n#search a\nsortlist 1", Dns()),
        ("search a b\nsearch c\noptions one\noptions two three", Dns((), "", ("a", "b", "c"), ("one", "two", "three"))),
        ("domain example.com", Dns((), "example.com")),
    ],
)
def test_a_resolv_conf_is_read(text: str, read: Dns) -> None:
    assert read_resolv_conf(text) == read
