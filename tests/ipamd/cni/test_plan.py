"""Stretches of addresses."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ipamd.cni.plan import union, unmapped, widest, without
from ipamd.ranges import read_address, read_cidr

ENDS = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair)))


def numbers(spans: object) -> set[int]:
    assert isinstance(spans, tuple)
    return {number for first, last in spans for number in range(first, last + 1)}


@given(ENDS, st.lists(ENDS))
def test_without_is_the_difference_of_sets(ends: tuple[int, int], holes: list[tuple[int, int]]) -> None:
    spans = without(*ends, holes)

    assert numbers(spans) == numbers((ends,)) - numbers(tuple(holes))
    assert list(spans) == sorted(spans)


@given(st.lists(ENDS))
def test_union_is_the_union_of_sets_in_the_fewest_stretches(spans: list[tuple[int, int]]) -> None:
    joined = union(spans)

    assert numbers(joined) == numbers(tuple(spans))
    assert all(one[1] + 1 < other[0] for one, other in pairwise(joined))


def test_the_widest_of_nested_cidrs_are_kept() -> None:
    cidrs = map(read_cidr, ("10.1.2.0/24", "10.1.0.0/16", "10.2.0.0/24", "10.1.0.0/24", "10.2.0.0/24"))

    assert [str(cidr) for cidr in widest(cidrs)] == ["10.1.0.0/16", "10.2.0.0/24"]


def test_an_ipv4_mapped_address_is_the_one_of_ipv4() -> None:
    assert unmapped(read_address("::ffff:10.1.2.3")) == read_address("10.1.2.3")
    assert unmapped(read_address("::fffe:10.1.2.3")) == read_address("::fffe:10.1.2.3")
