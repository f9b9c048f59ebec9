"""Which address a pool gives next, and which it never gives."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.allocator import Block, Space
from ipamd.bands import static_band
from ipamd.errors import Exhausted, Invalid, IpamError, OutsidePool, Taken, Withheld
from ipamd.model import Owner, Pool, Reservation, Wish
from ipamd.pool_rules import check_pool
from ipamd.ranges import read_address, read_cidr, show_address

RANDOM = Random(7)


def given_by(pool: Pool, *wishes: Wish) -> list[str]:
    """What the pool gives for one wish after the other."""
    space, texts = Space(pool), []
    for wish in wishes:
        block = space.choose(wish, RANDOM)
        space.take(block)
        length = f"/{space.width - block.bits}" if block.bits else ""
        texts.append(show_address(space.family, block.first) + length)
    return texts


def pool(*cidrs: str, **settings: object) -> Pool:
    """A pool for pods of these CIDRs."""
    return Pool("p", cidrs, **{"purpose": "pods", **settings})  # type: ignore[arg-type]


NEXT = Wish()


@pytest.mark.parametrize(
    ("of", "first_two"),
    [
        (pool("10.244.0.0/16"), ["10.244.0.2", "10.244.0.3"]),  # network and gateway are withheld
        (pool("10.244.0.0/16", gateway="10.244.0.9"), ["10.244.0.1", "10.244.0.2"]),
        (pool("10.244.0.0/16", exclude=("10.244.0.0/24", "10.244.1.0")), ["10.244.1.1", "10.244.1.2"]),
        (pool("10.0.0.0/31"), ["10.0.0.0", "10.0.0.1"]),  # RFC 3021
        (pool("10.0.0.4/32", "10.0.0.9/32"), ["10.0.0.4", "10.0.0.9"]),
        (pool("10.0.0.8/30", "10.0.0.0/30"), ["10.0.0.10", "10.0.0.2"]),  # CIDRs in the order of the pool
        (pool("fd00::/64"), ["fd00::2", "fd00::3"]),
        (pool("fd00::/127"), ["fd00::", "fd00::1"]),  # RFC 6164
        (pool("10.0.0.0/24", purpose="any"), ["10.0.0.2", "10.0.0.3"]),
        (pool("10.0.0.0/24", purpose="lb"), ["10.0.0.0", "10.0.0.1"]),
        (pool("10.96.0.0/24", purpose="services"), ["10.96.0.16", "10.96.0.17"]),  # above the static band
        (pool("fd00::/112", purpose="services"), ["fd00::100", "fd00::101"]),
        (pool("10.96.0.0/28", purpose="services"), ["10.96.0.1", "10.96.0.2"]),  # too small for a band
    ],
)
def test_the_lowest_free_address_is_given_first(of: Pool, first_two: list[str]) -> None:
    assert given_by(of, NEXT, NEXT) == first_two


def test_a_services_pool_comes_to_its_static_band_when_the_rest_is_gone() -> None:
    texts = given_by(pool("10.96.0.0/27", purpose="services"), *[NEXT] * 30)

    assert texts[:15] == [f"10.96.0.{n}" for n in range(16, 31)]
    assert texts[15:] == [f"10.96.0.{n}" for n in range(1, 16)]


@pytest.mark.parametrize(
    ("cidr", "addresses"),
    [
        ("10.0.0.0/32", 0),
        ("10.0.0.0/28", 0),
        ("10.0.0.0/27", 16),
        ("10.0.0.0/22", 64),
        ("10.0.0.0/8", 256),
        ("fd00::/122", 16),
        ("fd00::/64", 256),
    ],
)
def test_the_static_band_of_services_has_the_size_that_kubernetes_gives_it(cidr: str, addresses: int) -> None:
    assert static_band(read_cidr(cidr)) == addresses


@pytest.mark.parametrize(
    ("of", "capacity"),
    [
        (pool("10.0.0.0/24"), 253),
        (pool("10.0.0.0/24", gateway="10.0.0.254", exclude=("10.0.0.250/31", "10.0.0.254")), 251),
        (pool("10.0.0.0/24", purpose="services"), 254),
        (pool("10.0.0.0/31", purpose="services"), 0),
        (pool("fd00::/112", purpose="services"), 65535),
        (pool("10.0.0.0/24", purpose="nodes"), 256),
        (pool("fd00::/48"), 2**80 - 2),
    ],
)
def test_capacity_counts_what_can_be_given(of: Pool, capacity: int) -> None:
    assert Space(of).capacity == capacity


BLOCK = Wish(block=True)


@pytest.mark.parametrize(
    ("of", "wishes", "given"),
    [
        (pool("10.0.0.0/22", block_size=24), [BLOCK, NEXT, BLOCK], ["10.0.0.0/24", "10.0.1.0", "10.0.2.0/24"]),
        (pool("10.0.0.0/22", block_size=24), [NEXT, BLOCK], ["10.0.0.2", "10.0.1.0/24"]),
        (pool("10.0.0.0/22", block_size=24), [Wish(prefix_length=31)], ["10.0.0.2/31"]),
        (pool("10.0.0.0/22", block_size=24), [Wish(prefix_length=23)], ["10.0.0.0/23"]),
        (pool("10.0.0.0/22", block_size=24), [BLOCK] * 4, [f"10.0.{n}.0/24" for n in range(4)]),
        (pool("10.0.0.0/22", block_size=24, gateway="10.0.0.9"), [BLOCK], ["10.0.1.0/24"]),
        (pool("10.0.0.0/22"), [Wish(prefix_length=24)], ["10.0.1.0/24"]),
        (pool("fd00::/56", block_size=64), [BLOCK, NEXT], ["fd00::/64", "fd00:0:0:1::"]),
        (pool("10.0.0.0/30", block_size=32), [NEXT], ["10.0.0.2"]),
        (pool("10.0.0.0/24", purpose="services", block_size=28), [BLOCK, NEXT], ["10.0.0.0/28", "10.0.0.16"]),
    ],
)
def test_only_a_block_of_the_block_size_has_the_ends_of_a_cidr(of: Pool, wishes: list[Wish], given: list[str]) -> None:
    assert given_by(of, *wishes) == given


def test_a_block_reserved_for_a_node_has_the_ends_of_the_cidr_and_its_single_addresses_have_not() -> None:
    mine = Owner("Node", "n1")
    space = Space(
        pool("10.0.0.0/22", block_size=24, reservations=(Reservation("10.0.0.0/24", kind="Node", name="n1"),))
    )

    assert space.choose(BLOCK, RANDOM, mine) == Block(read_address("10.0.0.0").value, 8)
    assert space.choose(NEXT, RANDOM, mine).first == read_address("10.0.0.2").value
    assert (space.capacity, space.reserved) == (1023, 256)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.0.0.0", "it is at an end of its CIDR"),
        ("10.0.0.5", "it is the gateway"),
        ("10.0.0.6", "it is excluded"),
        ("10.0.0.9", "it is outside of the ranges"),
        ("10.0.0.2", None),
    ],
)
def test_who_asks_for_an_address_that_is_never_given_is_told_why(address: str, why: str | None) -> None:
    space = Space(pool("10.0.0.0/24", gateway="10.0.0.5", exclude=("10.0.0.6",), ranges=("10.0.0.0-10.0.0.8",)))

    if why is None:
        assert space.choose(Wish(address=address), RANDOM).first == read_address(address).value
    else:
        with pytest.raises(Withheld, match=f"{address} is not handed out by pool p: {why}"):
            space.choose(Wish(address=address), RANDOM)


@pytest.mark.parametrize("address", ["10.0.0.0", "10.0.0.1", "10.0.3.255"])
def test_a_single_address_at_an_end_is_withheld_where_a_block_may_have_it(address: str) -> None:
    with pytest.raises(Withheld):
        Space(pool("10.0.0.0/22", block_size=24)).choose(Wish(address=address), RANDOM)


@given(
    st.sampled_from(["10.0.0.0/26", "fd00::/122"]),
    st.sampled_from(["lowest", "round-robin", "random"]),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 63)), max_size=60),
    st.integers(),
)
def test_counts_hold_whatever_blocks_and_singles_come_and_go(
    cidr: str, strategy: str, steps: list[tuple[int, int]], seed: int
) -> None:
    base, random = read_cidr(cidr), Random(seed)
    space = Space(pool(cidr, strategy=strategy, block_size=base.length + 2))
    held: list[Block] = []
    for bits, number in steps:
        if held and number % 3 == 0:
            space.give(held.pop(number % len(held)))
        else:
            try:
                held.append(space.choose(Wish(prefix_length=space.width - bits), random))
            except Exhausted:
                continue
            space.take(held[-1])
        taken = [each.first - base.base + n for each in held for n in range(1 << each.bits)]
        assert len(set(taken)) == len(taken) == space.used
        ends = {0, 1, 63} if base.family == 4 else {0, 1}
        assert space.free == space.counted() == len({*range(64)} - {*taken} - ends)
        assert all(
            each.bits >= 4
            for each in held
            if {n for n in ends if each.first <= base.base + n < each.first + (1 << each.bits)}
        )
        listed = [each.first - base.base + n for each in space.free_blocks(6) for n in range(1 << each.bits)]
        assert {*range(64)} - {*taken} - ends <= {*listed} <= {*range(64)} - {*taken}


def test_a_pool_for_nodes_gives_blocks_from_its_very_beginning() -> None:
    of = pool("10.0.0.0/16", purpose="nodes", block_size=24)
    assert given_by(of, Wish(block=True), Wish(block=True)) == ["10.0.0.0/24", "10.0.1.0/24"]


def test_round_robin_goes_on_after_the_last_one_even_when_lower_ones_are_free() -> None:
    space = Space(pool("10.0.0.0/29", strategy="round-robin"))
    texts = []
    for _ in range(8):
        block = space.choose(NEXT, RANDOM)
        space.take(block)
        space.give(block)
        texts.append(show_address(4, block.first))

    assert texts == [f"10.0.0.{n}" for n in (2, 3, 4, 5, 6, 2, 3, 4)]


@given(st.integers())
def test_random_gives_every_address_once(seed: int) -> None:
    space, random = Space(pool("10.0.0.0/28", strategy="random")), Random(seed)
    for _ in range(space.capacity):
        space.take(space.choose(NEXT, random))

    assert space.used == 13
    with pytest.raises(Exhausted) as caught:
        space.choose(NEXT, random)
    assert caught.value.members == {"pool": "p", "capacity": 13, "used": 13, "cooling": 0, "reserved": 0, "free": 0}


@pytest.mark.parametrize(
    ("wish", "refusal", "text"),
    [
        (Wish(address="10.0.0.0"), Withheld, "10.0.0.0 is not handed out"),
        (Wish(address="10.0.0.1"), Withheld, "10.0.0.1 is not handed out"),
        (Wish(address="10.0.0.255"), Withheld, "10.0.0.255"),
        (Wish(address="10.0.0.4"), Taken, "10.0.0.4 is taken"),
        (Wish(address="10.0.1.4"), OutsidePool, r"10.0.1.4 is outside pool p \(10.0.0.0/24\)"),
        (Wish(address="::ffff:10.0.0.5"), OutsidePool, "outside"),
        (Wish(address="10.0.0.5", prefix_length=30), Invalid, "does not begin a block of length /30"),
        (Wish(address="10.0.0.4", prefix_length=30), Taken, "taken"),
        (Wish(prefix_length=23), Invalid, "/24 to /32"),
        (Wish(prefix_length=33), Invalid, "/24 to /32"),
        (Wish(prefix_length=24), Exhausted, "no block of length /24"),
        (Wish(block=True), Invalid, "no block_size"),
    ],
)
def test_a_refusal_tells_why(wish: Wish, refusal: type[IpamError], text: str) -> None:
    space = Space(pool("10.0.0.0/24"))
    space.take(Block(read_address("10.0.0.4").value, 0))

    with pytest.raises(refusal, match=text):
        space.choose(wish, RANDOM)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (pool(), "has a CIDR at least"),
        (pool("10.0.0.0/24", "fd00::/64"), "both families"),
        (pool("10.0.0.0/24", "10.0.0.128/25"), "10.0.0.128/25 overlaps 10.0.0.0/24"),
        (pool("10.0.0.1/24"), "bits set"),
        (pool("10.0.0.0/24", exclude=("10.0.1.0/24",)), "outside the CIDRs"),
        (pool("10.0.0.0/24", gateway="10.0.1.1"), "outside the CIDRs"),
        (pool("10.0.0.0/24", block_size=23), "block_size 23 is not within /24 to /32"),
        (pool("10.0.0.0/24", block_size=33), "block_size 33"),
        (Pool("Pods", ("10.0.0.0/24",)), "no name of a pool"),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused(wrong: Pool, text: str) -> None:
    with pytest.raises(Invalid, match=text):
        check_pool(wrong)


@given(
    st.sampled_from(["10.0.0.0/24", "fd00::/120"]),
    st.sampled_from(["pods", "services", "lb", "any"]),
    st.sampled_from(["lowest", "round-robin", "random"]),
    st.lists(st.integers(0, 255), max_size=8),
    st.integers(),
)
def test_whatever_is_given_is_inside_the_pool_free_and_not_withheld(
    cidr: str, purpose: str, strategy: str, excluded: list[int], seed: int
) -> None:
    base = read_cidr(cidr)
    exclude = tuple(show_address(base.family, base.base + n) for n in excluded)
    space, random = Space(pool(cidr, purpose=purpose, strategy=strategy, exclude=exclude)), Random(seed)
    given_so_far: set[int] = set()
    for _ in range(space.capacity):
        block = space.choose(NEXT, random)
        space.take(block)
        given_so_far.add(block.first - base.base)

    assert len(given_so_far) == space.capacity == space.used
    assert given_so_far <= set(range(256)) - set(excluded)
    with pytest.raises(Exhausted):
        space.choose(NEXT, random)
