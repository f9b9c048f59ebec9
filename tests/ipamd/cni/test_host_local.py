"""host-local's ranges."""

import pytest

from ipamd.errors import CniError
from tests.ipamd.cni.calling import plan


def ranges(ipam: object, **more: object) -> list[list[tuple[str, str, str]]]:
    made = plan(ipam, **more)
    return [[(str(each.subnet), str(each), str(each.gateway)) for each in part.ranges] for part in made.sets]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"subnet": "192.0.2.0/24"}, ("192.0.2.0/24", "192.0.2.1-192.0.2.254", "192.0.2.1")),
        ({"subnet": "192.0.2.0/30"}, ("192.0.2.0/30", "192.0.2.1-192.0.2.2", "192.0.2.1")),
        ({"subnet": "2001:db8::/126"}, ("2001:db8::/126", "2001:db8::1-2001:db8::3", "2001:db8::1")),
        ({"subnet": "2001:db8:1::0/64", "gateway": ""}, (
            "2001:db8:1::/64", "2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff", "2001:db8:1::1")),
        (
            {"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.9", "rangeEnd": "192.0.2.20", "gateway": "10.0.0.1"},
            ("192.0.2.0/24", "192.0.2.9-192.0.2.20", "10.0.0.1"),
        ),
        ({"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.0"}, ("192.0.2.0/24", "192.0.2.0-192.0.2.254", "192.0.2.1")),
        ({"subnet": "::ffff:192.0.2.0/24"}, ("192.0.2.0/24", "192.0.2.1-192.0.2.254", "192.0.2.1")),
    ],
)  # fmt: skip
def test_a_range_has_defaults(written: dict[str, str], read: tuple[str, str, str]) -> None:
    assert ranges({"ranges": [[written]]}) == [[read]]


def test_the_gateway_is_not_given_out() -> None:
    (only,) = plan({"subnet": "192.0.2.0/29", "gateway": "192.0.2.3"}).sets
    base = only.ranges[0].subnet.base

    assert only.spans == ((base + 1, base + 2), (base + 4, base + 6))


def test_the_ranges_of_the_runtime_come_first_then_the_older_form() -> None:
    listed = [[{"subnet": "10.3.0.0/24"}]]
    runtime = {"ipRanges": [[{"subnet": "10.1.0.0/24"}]]}
    read = ranges({"subnet": "10.2.0.0/24", "ranges": listed}, runtimeConfig=runtime)

    assert [part[0][0] for part in read] == ["10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/24"]


@pytest.mark.parametrize(
    ("ipam", "message"),
    [
        ({"subnet": "192.0.2.0/31"}, "invalid range set 0: Network 192.0.2.0/31 too small to allocate from"),
        ({"subnet": "2001:db8::/127"}, "invalid range set 0: Network 2001:db8::/127 too small to allocate from"),
        (
            {"subnet": "192.0.2.77/24"},
            "invalid range set 0: Network has host bits set."
            " For a subnet mask of length 24 the network address is 192.0.2.0",
        ),
        ({"subnet": "192.0.2.0"}, "invalid range set 0: invalid CIDR address: 192.0.2.0"),
        ({"subnet": "192.0.2.0/33"}, "invalid range set 0: invalid CIDR address: 192.0.2.0/33"),
        ({"subnet": "host/24"}, "invalid range set 0: not an IP address: 'host'"),
        (
            {"subnet": "192.0.2.0/24", "rangeStart": "192.0.3.0"},
            "invalid range set 0: RangeStart 192.0.3.0 not in network 192.0.2.0/24",
        ),
        (
            {"subnet": "192.0.2.0/24", "rangeEnd": "192.0.4.0"},
            "invalid range set 0: RangeEnd 192.0.4.0 not in network 192.0.2.0/24",
        ),
        (
            {"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.50", "rangeEnd": "192.0.2.40"},
            "invalid range set 0: RangeStart 192.0.2.50 not in network 192.0.2.0/24",
        ),
        ({"ranges": [[]]}, "invalid range set 0: empty range set"),
        (
            {"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "2001:db8::/64"}]]},
            "invalid range set 0: mixed address families",
        ),
        (
            {"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "10.0.0.0/25"}]]},
            "invalid range set 0: subnets 10.0.0.1-10.0.0.254 and 10.0.0.1-10.0.0.126 overlap",
        ),
        ({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.0.0.0/25"}]]}, "range set 0 overlaps with 1"),
    ],
)
def test_ranges_that_cannot_be_are_refused_in_host_locals_words(ipam: object, message: str) -> None:
    with pytest.raises(CniError) as refused:
        plan(ipam)
    assert (refused.value.code, refused.value.message) == (7, message)
