"""Which ends of a pool for services are given, and what becomes of the pool."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from ipamd.kube.pool_ends import TAG, closed, fitted, to_close
from ipamd.kube.service_ranges import ServiceRange, service_range
from ipamd.model import Pool


def few(*cidrs: str) -> Pool:
    return Pool("few", cidrs, purpose="services", exclude=("10.5.0.10", "fd00::9"), tags=("a",))


def ranges(cidrs: Sequence[str]) -> list[ServiceRange]:
    return [*map(service_range, cidrs)]


@pytest.mark.parametrize(
    ("pool", "cidrs", "withheld"),
    [
        (few("10.5.0.8/29"), ["10.5.0.8/29", "10.5.0.0/27"], []),  # both ends lie in the midst of the wider one
        (few("10.5.0.8/29"), ["10.5.0.8/29", "10.5.0.0/28"], ["10.5.0.15"]),  # whose end this is as well
        (few("10.5.0.8/29"), ["10.5.0.8/29", "10.5.0.8/30", "10.5.0.0/28"], ["10.5.0.15"]),
        (few("10.5.0.0/29"), ["10.5.0.0/29", "10.5.0.0/28"], ["10.5.0.0"]),
        (few("10.5.0.0/29", "10.5.0.8/29"), ["10.5.0.0/28"], ["10.5.0.0", "10.5.0.15"]),
        (few("fd00::/120"), ["fd00::/120", "fd00::/64"], None),  # the base of both, and IPv6 has no other end
        (few("fd00::100/120"), ["fd00::100/120", "fd00::/64"], []),
        (few("10.5.0.0/29"), ["10.5.0.0/29"], None),
    ],
)
def test_an_end_is_given_that_a_service_cidr_has(pool: Pool, cidrs: list[str], withheld: list[str] | None) -> None:
    found = fitted(pool, ranges(cidrs))

    if withheld is None:
        assert found == pool
    else:
        assert found == replace(pool, edges="all", exclude=(*pool.exclude, *withheld), tags=("a", TAG))
    assert fitted(found, ranges(cidrs)) == found
    assert closed(found) == pool == fitted(found, ranges([*pool.cidrs]))


@pytest.mark.parametrize(
    "change", [{"edges": "kubernetes"}, {"purpose": "pods"}, {"space": "red"}], ids=lambda change: next(iter(change))
)
def test_a_pool_is_left_alone_that_no_service_cidr_is_about_or_whose_ends_are_said(change: dict[str, str]) -> None:
    pool = replace(few("10.5.0.8/29"), **change)

    assert fitted(pool, ranges(["10.5.0.0/27"])) == pool
    assert to_close(pool, []) == []


def test_the_ends_that_are_to_be_closed_are_those_that_nothing_else_has() -> None:
    wide = fitted(few("10.5.0.8/29"), ranges(["10.5.0.0/27"]))

    assert [str(end) for end in to_close(wide, ranges(["10.5.0.8/29"]))] == ["10.5.0.8", "10.5.0.15"]
    assert [str(end) for end in to_close(wide, ranges(["10.5.0.0/28"]))] == ["10.5.0.15"]
