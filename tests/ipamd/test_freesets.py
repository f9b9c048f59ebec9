"""The free sets against a model of a few hundred addresses, and at sizes that no model could count."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ipamd.freesets import FreeSet, Spans, WideSet, aligned, free_set, merge
from ipamd.ranges import Cidr, read_cidr

SIZE = 256
SPANS = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)).map(sorted).map(tuple), max_size=5)
CIDRS = ["192.0.2.0/24", "2001:db8::/120"]


class Model(RuleBasedStateMachine):
    """One CIDR of 256 addresses, beside the set of those that are free."""

    cidr: Cidr

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[int, int]] = []
        self.withheld: Spans = [(0, 0), (100, 107)]
        self.free = set(range(SIZE)) - {0, *range(100, 108)}
        self.real: FreeSet = free_set(self.cidr, self.withheld)

    @rule(start=st.integers(0, SIZE), end=st.integers(0, SIZE), bits=st.integers(0, 8))
    def takes_the_next_free_block(self, start: int, end: int, bits: int) -> None:
        """The first aligned block between the bounds of which every address is free."""
        candidates = range(aligned(start, bits), end - (1 << bits) + 1, 1 << bits)
        expected = next((at for at in candidates if self.free >= set(range(at, at + (1 << bits)))), None)

        assert self.real.next_free(start, end, bits) == expected
        if expected is not None:
            self.real.take(expected, bits)
            self.free -= set(range(expected, expected + (1 << bits)))
            self.taken.append((expected, bits))

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def gives_a_block_back(self, data: st.DataObject) -> None:
        """Any that was taken."""
        first, bits = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
        self.real.give(first, bits)
        self.free |= set(range(first, first + (1 << bits)))

    @rule(at=st.integers(0, SIZE - 1), bits=st.integers(0, 8))
    def tells_what_is_free(self, at: int, bits: int) -> None:
        """Of every aligned block."""
        first = at >> bits << bits
        block = set(range(first, first + (1 << bits)))
        assert self.real.is_free(first, bits) == (self.free >= block)
        assert self.real.is_withheld(first, bits) == bool(block & {0, *range(100, 108)})

    @rule(start=st.integers(0, SIZE), end=st.integers(0, SIZE), count=st.integers(0, SIZE))
    def tells_the_first_that_are_free(self, start: int, end: int, count: int) -> None:
        """Single addresses between the bounds, in their order."""
        expected = sorted(self.free & set(range(start, end)))[:count]
        assert self.real.free_singles(start, end, count) == expected

    @invariant()
    def capacity_never_changes(self) -> None:
        """It is what is not withheld."""
        assert self.real.capacity == SIZE - 9


class Model4(Model):
    """IPv4."""

    cidr = read_cidr("192.0.2.0/24")


class Model6(Model):
    """IPv6."""

    cidr = read_cidr("2001:db8::/120")


TestModel4 = Model4.TestCase
TestModel6 = Model6.TestCase
TestModel4.settings = TestModel6.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("cidr", CIDRS)
def test_many_singles_at_once_are_as_good_as_one_by_one(cidr: str) -> None:
    at_once, one_by_one = free_set(read_cidr(cidr), []), free_set(read_cidr(cidr), [])
    at_once.take_singles([1, 2, 200])
    for offset in (1, 2, 200):
        one_by_one.take(offset, 0)

    assert [at_once.is_free(n, 0) for n in range(SIZE)] == [one_by_one.is_free(n, 0) for n in range(SIZE)]


@given(SPANS)
def test_merged_spans_are_the_same_offsets_sorted_and_apart(spans: Spans) -> None:
    merged = merge(spans)

    assert {n for a, b in merged for n in range(a, b + 1)} == {n for a, b in spans for n in range(a, b + 1)}
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(merged))


def test_the_whole_of_ipv4_can_be_a_pool() -> None:
    free = free_set(read_cidr("0.0.0.0/0"), [(0, 0)])

    assert free.capacity == 2**32 - 1
    assert free.next_free(0, 2**32, 24) == 2**24
    assert free.next_free(2**32 - 1, 2**32, 0) == 2**32 - 1


def test_a_large_ipv6_prefix_gives_blocks_larger_than_a_machine_word() -> None:
    free = free_set(read_cidr("2001:db8::/32"), [(0, 0)])
    first = free.next_free(0, 2**96, 80)
    assert first == 2**80
    free.take(first, 80)

    assert free.next_free(0, 2**96, 80) == 2 * 2**80
    assert free.next_free(2**80, 2**96, 0) == 2 * 2**80  # a single address does not fall into a taken block
    assert not free.is_free(2**80 + 5, 0)
    assert not free.is_free(0, 95)  # a block around a taken one is not free either


def test_addresses_beyond_two_to_the_sixty_four_are_kept_apart() -> None:
    free = free_set(read_cidr("2001:db8::/48"), [])
    free.take(2**64 + 1, 0)

    assert free.is_free(1, 0)
    assert not free.is_free(2**64 + 1, 0)
    assert free.next_free(2**64, 2**80, 1) == 2**64 + 2


NUMBERS = st.one_of(st.integers(0, 40), st.integers(2**64 - 20, 2**64 + 20), st.integers(2**66, 2**66 + 10))


@given(st.sets(NUMBERS), st.sets(NUMBERS), NUMBERS, NUMBERS)
def test_a_wide_set_equals_a_set_of_integers(members: set[int], discarded: set[int], start: int, other: int) -> None:
    wide = WideSet()
    wide.update(members)
    for number in discarded:
        wide.discard(number)
    members = members - discarded
    first, last = sorted((start, other))

    assert (start in wide) == (start in members)
    assert wide.first_gap(start) == next(n for n in range(start, start + 200) if n not in members)
    assert wide.has_between(first, last) == any(first <= n <= last for n in members)
