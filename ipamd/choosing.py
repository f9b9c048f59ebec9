"""Which block of which pool a wish gets, and why not another: inside a transaction, nothing is recorded here.

Strategy: the pools that may serve the wish are asked in turn, and the first that has something gives it. What its owner
gave back a moment ago comes first, for the same owner. Only where nothing is free is it looked at whether something has
cooled meanwhile.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from ipamd.admission import Applicant, why_not
from ipamd.allocator import Block, Space, block_of
from ipamd.errors import (
    Cools,
    Drained,
    Exhausted,
    IpamError,
    NeedsThaw,
    NotAdmitted,
    OutsidePool,
    QuotaExceeded,
    Reserved,
    Taken,
    Unfit,
)
from ipamd.json import stored_object
from ipamd.model import Cooling, Lease, Owner, Wish
from ipamd.ranges import Address, Cidr, read_address, show_address
from ipamd.stores import View

# Refusals of one pool that another may not share, those first that say most to who is refused by all of them.
ELSEWHERE = (Exhausted, QuotaExceeded, Drained, NotAdmitted, Unfit)


class Choice(NamedTuple):
    """A block of a space; `cooling` is what its owner takes up again with it."""

    space: Space
    block: Block
    cooling: Cooling | None = None


def choose(view: View, spaces: Sequence[Space], owner: Owner, wish: Wish, random: Random) -> Choice:
    """What the owner gets for the wish.

    Raises what `Space.choose` raises, NotAdmitted, Cools for an address that cools for another, or NeedsThaw.
    """
    if any(space.cooling for space in spaces):
        again = _taken_up_again(view, spaces, owner, wish)
        if again is not None:
            return again
    if wish.address is not None:
        return _asked_for(view, spaces, owner, wish, wish.address, random)
    refusals: list[IpamError] = []
    for space in spaces:
        try:
            check_admitted(view, space, owner, wish)
            return Choice(space, space.choose(wish, random, owner))
        except ELSEWHERE as refused:
            refusals.append(refused)
    refusal = min(refusals, key=lambda each: ELSEWHERE.index(type(each)))
    if isinstance(refusal, Exhausted) and any(space.cooling for space in spaces):
        raise NeedsThaw(refusal)
    raise refusal


def check_admitted(view: View, space: Space, owner: Owner, wish: Wish) -> None:
    """Raise NotAdmitted, with the reason, if the pool is not for the owner."""
    if space.is_open:
        return
    asks = applicant(view, owner, wish)
    for pool in (space.pool, space.rules):
        reason = why_not(pool, asks)
        if reason:
            raise NotAdmitted(f"pool {pool.name} is not for {owner}: {reason}", pool=pool.name)


def applicant(view: View, owner: Owner, wish: Wish) -> Applicant:
    """Who asks, as pools look at it."""
    node = wish.node or (owner.name if owner.kind == "Node" else "")
    return Applicant(owner, wish.labels, node, partial(labels_of, view, "Namespace"), partial(labels_of, view, "Node"))


def labels_of(view: View, kind: str, name: str) -> Mapping[str, str]:
    """The labels of a namespace or node; none if there is no such object."""
    stored = view.get(kind, "", name)
    metadata = stored_object(stored.body).get("metadata") if stored is not None else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return {key: str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}


def still_cooling(view: View, refusal: IpamError, spaces: Sequence[Space], wish: Wish, now: float) -> IpamError:
    """What a wish is refused with when nothing has cooled: Cools while something will have, or else the refusal."""
    if wish.address is not None:
        return _cooling_there(view, refusal, spaces, wish, read_address(wish.address), now)
    times = [until for space in spaces if space.cooling and (until := view.next_thaw(space.pool.name)) is not None]
    if not times:
        return refusal
    seconds = max(1, math.ceil(min(times) - now))
    names = ", ".join(space.pool.name for space in spaces)
    count = sum(space.cooling for space in spaces)
    is_block = wish.block or wish.prefix_length is not None  # of which none may be free though addresses are
    said = refusal.detail if is_block else f"pool {names} has none free and {count} cooling"
    detail = f"{said}; the first {'that cools ' if is_block else ''}is free in {seconds} s"
    return Cools(detail, **{**refusal.members, "retry_after": seconds})


def _cooling_there(
    view: View, refusal: IpamError, spaces: Sequence[Space], wish: Wish, address: Address, now: float
) -> IpamError:
    """The same of an address that was asked for: who had it, and how long it is kept for that owner."""
    for space in spaces:
        if space.holds(address):
            cidr = Cidr(space.family, address.value, space.width - space.bits(wish))
            cooling = view.cooling_at(space.pool.name, cidr)
            if cooling is not None:
                seconds = max(1, math.ceil(cooling.until - now))
                detail = f"{address} is cooling: {cooling.owner} had it, and it is free for others in {seconds} s"
                return Cools(detail, **{**refusal.members, "retry_after": seconds})
    return refusal


def _taken_up_again(view: View, spaces: Sequence[Space], owner: Owner, wish: Wish) -> Choice | None:
    """What the owner gave back a moment ago, if that is what it wishes for now."""
    by_name = {space.pool.name: space for space in spaces}
    asked = None if wish.address is None else read_address(wish.address)
    for cooling in view.cooling(owner):
        space = by_name.get(cooling.pool)
        if space is None:
            continue
        address = read_address(cooling.address)
        block = Block(address.value, space.width - cooling.prefix_length)
        if asked in (None, address) and is_within(block, wish.within) and _may_have(view, space, block, owner, wish):
            return Choice(space, block, cooling)
    return None


def _may_have(view: View, space: Space, block: Block, owner: Owner, wish: Wish) -> bool:
    """Whether an owner may have, as the wish is, a block of that size from a space, were it free."""
    try:
        check_admitted(view, space, owner, wish)
        bits = space.bits(wish)
        space.check_gives(owner, bits)
        space.check_kept(owner, block)
    except (*ELSEWHERE, Reserved):
        return False
    return bits == block.bits


def _asked_for(view: View, spaces: Sequence[Space], owner: Owner, wish: Wish, text: str, random: Random) -> Choice:
    address = read_address(text)
    space = next((space for space in spaces if space.holds(address)), None)
    if space is None or not is_within(Block(address.value, 0), wish.within):
        cidrs = [cidr for space in spaces for cidr in space.pool.cidrs]
        names = ", ".join(space.pool.name for space in spaces)
        raise OutsidePool(f"{text} is outside pool {names} ({', '.join(cidrs)})", pool=names, cidrs=[*cidrs])
    check_admitted(view, space, owner, wish)
    try:
        return Choice(space, space.choose(wish, random, owner))
    except Taken as taken:
        asked = Cidr(space.family, address.value, space.width - space.bits(wish))
        holder = view.lease_meeting(space.pool.name, asked)
        if holder is not None:
            raise taken_by(holder, asked) from None
        if view.cooling_at(space.pool.name, asked) is not None:
            raise NeedsThaw(taken) from None
        raise


def taken_by(holder: Lease, asked: Cidr) -> Taken:
    """The refusal that names who holds what was asked for."""
    owner = holder.owner
    return Taken(
        f"{show_address(asked.family, asked.base)} is taken: {holder} is leased to {owner}",
        pool=holder.pool,
        lease=str(holder.id),
        holder={"kind": owner.kind, "namespace": owner.namespace, "name": owner.name, "uid": owner.uid},
    )


def is_within(block: Block, within: Collection[tuple[int, int]]) -> bool:
    """Whether the block lies in one of the windows; without any it does."""
    last = block.first + (1 << block.bits) - 1
    return not within or any(low <= block.first and last <= high for low, high in within)


def lease_is_within(lease: Lease, within: Collection[tuple[int, int]]) -> bool:
    """The same of what a lease holds."""
    return not within or is_within(block_of(lease), within)
