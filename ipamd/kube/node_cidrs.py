"""The cluster CIDRs from which Nodes get their podCIDRs, each with its set of blocks.

A set is derived from the Nodes when its cluster CIDR is first met, and follows them from then on; what a transaction
did to it is taken back with the transaction.
"""

from collections.abc import Iterator

import msgspec

from ipamd.allocator import Space
from ipamd.kube.cidr_set import CidrSet, Grid
from ipamd.kube.kinds import NODE
from ipamd.kube.shapes import Node
from ipamd.ranges import Cidr, read_cidr
from ipamd.stores import Tx, View


class NodeCidrs:
    """The sets of all cluster CIDRs that have been met."""

    def __init__(self) -> None:
        self._sets: dict[Grid, CidrSet] = {}

    def __iter__(self) -> Iterator[CidrSet]:
        return iter(self._sets.values())

    def sets_of(self, view: View, space: Space) -> list[CidrSet]:
        """The sets of a pool that gives blocks, one a CIDR, in the order of the pool."""
        length = space.pool.block_size
        return [] if length is None else [self._set(view, Grid(cidr, length)) for cidr in space.cidrs]

    def occupy(self, tx: Tx, cidrs: CidrSet, block: Cidr, *, is_next: bool) -> None:
        """Note that a Node has the block; `is_next` says that it was searched for and not asked for."""
        tx.on_rollback(cidrs.restorer())
        cidrs.occupy(block)
        if is_next:
            cidrs.advance(block)

    def release(self, tx: Tx, block: Cidr) -> None:
        """Note that no Node has the block any more."""
        for cidrs in self:
            if cidrs.grid.cluster.overlaps(block):
                tx.on_rollback(cidrs.restorer())
                cidrs.release(block)

    def _set(self, view: View, grid: Grid) -> CidrSet:
        found = self._sets.get(grid)
        if found is None:
            found = self._sets[grid] = CidrSet(grid)
            for block in blocks_of_nodes(view):
                if grid.cluster.overlaps(block):
                    found.occupy(block)
        return found


def blocks_of_nodes(view: View) -> Iterator[Cidr]:
    """The podCIDRs of all Nodes."""
    for stored in view.list(NODE.name):
        for text in blocks(msgspec.json.decode(stored.body, type=Node)):
            yield read_cidr(text)


def blocks(node: Node) -> tuple[str, ...]:
    """The podCIDRs of a Node, the primary one first."""
    return node.spec.pod_cidrs or tuple(filter(None, [node.spec.pod_cidr]))
