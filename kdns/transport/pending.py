"""The queries that wait for a reply on one connection, by their ID.

An ID is drawn by chance from a secure source, so that nobody who does not see the query can answer it (RFC 5452). A
reply counts only if ID and question are those of a query that waits. What else arrives is ignored and the wait goes on
(a forged packet must not end a query), but over a stream, where nobody can have slipped it in, a reply to another
question is the upstream's own and ends the wait.
"""

import asyncio
import secrets

from kdns.errors import UpstreamError, WrongReply
from kdns.wire import query
from kdns.wire.question import Question

MOST = 1024  # queries under way on one connection: few enough of 65,536 IDs that guessing one stays hopeless


class Waiter:
    """One query under way. `strayed`: a reply under its ID came that answers another question."""

    __slots__ = ("question", "replied", "strayed")

    def __init__(self, question: Question, replied: "asyncio.Future[bytes]") -> None:
        self.question = question
        self.replied = replied
        self.strayed = False


class Pending:
    """The waiters of one connection. `strict`: a reply to another question fails its query at once."""

    def __init__(self, strict: bool) -> None:
        self._waiters: dict[int, Waiter] = {}
        self._strict = strict

    def add(self, question: Question, loop: asyncio.AbstractEventLoop) -> tuple[int, Waiter]:
        """A free ID for a query and its waiter. UpstreamError if too many are under way."""
        if len(self._waiters) >= MOST:
            raise UpstreamError(f"more than {MOST} queries under way on one connection")
        while (id_ := secrets.randbits(16)) in self._waiters:
            pass
        waiter = self._waiters[id_] = Waiter(question, loop.create_future())
        return id_, waiter

    def remove(self, id_: int) -> None:
        """Wait no more for this one: a reply that comes later is ignored."""
        self._waiters.pop(id_, None)

    def deliver(self, message: bytes) -> None:
        """Hand a message to the query that it answers, if there is one."""
        waiter = self._waiters.get(int.from_bytes(message[:2], "big")) if len(message) >= 12 else None
        if waiter is None or waiter.replied.done():
            return
        if query.answers(message, waiter.question):
            waiter.replied.set_result(message)
        elif self._strict:
            waiter.replied.set_exception(WrongReply("reply to another question"))
        else:
            waiter.strayed = True

    def fail(self, error: UpstreamError) -> None:
        """End every wait with the same error."""
        for waiter in self._waiters.values():
            if not waiter.replied.done():
                waiter.replied.set_exception(error)
