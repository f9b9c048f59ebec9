"""The queries that wait for a reply on one connection, by their ID.

An ID is drawn by chance from a secure source, so that nobody who does not see the query can answer it (RFC 5452). A
reply counts only if ID and question are those of a query that waits. What else arrives is ignored and the wait goes on
(a forged packet must not end a query), but over a stream, where nobody can have slipped it in, a reply to another
question is the upstream's own and ends the wait.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from os import urandom

from kdns.eager import Arrival
from kdns.errors import UpstreamError, WrongReply
from kdns.transport.expiry import Bucket, Expiry
from kdns.wire import query
from kdns.wire.question import Question

Outcome = bytes | UpstreamError  # a reply's octets, or why there is none
Done = Callable[[Outcome], object]

DRAWN = 16  # IDs drawn at a time
MOST = 1024  # queries under way on one connection: few enough of 65,536 IDs that guessing one stays hopeless


class Waiter:
    """One query under way. `strayed`: a reply under its ID came that answers another question."""

    __slots__ = ("bucket", "done", "end", "id", "path", "question", "strayed")

    def __init__(self, id_: int, question: Question, path: str, done: Done, end: Callable[["Waiter"], object]) -> None:
        self.id = id_
        self.question = question
        self.path = path
        self.done = done
        self.end = end
        self.strayed = False
        self.bucket: Bucket

    def expire(self) -> None:
        """Its time is up."""
        self.end(self)
        text = f"read {self.path}: i/o timeout"
        self.done(WrongReply(text) if self.strayed else UpstreamError(text))


class Pending:
    """The waiters of one connection. `strict`: a reply to another question fails its query at once."""

    def __init__(self, expiry: Expiry, strict: bool) -> None:
        self._waiters: dict[int, Waiter] = {}
        self._expiry = expiry
        self._strict = strict
        self._ids = _chosen()

    def __len__(self) -> int:
        return len(self._waiters)

    async def ask(self, question: Question, send: Callable[[bytes], object], timeout: float, path: str) -> bytes:
        """The reply's octets; arguments as in `begin`. The errors that are an outcome there are raised."""
        replied: Arrival[bytes] = Arrival()
        end = asyncio.get_running_loop().time() + timeout
        waiter = self.begin(question, query.pack(question, 0), send, end, path, partial(_arrive, replied))
        try:
            return await replied
        finally:
            if not replied.is_done:
                self._end(waiter)

    def begin(
        self, question: Question, packet: bytes, send: Callable[[bytes], object], end: float, path: str, done: Done
    ) -> Waiter:
        """`send` a query's octets under an ID of their own, and call `done` once, later, with what came of it.

        That is a WrongReply if until `end` (the event loop's time) only others came, an UpstreamError if none did;
        `path` says in errors which way they went. UpstreamError is raised if too many are under way, and whatever
        `send` raises.
        """
        waiters = self._waiters
        if len(waiters) >= MOST:
            raise UpstreamError(f"more than {MOST} queries under way on one connection")
        while (id_ := next(self._ids)) in waiters:
            pass
        send(id_.to_bytes(2, "big") + packet[2:])
        waiter = waiters[id_] = Waiter(id_, question, path, done, self._end)
        waiter.bucket = self._expiry.add(waiter, end)
        return waiter

    def deliver(self, message: bytes) -> None:
        """Hand a message to the query that it answers, if there is one."""
        waiter = self._waiters.get(message[0] << 8 | message[1]) if len(message) >= 12 else None
        if waiter is None:
            return
        if query.answers(message, waiter.question):
            self._end(waiter)
            waiter.done(message)
        elif self._strict:
            self._end(waiter)
            waiter.done(WrongReply("reply to another question"))
        else:
            waiter.strayed = True

    def drop(self, packet: bytes, error: UpstreamError) -> None:
        """End the wait of a query that was to be sent so."""
        waiter = self._waiters.get(packet[0] << 8 | packet[1])
        if waiter is not None:
            self._end(waiter)
            waiter.done(error)

    def fail(self, error: UpstreamError) -> None:
        """End every wait with the same error."""
        for waiter in list(self._waiters.values()):
            if self._waiters.get(waiter.id) is waiter:  # what one of them does about it may end another
                self._end(waiter)
                waiter.done(error)

    def _end(self, waiter: Waiter) -> None:
        del self._waiters[waiter.id]
        waiter.bucket.discard(waiter)


def _chosen() -> Iterator[int]:
    """IDs by chance: as many as a UDP socket uses from one call of the system's source."""
    while True:
        yield from memoryview(urandom(2 * DRAWN)).cast("H")


def _arrive(replied: Arrival[bytes], outcome: Outcome) -> None:
    if isinstance(outcome, bytes):
        replied.set_result(outcome)
    else:
        replied.set_exception(outcome)
