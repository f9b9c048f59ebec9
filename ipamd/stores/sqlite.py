"""The embedded store: one SQLite file, written by group commit.

Strategy: updates queue up. When no COMMIT is in flight, the event loop runs all that are queued inside one SQLite
transaction, each in a savepoint of its own, and hands only the COMMIT, which waits for the disk, to a thread. While
that waits, the loop reads further requests, and their updates make the next batch. So to choose an address and to
record it is one step that nothing can come between, and one wait for the disk serves everybody in the batch. When a
COMMIT fails, the whole batch is taken back, in the file and in memory, and the daemon goes on.

Reading goes through a second connection, which sees committed states only (WAL). There is one connection that writes
and checkpoints, and a lock on a file beside the store keeps a second daemon out.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import perf_counter, time
from typing import BinaryIO, Generic, Protocol, TypeVar

import apsw

from ipamd.errors import IpamError
from ipamd.stores import Changes, Follower, Listener, Tx, View
from ipamd.stores.high_water import HighWater
from ipamd.stores.sqlite_copy import copied, forget_unfinished
from ipamd.stores.sqlite_file import FAILURES, alone, locked, not_there_yet, opened, opening, remove, reply_to
from ipamd.stores.sqlite_schema import MARK_AS_NOTED, MARK_AS_OLD
from ipamd.stores.sqlite_tx import SqliteTx
from ipamd.stores.sqlite_view import SqliteView

T = TypeVar("T")

BATCH = 256  # updates in one transaction at most, so that a burst does not hold up the loop for long


class Waiting(Protocol):
    """An update in the queue."""

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for it."""

    def run(self, tx: SqliteTx) -> None:
        """Carry it out inside the open transaction."""

    def answer(self) -> None:
        """Hand out what came of it."""

    def fail(self, error: IpamError) -> None:
        """Hand out an error in place of what came of it."""


