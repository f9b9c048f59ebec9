"""In which order upstreams are tried."""

from itertools import islice
from random import Random

import pytest

from kdns.transport import policy

UPSTREAMS = ["a", "b", "c"]


def test_sequential_is_the_corefiles_order() -> None:
    assert [list(policy.sequential(UPSTREAMS)) for _ in range(2)] == [UPSTREAMS, UPSTREAMS]


def test_round_robin_puts_each_first_in_turn() -> None:
    order = policy.round_robin()

    assert ["".join(order(UPSTREAMS)) for _ in range(4)] == ["bac", "cab", "abc", "bac"]


def test_random_gives_every_order() -> None:
    order = policy.random(Random(7))

    assert len({"".join(order(UPSTREAMS)) for _ in range(200)}) == 6


@pytest.mark.parametrize(
    ("down", "expected"),
    [("", "abcabc"), ("a", "bcbcbc"), ("ac", "bbbbbb")],
)
def test_those_that_are_down_are_passed_over(down: str, expected: str) -> None:
    tried = policy.tries(UPSTREAMS, down.__contains__, Random(7))

    assert list(islice(tried, 6)) == [(upstream, False) for upstream in expected]


def test_when_all_are_down_one_is_drawn_as_a_last_resort() -> None:
    tried = list(islice(policy.tries(UPSTREAMS, lambda upstream: True, Random(7)), 60))

    assert {upstream for upstream, _ in tried} == set(UPSTREAMS)
    assert all(is_last_resort for _, is_last_resort in tried)
