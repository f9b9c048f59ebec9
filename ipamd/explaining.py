"""Why a wish gets what it gets: every pool looked at, and nothing changed.

Strategy: the same functions decide as for a lease, on a transaction that is taken back; what each other pool would have
said is asked of it alone.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from ipamd import choosing
from ipamd.allocator import Space
from ipamd.errors import IpamError, NeedsThaw
from ipamd.model import Owner, Wish
from ipamd.ranges import show_address
from ipamd.stores import View


class Verdict(NamedTuple):
    """What one pool says to a wish: the address (or block) that it would give, or why not."""

    pool: str
    would_give: str
    refusal: IpamError | None


def verdicts(view: View, spaces: Sequence[Space], owner: Owner, wish: Wish, random: Random) -> list[Verdict]:
    """What each of the pools says, in the order in which they are asked."""
    return [_verdict(view, space, owner, wish, random) for space in spaces]


def _verdict(view: View, space: Space, owner: Owner, wish: Wish, random: Random) -> Verdict:
    name = space.pool.name
    try:
        _, block, _ = choosing.choose(view, [space], owner, replace(wish, pool=name), random)
    except NeedsThaw as nothing:
        return Verdict(name, "", choosing.still_cooling(view, nothing.refusal, [space], view.clock))
    except IpamError as refusal:
        return Verdict(name, "", refusal)
    address = show_address(space.family, block.first)
    return Verdict(name, f"{address}/{space.width - block.bits}" if block.bits else address, None)
