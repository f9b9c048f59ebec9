"""The connections to one upstream over one protocol, and which of them the next query takes.

Both protocols tell replies apart by ID, so up to `together` queries may be under way on the connection that was taken
last. Then comes the one that was idle longest, which spreads queries over source ports; with none idle another is
opened, up to `most`; after that they are shared in turn. A connection is given up after `expire` seconds without use,
at `max_age`, after `uses` queries, or when an exchange on it failed.

Every decision is made in one step without waiting; the caller does the I/O.
"""

from collections import deque
from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from kdns.wire.proxy import End
from kdns.wire.question import Question


class Connection(Protocol):
    """What a pool holds: Datagram or Stream."""

    proto: str
    is_closed: bool
    local: End | None  # what it is bound to, once that is known

    async def exchange(self, question: Question, timeout: float) -> bytes:
        """The reply's octets."""

    def close(self) -> None:
        """Close it; queries under way fail."""


C = TypeVar("C", bound=Connection)


class Limits(NamedTuple):
    """When a connection is given up. Times in seconds; 0 means no bound, but for `expire`."""

    expire: float = 10.0
    max_age: float = 0.0
    max_idle: int = 0
    most: int = 64
    uses: int = 0
    together: int = 1


class Member(Generic[C]):
    """A connection in a pool, with how many exchanges are under way on it and were begun, and when."""

    __slots__ = ("begun", "connection", "created", "load", "spent", "used")

    def __init__(self, connection: C, now: float) -> None:
        self.connection = connection
        self.created = self.used = now
        self.load = self.begun = 0
        self.spent = False


class Pool(Generic[C]):
    """See the module's head. `connect` makes a connection and may raise UpstreamError."""

    def __init__(self, connect: Callable[[], C], limits: Limits) -> None:
        self._connect = connect
        self._limits = limits
        self._idle: deque[Member[C]] = deque()  # by the time of last use, oldest first
        self._busy: dict[Member[C], None] = {}  # in the order of their turns
        self._last: Member[C] | None = None  # that was taken

    def __len__(self) -> int:
        return len(self._idle) + len(self._busy)

    def take(self, now: float) -> Member[C]:
        """The connection for one exchange; `give_back` must follow. `begun` is 1 if it was opened for it."""
        last = self._last
        if last is not None and 0 < last.load < self._limits.together and not (last.spent or self._is_used_up(last)):
            last.load += 1
            last.begun += 1
            return last
        self.sweep(now)
        if self._idle:
            member = self._idle.popleft()
        elif len(self._busy) < self._limits.most:
            member = Member(self._connect(), now)
        else:
            member = next(iter(self._busy))
            del self._busy[member]
        self._busy[member] = None
        member.load += 1
        member.begun += 1
        self._last = member
        return member

    def give_back(self, member: Member[C], now: float, good: bool) -> None:
        """The exchange is over; a connection on which one failed takes no more of them."""
        member.load -= 1
        member.used = now
        if not good or (not member.load and self._is_used_up(member)):
            self._spend(member)
        if not member.load:
            self._rest(member)

    def sweep(self, now: float) -> None:
        """Close the idle connections that are over; those closed by the other side leave too."""
        while self._idle and (self._is_over(self._idle[0], now) or self._idle[0].connection.is_closed):
            self._idle.popleft().connection.close()

    def close(self) -> None:
        """Close the idle ones now, each of the others when its last exchange is over."""
        for member in [*self._busy]:
            self._spend(member)
        while self._idle:
            self._idle.popleft().connection.close()

    def _spend(self, member: Member[C]) -> None:
        member.spent = True
        self._busy.pop(member, None)

    def _rest(self, member: Member[C]) -> None:
        self._busy.pop(member, None)
        if member.spent or 0 < self._limits.max_idle <= len(self._idle):
            member.connection.close()
        else:
            self._idle.append(member)

    def _is_used_up(self, member: Member[C]) -> bool:
        return 0 < self._limits.uses <= member.begun

    def _is_over(self, member: Member[C], now: float) -> bool:
        aged = self._limits.max_age > 0 and member.created < now - self._limits.max_age
        return aged or now - member.used > self._limits.expire
