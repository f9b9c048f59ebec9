"""Which address a pool gives next, and which it never gives."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.allocator import Block, Space, static_band
from ipamd.errors import Exhausted, Invalid, IpamError, OutsidePool, Taken, Withheld
from ipamd.model import Pool, Wish
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


def test_blocks_leave_out_what_is_withheld_and_singles_leave_out_the_blocks() -> None:
    block = Wish(block=True)

    assert given_by(pool("10.0.0.0/22", block_size=24), block, NEXT, block, Wish(prefix_length=25)) == [
        "10.0.1.0/24",
        "10.0.0.2",
        "10.0.2.0/24",
        "10.0.0.128/25",
    ]


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
