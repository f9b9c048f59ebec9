"""What a rule is: a change of the query, and what is to be done to the reply because of it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from kdns.chain import Reply, Request

# Given the query as it was asked in the end, and its reply; the rule that came last goes first.
Undo = Callable[[Request, Reply], Awaitable[Reply]]


class Change(NamedTuple):
    """What a rule made of a query. If not `matched`, the query may have changed, but the rule does not count."""

    request: Request
    undo: tuple[Undo, ...] = ()
    matched: bool = True


class Rule(NamedTuple):
    """A rule as read. `apply` gives None where it does not match.

    `of_packet` is whether it looks at nothing but the query's octets; `local` is an EDNS option code that clients get
    back from now on because the rule speaks of it.
    """

    apply: Callable[[Request], Change | None]
    of_packet: bool = True
    local: int | None = None


def at_once(change: Callable[[Reply], Reply]) -> Undo:
    """An Undo that needs neither the query nor to wait."""

    async def undo(_: Request, reply: Reply) -> Reply:
        return change(reply)

    return undo
