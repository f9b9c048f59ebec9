"""Attachments that were deleted a short while ago, so that an ADD which their DEL has overtaken leaves no lease.

Strategy: a runtime that gave up on an ADD calls DEL while the ADD's executable may still be on its way. Executables say
when they were started: one that was started before the DEL has been overtaken, one after it is a new attachment.
"""

from collections import OrderedDict
from typing import NamedTuple

from ipamd.cni.attachments import Key

KEPT = 300.0  # seconds; runtimes wait for a plugin at most four minutes


class Tombstone(NamedTuple):
    """When the executable of the DEL was started, in nanoseconds since the epoch, and until when that is remembered."""

    started: int
    until: float


class Tombstones:
    """The deleted attachments. Times are seconds since the epoch, starts nanoseconds."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Tombstone] = OrderedDict()

    def bury(self, key: Key, started: int | None, now: float) -> None:
        """Remember that a DEL was called, and forget those that are old."""
        while self._kept and next(iter(self._kept.values())).until <= now:
            self._kept.popitem(last=False)
        if started is not None:
            self._kept[key] = Tombstone(started, now + KEPT)
            self._kept.move_to_end(key)

    def has_overtaken(self, key: Key, started: int | None, now: float) -> bool:
        """Whether a DEL was called after an ADD that was started then."""
        kept = self._kept.get(key)
        return kept is not None and started is not None and started < kept.started and now < kept.until
