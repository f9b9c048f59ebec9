"""What tests do with a service in one call."""

from collections.abc import Sequence
from functools import partial

from ipamd.model import Lease, Owner, Wish
from ipamd.service import Service


async def release_all(service: Service, owner: Owner) -> Sequence[Lease]:
    """Give back everything that an owner has, and return what that was."""
    held = service.store.view(lambda view: view.leases_of(owner))
    for lease in held:
        await service.release(lease.id)
    return held


async def acquire(service: Service, owner: Owner, wishes: Sequence[Wish]) -> list[tuple[Lease, bool]]:
    """Lease for several wishes of one owner, all or nothing."""
    return await service.store.update(partial(service.acquire_in, owner=owner, wishes=wishes))
