"""The addresses of a ServiceCIDR that Services may have, and its bands."""

import pytest

from ipamd.kube.service_ranges import service_range
from ipamd.ranges import read_address, show_address


@pytest.mark.parametrize(
    ("cidr", "size", "static", "dynamic"),
    [
        ("10.96.0.0/25", 126, ("10.96.0.1", "10.96.0.16"), ("10.96.0.17", "10.96.0.126")),
        ("10.96.0.0/12", 2**20 - 2, ("10.96.0.1", "10.96.1.0"), ("10.96.1.1", "10.111.255.254")),
        ("fd00::/112", 2**16 - 1, ("fd00::1", "fd00::100"), ("fd00::101", "fd00::ffff")),
        ("10.96.0.0/27", 30, ("10.96.0.1", "10.96.0.16"), ("10.96.0.17", "10.96.0.30")),
    ],
)
def test_the_lower_band_is_static_and_the_upper_dynamic(
    cidr: str, size: int, static: tuple[str, str], dynamic: tuple[str, str]
) -> None:
    found = service_range(cidr)

    def shown(window: tuple[int, int]) -> tuple[str, str]:
        first, last = window
        return show_address(found.cidr.family, first), show_address(found.cidr.family, last)

    assert (found.size, shown(found.static), shown(found.dynamic)) == (size, static, dynamic)


@pytest.mark.parametrize(
    ("cidr", "size"),
    [("10.0.0.0/28", 14), ("10.0.0.0/31", 0), ("10.0.0.0/32", 0), ("fd00::/128", 0), ("fd00::/127", 1)],
)
def test_a_small_range_has_no_static_band(cidr: str, size: int) -> None:
    found = service_range(cidr)

    first, last = found.static
    assert last < first
    assert (found.size, found.dynamic) == (size, found.window)


@pytest.mark.parametrize(
    ("address", "contains", "has"),
    [
        ("10.0.0.0", True, False),
        ("10.0.0.1", True, True),
        ("10.0.0.254", True, True),
        ("10.0.0.255", True, False),
        ("10.0.1.0", False, False),
        ("fd00::1", False, False),
    ],
)
def test_the_ends_of_a_range_are_in_it_but_not_to_be_had(address: str, contains: bool, has: bool) -> None:
    found = service_range("10.0.0.0/24")

    assert (found.contains(read_address(address)), found.has(read_address(address))) == (contains, has)
