"""The blocks of one cluster CIDR that Nodes have: which are in use, and which is tried next.

A block is known by its index, counted from the base of the cluster CIDR. The next one given is the first free one
behind the one given last, round to the beginning (next-fit). Pure. Source: Kubernetes'
pkg/controller/nodeipam/ipam/cidrset/cidr_set.go; whether a block is free is not decided here but by the pool.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from pyroaring import BitMap64

from ipamd.errors import OutsidePool
from ipamd.model import WIDTH
from ipamd.ranges import Cidr


class Grid(NamedTuple):
    """A cluster CIDR cut into blocks of one prefix length."""

    cluster: Cidr
    length: int

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return 1 << (self.length - self.cluster.length)

    def block(self, index: int) -> Cidr:
        """The block of that index."""
        step = WIDTH[self.cluster.family] - self.length
        return Cidr(self.cluster.family, self.cluster.base + (index << step), self.length)

    def indices(self, cidr: Cidr) -> tuple[int, int]:
        """The first and the last index, inclusive, of the blocks that have an address of `cidr`.

        Raises OutsidePool if none has.
        """
        if not self.cluster.overlaps(cidr):
            raise OutsidePool(f"cidr {cidr} is out the range of cluster cidr {self.cluster}")
        if self.cluster.length >= cidr.length:
            return 0, self.blocks - 1
        step = WIDTH[self.cluster.family] - self.length
        return (cidr.base - self.cluster.base) >> step, (cidr.last - self.cluster.base) >> step


class CidrSet:
    """Which blocks of a grid are in use, where the next search begins, and what has been counted since the start."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.candidate = 0
        self.allocations = 0
        self.releases = 0
        self.tries: Counter[int] = Counter()  # by blocks that were passed over until a free one was found
        self._used = BitMap64()

    def restorer(self) -> Callable[[], None]:
        """What takes this back to how it is now."""
        before = {**vars(self), "tries": self.tries.copy(), "_used": self._used.copy()}
        return lambda: vars(self).update(before)

    @property
    def used(self) -> int:
        """How many blocks are in use."""
        return len(self._used)

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """The addresses to search for a free block, first and last inclusive: from the candidate on, then the rest."""
        cluster, start = self.grid.cluster, self.grid.block(self.candidate).base
        return (start, cluster.last), (cluster.base, start - 1)

    def occupy(self, cidr: Cidr) -> None:
        """Make every block of `cidr` used, whether it was or not. Raises OutsidePool."""
        first, last = self.grid.indices(cidr)
        before = len(self._used)
        self._used.add_range(first, last + 1)
        self.allocations += len(self._used) - before

    def release(self, cidr: Cidr) -> None:
        """Make every block of `cidr` free, whether it was used or not. Raises OutsidePool."""
        first, last = self.grid.indices(cidr)
        before = len(self._used)
        self._used.remove_range(first, last + 1)
        self.releases += before - len(self._used)

    def advance(self, block: Cidr) -> None:
        """Have the search go on behind a block that was just given, and count how far it went."""
        index, _ = self.grid.indices(block)
        self.tries[(index - self.candidate) % self.grid.blocks] += 1
        self.candidate = (index + 1) % self.grid.blocks
