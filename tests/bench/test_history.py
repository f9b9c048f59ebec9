"""The judge of concurrent histories: it lets through what can have happened, and nothing else."""

from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.history import Held, Life, Refused, Seen, contradictions, flaws, is_linearizable, too_soon, wrongly_exhausted

ADDRESSES = ("10.0.0.2", "10.0.0.3", "10.0.0.4")


def saw(what: str, lease: int, called: float, answered: float = inf, generation: int = 1) -> Seen:
    """What a client saw of one address; without an end it was not answered."""
    return Seen(what, "10.0.0.2", "o", lease, generation, called, answered, answered != inf)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "can_be"),
    [
        ([saw("new", 1, 0, 1), saw("released", 1, 2, 3), saw("new", 2, 4, 5)], True),
        ([saw("new", 1, 0, 1), saw("new", 2, 2, 3)], False),  # given twice
        ([saw("new", 1, 0, 5), saw("new", 2, 1, 2), saw("released", 2, 2.5, 3)], True),
        ([saw("new", 1, 0, 1), saw("released", 1, 2), saw("new", 2, 3, 4)], True),  # the lost release was done
        ([saw("new", 1, 0, 1), saw("released", 1, 2), saw("again", 1, 3, 4)], True),  # or not
        ([saw("new", 1, 0, 1), saw("again", 1, 3, 4), saw("released", 1, 5), saw("new", 2, 3, 4)], False),
        ([saw("new", 1, 0), saw("new", 2, 3, 4)], True),  # what was not answered never happened
        ([saw("new", 1, 0), saw("again", 1, 3, 4)], True),  # or it did
        ([saw("new", 1, 0, 1), saw("released", 1, 2, 3), saw("released", 1, 4, 5)], False),
        ([saw("new", 1, 0, 1), saw("released", 1, 2, 3), saw("gone", 1, 4, 5)], True),
        ([saw("new", 1, 0, 1), saw("gone", 1, 4, 5)], False),  # an acknowledged lease is lost
        ([saw("new", 1, 0, 1), saw("renewed", 1, 2, 3, 2), saw("again", 1, 4, 5, 2)], True),
        ([saw("new", 1, 0, 1), saw("renewed", 1, 2, 3, 2), saw("again", 1, 4, 5, 1)], False),  # and so is a renewal
        ([saw("new", 1, 0, 1), saw("renewed", 1, 2, 3, 2), saw("renewed", 1, 2, 3, 2)], False),
        ([saw("new", 1, 0, 1), saw("renewed", 1, 2), saw("stale", 1, 4, 5)], True),
        ([saw("new", 1, 0, 1), saw("stale", 1, 4, 5)], False),
        ([saw("taken", 0, 0, 1)], False),
        ([saw("new", 1, 0, 2), saw("taken", 0, 0, 1)], True),
        ([saw("new", 1, 0, 1), saw("free", 0, 2, 3)], False),
        ([saw("free", 0, 2, 3)], True),
    ],
)
def test_a_history_is_one_that_can_have_happened_or_not(part: list[Seen], can_be: bool) -> None:
    for seed in range(5):
        assert is_linearizable(Random(seed).sample(part, len(part))) == can_be


@settings(max_examples=60)
@given(st.integers(0, 1 << 32), st.integers(1, 120))
def test_what_an_allocator_does_is_let_through_and_a_lease_that_is_given_twice_is_not(seed: int, steps: int) -> None:
    random = Random(seed)
    history, held = played(random, steps)
    assert flaws(history, {}) == contradictions(history) == []

    address, owner, lease = next(((*names, lease) for names, lease in held.items()), (ADDRESSES[0], "o", 0))
    history += [Seen("again", address, owner, lease, 1, 1e6, 1e6), Seen("new", address, "thief", -1, 1, 1e6, 1e6)]
    assert address in flaws(history, {})


def played(random: Random, steps: int) -> tuple[list[Seen], dict[tuple[str, str], int]]:
    """What clients see of an allocator that does one thing a second, each asked for and answered around that."""
    held: dict[tuple[str, str], int] = {}
    history: list[Seen] = []
    for now in range(1, steps + 1):
        times = now - random.uniform(0, 9), now + random.uniform(0, 9)
        free = [address for address in ADDRESSES if address not in {names[0] for names in held}]
        if free and random.random() < 0.5:
            names = random.choice(free), f"o{now}"
            held[names] = now
            history.append(Seen("new", *names, now, 1, *times))
        elif held:
            names, lease = random.choice([*held.items()])
            del held[names]
            history.append(Seen("released", *names, lease, 0, *times, is_known=random.random() < 0.8))
    return history, held


def test_a_history_goes_on_from_what_was_there_before() -> None:
    before: dict[str, Held] = {"10.0.0.2": (1, 3), "o": (1, 3)}
    assert flaws([saw("renewed", 1, 0, 1, 4)], before) == []
    assert flaws([saw("new", 2, 0, 1)], before) == ["10.0.0.2", "o"]


def test_a_lease_keeps_its_address_and_its_owner() -> None:
    moved = saw("again", 1, 2, 3)._replace(address="10.0.0.3")
    assert contradictions([saw("new", 1, 0, 1), moved, saw("new", 2, 0, 1)]) == [1]


@pytest.mark.parametrize(
    ("given", "early"),
    [
        (saw("new", 2, 5, 6)._replace(owner="p"), True),
        (saw("new", 2, 5, 13)._replace(owner="p"), False),  # it may have been given as late as that
        (saw("new", 2, 5, 6), False),  # who had it may have it
        (saw("new", 0, 1, 1)._replace(owner="p"), False),  # that was before
    ],
)
def test_what_was_released_cools(given: Seen, early: bool) -> None:
    history = [saw("new", 1, 1, 2), saw("released", 1, 3, 4), given]
    assert bool(too_soon(history, 10)) == early


@pytest.mark.parametrize(
    ("ends", "early"),
    [
        ([saw("released", 1, 3, 4), saw("released", 1, 9)], False),  # the lost one came too late, and did nothing
        ([saw("released", 1, 9, 10), saw("released", 1, 3)], True),  # the lost one did nothing
        ([saw("released", 1, 9), saw("released", 1, 3)], False),  # the earlier one may have been done
        ([saw("released", 1, 9)], True),
    ],
)
def test_what_cools_does_so_from_the_release_that_was_done(ends: list[Seen], early: bool) -> None:
    history = [saw("new", 1, 1, 2), *ends, saw("new", 2, 13, 14)._replace(owner="p")]
    assert bool(too_soon(history, 10)) == early


@pytest.mark.parametrize(
    ("refused", "wrong"),
    [
        (Refused(1, 4, 5), 0),  # both leases stand
        (Refused(1, 0, 1.5), 0),  # the second may have stood by then
        (Refused(1, 0, 0.5), 1),
        (Refused(2, 0.1, 0.5), 0),  # there was one, but not two
        (Refused(1, 6.5, 8), 0),  # the first may have been released as late as that
        (Refused(1, 7.5, 8), 1),
    ],
)
def test_a_pool_is_exhausted_only_when_it_can_have_been(refused: Refused, wrong: int) -> None:
    assert wrongly_exhausted([Life(0, 7), Life(1, inf)], [refused], 2) == wrong