class Update(Generic[T]):
    """A change that somebody waits for, and what came of it."""

    def __init__(self, change: Callable[[Tx], T], done: asyncio.Future[T]) -> None:
        self._change = change
        self._done = done
        self._outcome: list[T] = []
        self._error: Exception | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for it."""
        return not self._done.done()

    def run(self, tx: SqliteTx) -> None:
        """Carry it out inside the open transaction; a failure of the file goes to the store."""
        mark = tx.mark()
        try:
            self._outcome.append(self._change(tx))
        except FAILURES:
            raise
        except Exception as error:  # whatever it is, it belongs to this caller and not to the others in the batch
            tx.rewind(mark)
            self._error = error
        else:
            tx.keep()

    def answer(self) -> None:
        """Hand out what came of it."""
        if self._done.done():
            return
        if self._error is not None:
            self._done.set_exception(self._error)
        else:
            self._done.set_result(self._outcome[0])

    def fail(self, error: IpamError) -> None:
        """Hand out an error in place of what came of it."""
        if not self._done.done():
            self._done.set_exception(error)


class SqliteStore:
    """A store in one SQLite file. To be opened and used on one event loop."""

    def __init__(self, path: Path, clock: Callable[[], float] = time) -> None:
        """Open the file, or make it. Raises StartError if it cannot be read whole, is in use, or has a newer schema."""
        self._path = path
        self._clock = clock
        self._followers: list[Follower] = []
        self._listeners: list[Listener] = []
        self._queue: deque[Waiting] = deque()
        self._commit: asyncio.Future[float] | None = None
        self._is_scheduled = False
        with ExitStack() as held:
            self._lock = locked(path)
            held.callback(os.close, self._lock)
            self._made = not_there_yet(path)
            held.callback(remove, self._made)
            forget_unfinished(path)
            self._water = HighWater(path)
            held.callback(self._water.close)
            with opening(path):
                self._writer, self._reader = opened(path)
                held.callback(self._writer.close)
                held.callback(self._reader.close)
                self._tx = SqliteTx(self._writer, self._followers)
                self._view = SqliteView(self._reader)
                self.revision = self._view.meta("revision")
                self.compacted = self._view.meta("compacted")
                self._identity = self._view.identity
                self._find_age()
            held.pop_all()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")

    @property
    def old_because(self) -> str:
        """Why the store is an old copy of itself; empty if it is none."""
        return self._tx.old_because

    async def copy(self) -> BinaryIO:
        """A copy of the store that knows that it is one, in a file without a name."""
        return await asyncio.to_thread(copied, self._path)

    async def update(self, change: Callable[[Tx], T]) -> T:
        """Run `change` in a transaction, and return what it returned once that is durable."""
        return await self.submit(change)

    def submit(self, change: Callable[[Tx], T]) -> asyncio.Future[T]:
        """The same, as a future."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(Update(change, done))
        self._schedule()
        return done

    def view(self, read: Callable[[View], T]) -> T:
        """Run `read` on the committed state."""
        with self._snapshot() as view:
            return read(view)

    async def apart(self, read: Callable[[View], T]) -> T:
        """Run `read` on one committed state in a thread, for what takes long."""
        return await asyncio.to_thread(alone, self._path, read)

    def changes(self, since: int, kinds: Collection[str], limit: int) -> Changes:
        """The changes behind revision `since` to objects of these kinds. Raises Compacted."""
        with self._snapshot() as view:
            return view.changes(since, kinds, limit)

    def last_changes(self) -> dict[str, int]:
        """The revision of the last change that the log knows of every kind."""
        with self._snapshot() as view:
            return view.last_changes()

    def follow(self, follower: Follower) -> None:
        """Show every later change of an object to `follower`, in the transaction that makes it."""
        self._followers.append(follower)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every later commit."""
        self._listeners.append(listener)

    async def close(self, *, as_found: bool = False) -> None:
        """Finish what was asked for and let go of the file; with `as_found`, remove it if it was made by opening it."""
        while self._queue or self._commit is not None:
            with suppress(IpamError):
                await self.update(lambda tx: None)
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()
        self._water.close()
        if as_found:
            remove(self._made)
        os.close(self._lock)

    @contextmanager
    def _snapshot(self) -> Iterator[SqliteView]:
        try:
            with self._reader:
                yield self._view
        except FAILURES as failure:
            raise reply_to(failure, self._reader) from failure

    def _schedule(self) -> None:
        if self._queue and self._commit is None and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run_batch)

    def _run_batch(self) -> None:
        """Run what is queued in one transaction, and send its COMMIT to the thread."""
        self._is_scheduled = False
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH))]
        batch = [update for update in batch if update.is_wanted]
        try:
            self._tx.begin(self._clock())
            for update in batch:
                update.run(self._tx)
            if self._tx.has_written:
                self._tx.finish()
                self._commit = asyncio.get_running_loop().run_in_executor(self._thread, timed, self._make_durable)
                self._commit.add_done_callback(lambda commit: self._committed(batch, commit))
                return
        except apsw.Error as failure:
            self._failed(batch, failure)
            return
        self._tx.abandon()
        self._answer(batch)

    def _make_durable(self) -> None:
        """Commit, and note how far the store has come. Runs in the thread."""
        self._tx.commit()
        if not self.old_because:
            with suppress(OSError):  # what is noted is behind, then, and an old copy less likely to be noticed
                self._water.note(self._identity, self._tx.revision)

    def _find_age(self) -> None:
        """See whether the store is an old copy, and have it remember that."""
        was_noted, is_old = (self._view.flag(name) for name in ("noted", "old"))
        reason = self._water.why_old(self._identity, self.revision, was_noted)
        self._tx.old_because = "it was put back from a copy" if is_old else reason
        if self.old_because:
            self._writer.execute(MARK_AS_OLD)
            return
        self._water.note(self._identity, self.revision)
        if not was_noted:
            self._writer.execute(MARK_AS_NOTED)

    def _committed(self, batch: list[Waiting], commit: asyncio.Future[float]) -> None:
        """The COMMIT came back from the thread: publish what it made durable, or take it back."""
        self._commit = None
        try:
            seconds = commit.result()
        except apsw.Error as failure:
            self._failed(batch, failure)
            return
        self.revision = self._tx.revision
        self.compacted = self._tx.compacted
        try:
            for listener in self._listeners:
                listener(self._tx.changes_made, seconds)
        finally:
            self._answer(batch)

    def _answer(self, batch: list[Waiting]) -> None:
        for update in batch:
            update.answer()
        self._schedule()

    def _failed(self, batch: list[Waiting], failure: apsw.Error) -> None:
        """Nobody in the batch gets what they saw: it may have rested on what is now taken back."""
        refusals = [reply_to(failure, self._writer) for _ in batch]  # before the connection has another failure
        with suppress(apsw.Error):
            self._tx.abandon()
        for update, refusal in zip(batch, refusals, strict=True):
            update.fail(refusal)
        self._schedule()


def timed(commit: Callable[[], None]) -> float:
    """Run it, and return the seconds that it took."""
    begun = perf_counter()
    commit()
    return perf_counter() - begun
