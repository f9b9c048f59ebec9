"""Why a wish gets what it gets: every pool that may serve it is asked, and nothing changes.

Strategy: what a pool says alone is what a lease from it would say, tried and taken back.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from msgspec.structs import replace

from ipamd.errors import IpamError
from ipamd.model import Lease, Owner, Wish

Try = Callable[[Owner, Wish], Awaitable[Lease]]


class Verdict(NamedTuple):
    """What one pool says to a wish: the address (or block) that it would give, or why not."""

    pool: str
    would_give: str
    refusal: IpamError | None


async def verdict(try_lease: Try, owner: Owner, wish: Wish, pool: str) -> Verdict:
    """What the pool of that name says to the owner's wish, were it for no other pool."""
    try:
        return Verdict(pool, str(await try_lease(owner, replace(wish, pool=pool))), None)
    except IpamError as refusal:
        return Verdict(pool, "", refusal)
