"""Which server block answers a question: the longest zone on label boundaries, then the first view that admits it.

Type DS belongs to the parent side of a zone cut (RFC 4035 section 3.1.4.1), so for it the walk goes on after a match
and the shortest matching zone but the root wins.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kdns.chain import Handler, Request
from kdns.passage import Passage
from kdns.wire import codes, names
from kdns.wire.names import Name


class Block(NamedTuple):
    """One zone of a server block on one listener. `handler` is None when the block has no plugins; `updates` are
    the zones in it that take dynamic updates.
    """

    zone: Name
    handler: Handler | None
    view: str = ""
    admits: Callable[[Request], bool] | None = None
    passage: Passage | None = None  # the short way through it, if it has one
    updates: tuple[Name, ...] = ()


Blocks = Mapping[Name, tuple[Block, ...]]  # one listener's zones, lower-cased, to their blocks in Corefile order


def choose(blocks: Blocks, request: Request) -> Block | None:
    """The block that answers the request's question, or None: REFUSED."""
    if len(blocks) == 1 and names.ROOT in blocks:
        return _admitting(blocks[names.ROOT], request)
    found = None
    for zone in names.ancestors(request.question.key):
        if zone == names.ROOT and found is not None:
            break
        block = _admitting(blocks.get(zone, ()), request)
        if block is not None:
            found = block
            if request.question.qtype != codes.DS or block.handler is None:
                break
    return found


def _admitting(candidates: tuple[Block, ...], request: Request) -> Block | None:
    for block in candidates:
        if block.handler is None or block.admits is None:
            return block
        if block.admits(request._replace(zone=block.zone, view=block.view)):
            return block
    return None
