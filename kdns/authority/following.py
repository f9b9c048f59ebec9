"""A secondary's zone kept up with its primaries: refresh, retry and expire (RFC 1034 section 4.3.5), and NOTIFY.

Whatever fails is tried again: at first after a quarter of a second and then ever later, once there is a zone by the
times of its SOA. A zone whose primaries have said nothing for so long as it expires is served no more, until they do.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from kdns.authority import primaries
from kdns.authority.service import Cell, Service
from kdns.errors import UpstreamError, ZoneError
from kdns.transport.address import Address
from kdns.wire import names, records
from kdns.zone.incoming import is_newer
from kdns.zone.zone import Zone

FIRST, LAST = 0.25, 10.0  # seconds between tries for a zone that never came
MOST_LATE = 5.0  # seconds by which refreshes are spread, and no more than a tenth of their interval

_FAULTS = (UpstreamError, ZoneError)


class Times(NamedTuple):
    """The SOA's, in seconds, 1 at least."""

    refresh: float
    retry: float
    expire: float


def times_of(zone: Zone) -> Times:
    """How often a zone asks for another, and how long it does without."""
    fields = records.rdata(zone.soa)[-16:-4]
    return Times(*(max(1, int.from_bytes(fields[at : at + 4], "big")) for at in (0, 4, 8)))


class Follower:
    """One zone. `arrived` is given each zone that comes before it is served, and raises ZoneError to refuse it."""

    def __init__(
        self,
        cell: Cell,
        to: Sequence[Address],
        service: Service,
        log: Callable[[str, str], None],
        arrived: Callable[[Zone], None] = lambda zone: None,
    ) -> None:
        self.cell = cell
        self.primaries = tuple(to)
        self._service = service
        self._log = log
        self._arrived = arrived
        self._origin = names.show(cell.origin)
        self._notifier = ""  # who said last that there is something new
        self._notified = asyncio.Event()

    def notified(self, by: str) -> None:
        """A primary says that there is something new."""
        self._notifier = by
        self._notified.set()

    async def run(self) -> None:
        """Keep the zone for ever."""
        delay = FIRST
        while self.cell.zone is None:
            try:
                await self._transfer()
            except _FAULTS as fault:
                said = f"All '{self._origin}' masters failed to transfer, retrying in {delay:g}s: {fault}"
                self._log("WARNING", said)
                await self._wait(delay)
                delay = min(2 * delay, LAST)
        while True:
            await self._keep_for_once(times_of(self.cell.zone))

    async def _keep_for_once(self, times: Times) -> None:
        """From one contact with a primary to the next."""
        loop = asyncio.get_running_loop()
        expires = loop.time() + times.expire
        wait, what = times.refresh, "refresh"
        while True:
            left = expires - loop.time()
            by = await self._wait(min(_late(wait), left) if left > 0 else _late(wait))
            try:
                await self._check(by)
            except _FAULTS as fault:
                self._log(
                    "WARNING", f"Notify from {by} for {self._origin}: {fault}" if by else f"Failed {what} check {fault}"
                )
            else:
                if self.cell.is_expired and self.cell.zone is not None:
                    self._service.replace(self.cell, self.cell.zone)
                return
            if loop.time() >= expires and not self.cell.is_expired:
                self._service.expire(self.cell)
            wait, what = times.retry, "retry"

    async def _wait(self, seconds: float) -> str:
        """Let time pass; the primary whose NOTIFY ended that, if one did."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._notified.wait(), seconds)
        by = self._notifier if self._notified.is_set() else ""
        self._notified.clear()
        return by

    async def _check(self, by: str) -> None:
        """Fetch the zone if a primary has a newer one. UpstreamError or ZoneError if that fails."""
        about = f"Notify from {by} for {self._origin}"
        if by:
            self._log("INFO", f"{about}: checking transfer")
        if await self._is_behind():
            await self._transfer()
        elif by:
            self._log("INFO", f"{about}: no SOA serial increase seen")

    async def _is_behind(self) -> bool:
        fault: UpstreamError | None = None
        for primary in self.primaries:
            try:
                serial = await primaries.serial_of(self.cell.origin, primary)
            except UpstreamError as failure:
                fault = failure
                continue
            return self.cell.zone is None or is_newer(serial, self.cell.zone.serial)
        raise fault or UpstreamError("no primaries")

    async def _transfer(self) -> None:
        """Fetch the zone from the first primary that gives it. The last one's fault if none does."""
        fault: UpstreamError | ZoneError | None = None
        for primary in self.primaries:
            try:
                zone = await primaries.fetch(self.cell.origin, primary, self.cell.zone)
                if zone is not None:
                    self._arrived(zone)
            except _FAULTS as failure:
                self._log("ERROR", f'Failed to transfer `{self._origin}\' from "{primary}": {failure}')
                fault = failure
                continue
            if zone is not None:
                self._service.replace(self.cell, zone)
                self._log("INFO", f"Transferred: {self._origin} from {primary}")
                await self._service.notify(self.cell.origin)
            return
        raise fault or UpstreamError("no primaries")


def _late(seconds: float) -> float:
    """An interval with a little chance, so that secondaries do not come all at once."""
    return seconds + random.uniform(0, min(MOST_LATE, seconds / 10))
