"""host-local's and whereabouts' ranges, and the order of their addresses, as the CNI plugin offers them."""

from random import Random

import pytest

from ipamd.allocator import Block, Space
from ipamd.cni import host_local, whereabouts
from ipamd.cni.document import Ipam, IPRangeConfig, RangeConfig
from ipamd.cni.plan import RangeSet
from ipamd.errors import CniError, Exhausted, Invalid, Taken
from ipamd.model import Pool, Wish
from ipamd.ranges import read_address, read_cidr, show_address
from tests.vectors.ipam.table import Row, each

RANDOM = Random(1)
REFUSED = (CniError, Invalid)


def config(row: Row) -> RangeConfig:
    return RangeConfig(row["subnet"], row.get("rangeStart", ""), row.get("rangeEnd", ""), row.get("gateway", ""))


def space_of(ranges: RangeSet) -> Space:
    cidrs = tuple(str(one.subnet) for one in ranges.ranges)
    return Space(Pool("p", cidrs, strategy=ranges.strategy, edges="all"))


def take(space: Space, text: str) -> None:
    space.take(Block(read_address(text).value, 0))


def chosen(space: Space, ranges: RangeSet, address: str | None = None) -> str:
    block = space.choose(Wish(pool="p", within=ranges.spans, address=address), RANDOM)
    return show_address(space.family, block.first)


@each("host_local_range", "canonicalize")
def test_a_range_has_host_locals_defaults(row: Row | None) -> None:
    if row is None:
        return
    if "expectError" in row:
        with pytest.raises(REFUSED) as refused:
            host_local.read_range(config(row["in"]))
        assert row["expectError"] in str(refused.value)
        return
    found, wanted = host_local.read_range(config(row["in"])), row["expect"]
    assert found.subnet == read_cidr(wanted["subnet"])
    assert found.gateway == read_address(wanted["gateway"])
    assert (found.first, found.last) == tuple(read_address(wanted[end]).value for end in ("rangeStart", "rangeEnd"))


@each("host_local_range", "contains")
def test_a_range_holds_what_is_between_its_ends(row: Row | None) -> None:
    if row is not None:
        assert host_local.read_range(config(row["in"])).holds(read_address(row["ip"])) == row["expect"]


@each("host_local_range", "overlap")
def test_ranges_overlap_if_an_address_is_in_both(row: Row | None) -> None:
    if row is not None:
        one, other = (host_local.read_range(config(row[name])) for name in ("a", "b"))
        assert one.overlaps(other) == other.overlaps(one) == row["expect"]


@each("host_local_range", "rangeSet")
def test_a_range_set_is_of_ranges_apart(row: Row | None) -> None:
    if row is None:
        return
    listed = [RangeConfig(subnet) for subnet in row["set"]]
    if "expectError" in row:
        with pytest.raises(CniError, match=row["expectError"]):
            host_local.range_set(0, listed, "net")
        return
    found = host_local.range_set(0, listed, "net")
    for text, wanted in row.get("contains", {}).items():
        assert (found.range_of(read_address(text)) is not None) == wanted
    if "other" in row:
        other = host_local.range_set(1, [RangeConfig(subnet) for subnet in row["other"]], "net")
        assert found.overlaps(other) == row["overlaps"]


def prepared(row: Row) -> tuple[Space, RangeSet]:
    """The row's ranges with what is taken, and what was given last."""
    ranges = host_local.range_set(0, [RangeConfig(subnet) for subnet in row["subnets"]], "net")
    space = space_of(ranges)
    for text in row["ipmap"]:
        take(space, text)
    last = row.get("lastIP") or None
    if last is not None and space.holds(read_address(last)) and last not in row["ipmap"]:
        take(space, last)
        space.give(Block(read_address(last).value, 0))
    return space, ranges


@each("host_local_allocator", "allocate")
def test_addresses_go_round_as_host_locals_do(row: Row | None) -> None:
    if row is not None:
        space, ranges = prepared(row)
        if not row.get("lastIP"):
            space = rewound(space, row)
        assert chosen(space, ranges) == row["expectResult"]


def rewound(space: Space, row: Row) -> Space:
    """The same without anything given last: what is taken was taken before, as when a store is opened."""
    fresh = Space(space.pool)
    fresh.take_all([(read_address(text).value, fresh.width) for text in row["ipmap"]])
    return fresh


@each("host_local_allocator", "exhausted")
def test_a_full_range_set_is_exhausted(row: Row | None) -> None:
    if row is not None:
        space, ranges = prepared(row)
        with pytest.raises(Exhausted):
            chosen(space, ranges)


@each("host_local_allocator", "sequences")
def test_a_sequence_of_requests_gets_what_host_local_gives(row: Row | None) -> None:
    if row is None:
        return
    given = {"subnet": row["subnet"], **{end: row[end] for end in ("rangeStart", "rangeEnd") if end in row}}
    ranges = host_local.range_set(0, [config(given)], "net")
    space = space_of(ranges)
    if "expectIter" in row:
        if last := row.get("lastReserved"):
            take(space, last)
            space.give(Block(read_address(last).value, 0))
        for wanted in row["expectIter"][:-1]:
            assert chosen(space, ranges) == wanted
            take(space, wanted)
        with pytest.raises(Exhausted):
            chosen(space, ranges)
        return
    held: dict[str, Block] = {}
    for step in row["steps"]:
        if step["op"] == "release":
            space.give(held.pop(step["id"]))
        elif "expectError" in step:
            asked = step.get("ip")
            inside = asked is None or any(low <= read_address(asked).value <= high for low, high in ranges.spans)
            if inside:
                with pytest.raises((Exhausted, Taken)):
                    chosen(space, ranges, asked)
        else:
            address = chosen(space, ranges, step.get("ip"))
            assert f"{address}/{ranges.ranges[0].subnet.length}" == step["expect"]
            held[step["id"]] = Block(read_address(address).value, 0)
            space.take(held[step["id"]])


def written(row: Row, start: str, end: str) -> IPRangeConfig:
    return IPRangeConfig(row["cidr"], row.get(start) or "", row.get(end) or "", tuple(row.get("exclude", ())))


@each("whereabouts_allocate", "cases")
def test_the_lowest_address_is_given_as_whereabouts_does(row: Row | None) -> None:
    if row is None:
        return

    def given() -> str:
        ranges = whereabouts.range_set(written(row, "rangeStart", "rangeEnd"), Ipam(), None)
        space = space_of(ranges)
        for text in row["reserved"]:
            take(space, text)
        return chosen(space, ranges)

    if "expect" in row:
        assert given() == row["expect"]
        return
    with pytest.raises((CniError, Exhausted)) as refused:
        given()
    if "parse" in row["expectErrorPrefix"]:
        assert str(refused.value).startswith(row["expectErrorPrefix"])


@each("whereabouts_iphelpers", "getIPRange")
def test_the_ends_of_a_range_are_whereabouts_own(row: Row | None) -> None:
    if row is None:
        return
    asked = written(row, "start", "end")
    if "expectErrorPrefix" in row:
        with pytest.raises(CniError, match=row["expectErrorPrefix"]):
            whereabouts.range_set(asked, Ipam(), None)
        return
    (found,) = whereabouts.range_set(asked, Ipam(), None).ranges
    if "expect" in row:
        assert [found.first, found.last] == [read_address(text).value for text in row["expect"]]
