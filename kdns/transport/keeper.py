"""Keeps the last-known-good snapshot of a cluster on disk, and reads it at start.

Strategy: a snapshot is written when the lists are complete, then at most every EVERY seconds if something changed, and
at an orderly end. Its blocks are made a few objects at a time between queries; disks are waited for in a thread. It
becomes the file in one step (write beside it, fsync, rename), so that whenever the process or the machine dies there is
a whole one, the old or the new. What cannot be read or written is said once and is no reason not to serve.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from kdns.errors import SnapshotError
from kdns.transport.files import put
from kdns.transport.snapshot import Header, pack, unpack

EVERY = 30.0  # seconds between two writings, at least

Log = Callable[[str, str], None]  # level, message


class Keeper:
    """One file. `made_with` says what a snapshot depends on besides the cluster; another's is not read.

    Set `changed` whenever what is known changes.
    """

    def __init__(
        self,
        file: Path,
        made_with: Callable[[], str],
        log: Log,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.file = file
        self.changed = asyncio.Event()
        self._made_with = made_with
        self._log = log
        self._sleep = sleep
        self._clock = clock
        self._writing: asyncio.Future[None] | None = None
        self._failing = False

    async def restore(self, take: Callable[[memoryview], None]) -> float:
        """Give the file's blocks to `take`; when it was written, in Unix seconds, or 0.0 if it is of no use.

        `take` may raise ValueError for a block that is none.
        """
        try:
            header, blocks = unpack(self.file.read_bytes(), self._made_with())
            for block in blocks:
                take(block)
                await asyncio.sleep(0)
        except FileNotFoundError:
            return 0.0
        except (OSError, SnapshotError, ValueError) as fault:
            reason = fault.strerror if isinstance(fault, OSError) else fault
            self._log("WARNING", f"the snapshot {self.file} is not used: {reason}")
            return 0.0
        return header.moment

    async def run(self, rows: Callable[[], Iterable[bytes]]) -> NoReturn:
        """Write the blocks that `rows` gives, now and then, for ever."""
        while True:
            await self.changed.wait()
            await self._keep(rows)
            await self._sleep(EVERY)

    async def close(self, rows: Callable[[], Iterable[bytes]]) -> None:
        """Write what changed since the last time, when `run` has ended."""
        if self._writing is not None:
            await asyncio.wait((self._writing,))
        if self.changed.is_set():
            await self._keep(rows)

    async def _keep(self, rows: Callable[[], Iterable[bytes]]) -> None:
        self.changed.clear()
        written = False
        try:
            blocks = [block async for block in _gently(rows())]
            header = Header(self._made_with(), self._clock())
            self._writing = asyncio.get_running_loop().run_in_executor(None, _write, self.file, header, blocks)
            await asyncio.shield(self._writing)
            written = True
        except OSError as fault:
            if not self._failing:
                self._log("WARNING", f"the snapshot {self.file} cannot be written: {fault.strerror}")
        finally:  # also where it was cancelled: then `close` writes it
            self._failing = not written
            if not written:
                self.changed.set()


async def _gently(blocks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block
        await asyncio.sleep(0)


def _write(file: Path, header: Header, blocks: Sequence[bytes]) -> None:
    """Replace the file. It can be read by its owner only: it tells what there is in the cluster."""
    put(file, pack(header, blocks))
