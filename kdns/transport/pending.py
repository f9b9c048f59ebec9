"""The queries that wait for a reply on one connection, by their ID.

An ID is drawn by chance from a secure source, so that nobody who does not see the query can answer it (RFC 5452). A
reply counts only if ID and question are those of a query that waits. What else arrives is ignored and the wait goes on
(a forged packet must not end a query), but over a stream, where nobody can have slipped it in, a reply to another
question is the upstream's own and ends the wait.
"""

import os
from collections.abc import Callable

from kdns.eager import Arrival
from kdns.errors import UpstreamError, WrongReply
from kdns.transport.expiry import Expiry
from kdns.wire import query
from kdns.wire.question import Question

MOST = 1024  # queries under way on one connection: few enough of 65,536 IDs that guessing one stays hopeless


class Waiter:
    """One query under way. `strayed`: a reply under its ID came that answers another question."""

    __slots__ = ("path", "question", "replied", "strayed")

    def __init__(self, question: Question, path: str) -> None:
        self.question = question
        self.path = path
        self.replied: Arrival[bytes] = Arrival()
        self.strayed = False

    def expire(self) -> None:
        """Its time is up."""
        if not self.replied.is_done:
            text = f"read {self.path}: i/o timeout"
            self.replied.set_exception(WrongReply(text) if self.strayed else UpstreamError(text))


class Pending:
    """The waiters of one connection. `strict`: a reply to another question fails its query at once."""

    def __init__(self, expiry: Expiry, strict: bool) -> None:
        self._waiters: dict[int, Waiter] = {}
        self._expiry = expiry
        self._strict = strict

    def __len__(self) -> int:
        return len(self._waiters)

    async def ask(self, question: Question, send: Callable[[bytes], object], timeout: float, path: str) -> bytes:
        """`send` the query's octets, and wait for the reply's; `path` says in errors which way they went.

        WrongReply if in `timeout` seconds only others came, UpstreamError if none did, or if too many are under way.
        What `send` raises is raised.
        """
        waiters = self._waiters
        if len(waiters) >= MOST:
            raise UpstreamError(f"more than {MOST} queries under way on one connection")
        while (id_ := int.from_bytes(os.urandom(2), "big")) in waiters:
            pass
        waiter = waiters[id_] = Waiter(question, path)
        expire = waiter.expire
        bucket = self._expiry.add(expire, timeout)
        try:
            send(query.pack(question, id_))
            return await waiter.replied
        finally:
            bucket.discard(expire)
            del waiters[id_]

    def deliver(self, message: bytes) -> None:
        """Hand a message to the query that it answers, if there is one."""
        waiter = self._waiters.get(int.from_bytes(message[:2], "big")) if len(message) >= 12 else None
        if waiter is None or waiter.replied.is_done:
            return
        if query.answers(message, waiter.question):
            waiter.replied.set_result(message)
        elif self._strict:
            waiter.replied.set_exception(WrongReply("reply to another question"))
        else:
            waiter.strayed = True

    def fail(self, error: UpstreamError) -> None:
        """End every wait with the same error."""
        for waiter in list(self._waiters.values()):
            if not waiter.replied.is_done:
                waiter.replied.set_exception(error)
