"""The queries that wait on one connection."""

import asyncio

import pytest

from kdns.errors import UpstreamError, WrongReply
from kdns.transport.pending import MOST, Pending
from kdns.wire import query
from tests.kdns.asking import question

WWW = question("www.example.org. A")
OTHER = question("other.example.org. A")


def reply(id_: int, asked: object = WWW) -> bytes:
    """A reply under an ID: the query with QR set."""
    packet = query.pack(asked, id_)  # type: ignore[arg-type]
    return packet[:2] + bytes((packet[2] | 0x80,)) + packet[3:]


async def test_each_query_gets_its_own_reply_in_any_order() -> None:
    pending, loop = Pending(strict=False), asyncio.get_running_loop()
    waiting = [pending.add(WWW, loop) for _ in range(50)]
    for id_, _ in reversed(waiting):
        pending.deliver(reply(id_))

    assert [await waiter.replied for _, waiter in waiting] == [reply(id_) for id_, _ in waiting]


async def test_ids_are_all_over_the_range() -> None:
    pending, loop = Pending(strict=False), asyncio.get_running_loop()
    ids = [pending.add(WWW, loop)[0] for _ in range(MOST)]

    assert len(set(ids)) == MOST
    # Sixteen bins of 64 each on average: chi-square with 15 degrees of freedom is above 60 once in millions of runs.
    bins = [sum(id_ >> 12 == part for id_ in ids) for part in range(16)]
    assert sum((count - 64) ** 2 / 64 for count in bins) < 60


async def test_one_connection_carries_only_so_many_queries() -> None:
    pending, loop = Pending(strict=False), asyncio.get_running_loop()
    ids = [pending.add(WWW, loop)[0] for _ in range(MOST)]
    with pytest.raises(UpstreamError, match="queries under way"):
        pending.add(WWW, loop)
    pending.remove(ids[0])

    assert pending.add(WWW, loop)


async def test_a_reply_that_comes_twice_or_too_late_is_ignored() -> None:
    pending = Pending(strict=False)
    id_, waiter = pending.add(WWW, asyncio.get_running_loop())
    pending.deliver(reply(id_))
    pending.deliver(reply(id_))
    pending.remove(id_)
    pending.deliver(reply(id_))

    assert await waiter.replied == reply(id_)


async def test_a_strayed_reply_is_remembered_or_ends_the_wait() -> None:
    loop = asyncio.get_running_loop()
    patient, strict = Pending(strict=False), Pending(strict=True)
    (first, waiter), (second, failed) = patient.add(WWW, loop), strict.add(WWW, loop)
    patient.deliver(reply(first, OTHER))
    strict.deliver(reply(second, OTHER))

    assert waiter.strayed
    assert not waiter.replied.done()
    with pytest.raises(WrongReply):
        await failed.replied


async def test_a_connection_that_fails_ends_every_wait() -> None:
    pending, loop = Pending(strict=False), asyncio.get_running_loop()
    waiting = [pending.add(WWW, loop)[1] for _ in range(3)]
    pending.deliver(b"short")
    pending.fail(UpstreamError("gone"))
    for waiter in waiting:
        with pytest.raises(UpstreamError, match="gone"):
            await waiter.replied
