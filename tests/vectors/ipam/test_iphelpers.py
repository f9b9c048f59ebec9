"""whereabouts' arithmetic of addresses, as the allocator and the CNI plugin do it."""

from collections.abc import Iterator
from random import Random

import pytest

from ipamd.allocator import Block, Space
from ipamd.cni import whereabouts
from ipamd.cni.document import Ipam, IPRangeConfig
from ipamd.cni.plan import Range
from ipamd.errors import CniError, Exhausted, Invalid, Unfit
from ipamd.model import Pool, Wish
from ipamd.ranges import read_address, read_cidr, read_span, show_address
from tests.vectors.ipam.table import Row, each

RANDOM = Random(1)


def usable(cidr: str) -> Range:
    """The range of a whole CIDR. Raises CniError."""
    [found] = whereabouts.range_set(IPRangeConfig(cidr), Ipam(), None).ranges
    return found


@each("whereabouts_iphelpers", "usable")
def test_the_ends_of_a_cidr_are_not_usable(row: Row | None) -> None:
    if row is None:
        return
    cidr, want = read_cidr(row["cidr"]), row.get("expect")
    if "expectErrorPrefix" in row or want is False:
        with pytest.raises(CniError, match=row.get("expectErrorPrefix", "net mask is too short")):
            usable(row["cidr"])
        return
    ends = {"NetworkIP": cidr.base, "SubnetBroadcastIP": cidr.last}
    if row["fn"] not in ends:
        found = usable(row["cidr"])
        ends |= {"FirstUsableIP": found.first, "LastUsableIP": found.last, "HasUsableIPs": found.first <= found.last}
    assert ends[row["fn"]] == (want if want is True else read_address(want).value)


@each("whereabouts_iphelpers", "incDec")
def test_the_address_behind_another_is_the_next_one_and_the_first_behind_the_last(row: Row | None) -> None:
    if row is None:
        return
    before, after = (row["ip"], row["expect"]) if row["fn"] == "Inc" else (row["expect"], row["ip"])
    everything = "::/0" if ":" in before else "0.0.0.0/0"
    space = Space(Pool("p", (everything,), strategy="round-robin", edges="all"))
    space.take(Block(read_address(before).value, 0))

    assert space.choose(Wish(pool="p"), RANDOM).first == read_address(after).value


@each("whereabouts_iphelpers", "offset")
def test_how_far_two_addresses_are_apart(row: Row | None) -> None:
    if row is None:
        return
    if "add" in row:
        family, value = read_address(row["ip"])
        assert show_address(family, value + row["add"]) == str(read_address(row["expect"]))
    elif "expectError" in row:
        with pytest.raises(Invalid):
            read_span(f"{row['a']}-{row['b']}")
    else:
        first, last = sorted((row["a"], row["b"]), key=read_address)
        span = read_span(f"{first}-{last}")
        assert span.last - span.first == row["expect"]


@each("whereabouts_iphelpers", "compare")
def test_addresses_are_in_the_order_of_their_numbers(row: Row | None) -> None:
    if row is None:
        return
    one, other = read_address(row["a"]), read_address(row["b"])

    assert (one > other) - (one < other) == row["expect"]


@each("whereabouts_iphelpers", "inRange")
def test_an_address_is_in_a_range_from_its_first_to_its_last(row: Row | None) -> None:
    if row is None:
        return
    span = read_span(f"{row['start']}-{row['end']}")
    if row["expect"] == "error":
        with pytest.raises(Invalid):
            read_address(row["ip"])
    else:
        assert (span.first <= read_address(row["ip"]).value <= span.last) is row["expect"]


@each("whereabouts_iphelpers", "divideRangeBySize")
def test_a_range_is_cut_into_slices(row: Row | None) -> None:
    if row is None:
        return
    length = int(row["sliceSize"].removeprefix("/"))
    if row.get("expectError"):
        with pytest.raises(Unfit):
            [*slices(row["netRange"], length)]
    else:
        assert [*slices(row["netRange"], length)] == row["expectedResult"]


def slices(cidr: str, length: int) -> Iterator[str]:
    """The blocks that a pool gives until it has no more."""
    space = Space(Pool("p", (cidr,), edges="all"))
    try:
        while True:
            block = space.choose(Wish(pool="p", prefix_length=length), RANDOM)
            space.take(block)
            yield f"{show_address(space.family, block.first)}/{length}"
    except Exhausted:
        return
