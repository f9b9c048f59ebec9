"""The blocks of a cluster CIDR."""

import pytest

from ipamd.errors import OutsidePool
from ipamd.kube.cidr_set import CidrSet, Grid
from ipamd.ranges import read_cidr


def grid(cluster: str, length: int) -> Grid:
    return Grid(read_cidr(cluster), length)


@pytest.mark.parametrize(
    ("cluster", "length", "index", "block"),
    [
        ("10.244.0.0/16", 24, 0, "10.244.0.0/24"),
        ("10.244.0.0/16", 24, 255, "10.244.255.0/24"),
        ("fd00:10:244::/48", 64, 65535, "fd00:10:244:ffff::/64"),
        ("fd00:10:244::/56", 72, 258, "fd00:10:244:1:200::/72"),
        ("10.0.0.0/24", 24, 0, "10.0.0.0/24"),
    ],
)
def test_a_block_is_known_by_its_index(cluster: str, length: int, index: int, block: str) -> None:
    assert str(grid(cluster, length).block(index)) == block
    assert grid(cluster, length).indices(read_cidr(block)) == (index, index)


@pytest.mark.parametrize(
    ("cidr", "indices"),
    [
        ("10.244.4.0/22", (4, 7)),
        ("10.244.4.128/25", (4, 4)),
        ("10.0.0.0/8", (0, 255)),
        ("10.244.0.0/16", (0, 255)),
    ],
)
def test_what_is_larger_or_smaller_than_a_block_meets_some(cidr: str, indices: tuple[int, int]) -> None:
    assert grid("10.244.0.0/16", 24).indices(read_cidr(cidr)) == indices


@pytest.mark.parametrize("cidr", ["10.245.0.0/24", "fd00::/64"])
def test_what_lies_outside_is_in_no_block(cidr: str) -> None:
    with pytest.raises(OutsidePool, match="out the range of cluster cidr"):
        grid("10.244.0.0/16", 24).indices(read_cidr(cidr))


def test_only_what_changes_is_counted() -> None:
    blocks = CidrSet(grid("10.244.0.0/16", 24))

    blocks.occupy(read_cidr("10.244.5.0/24"))
    blocks.occupy(read_cidr("10.244.4.0/22"))
    blocks.release(read_cidr("10.244.5.0/24"))
    blocks.release(read_cidr("10.244.5.0/24"))

    assert (blocks.used, blocks.allocations, blocks.releases) == (3, 4, 1)


def test_the_search_goes_on_behind_the_last_block_given() -> None:
    blocks = CidrSet(grid("10.244.0.0/22", 24))
    base = blocks.grid.cluster.base
    assert blocks.windows == ((base, base + 1023), (base, base - 1))

    blocks.advance(read_cidr("10.244.1.0/24"))
    assert blocks.windows == ((base + 512, base + 1023), (base, base + 511))

    blocks.advance(read_cidr("10.244.3.0/24"))
    assert blocks.windows == ((base, base + 1023), (base, base - 1))
    assert blocks.tries == {1: 2}


def test_all_of_it_goes_back() -> None:
    blocks = CidrSet(grid("10.244.0.0/22", 24))
    restore = blocks.restorer()
    blocks.occupy(read_cidr("10.244.0.0/24"))
    blocks.advance(read_cidr("10.244.0.0/24"))

    restore()

    assert (blocks.used, blocks.allocations, blocks.candidate, blocks.tries) == (0, 0, 0, {})
