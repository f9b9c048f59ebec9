"""The queries that wait on one connection."""

import asyncio

import pytest

from kdns.errors import UpstreamError, WrongReply
from kdns.transport.expiry import Expiry
from kdns.transport.pending import MOST, Pending
from kdns.wire import query
from tests.kdns.asking import question

WWW = question("www.example.org. A")
OTHER = question("other.example.org. A")


def reply(id_: int, asked: object = WWW) -> bytes:
    """A reply under an ID: the query with QR set."""
    packet = query.pack(asked, id_)  # type: ignore[arg-type]
    return packet[:2] + bytes((packet[2] | 0x80,)) + packet[3:]


class Line:
    """A connection that remembers the IDs of what was sent, and the exchanges under way."""

    def __init__(self, *, strict: bool = False) -> None:
        self.pending = Pending(Expiry(), strict=strict)
        self.ids: list[int] = []

    def ask(self, timeout: float = 60.0) -> "asyncio.Task[bytes]":
        """Begin an exchange."""
        return asyncio.create_task(self.pending.ask(WWW, self._send, timeout, "nowhere"))

    def _send(self, packet: bytes) -> None:
        self.ids.append(int.from_bytes(packet[:2], "big"))


async def under_way(line: Line, count: int = 1) -> "list[asyncio.Task[bytes]]":
    """So many exchanges, all sent."""
    tasks = [line.ask() for _ in range(count)]
    await asyncio.sleep(0)
    assert len(line.ids) == count
    return tasks


async def test_each_query_gets_its_own_reply_in_any_order() -> None:
    line = Line()
    waiting = await under_way(line, 50)
    for id_ in reversed(line.ids):
        line.pending.deliver(reply(id_))

    assert await asyncio.gather(*waiting) == [reply(id_) for id_ in line.ids]
    assert not line.pending


async def test_ids_are_all_over_the_range() -> None:
    line = Line()
    waiting = await under_way(line, MOST)

    assert len(set(line.ids)) == MOST
    # Sixteen bins of 64 each on average: chi-square with 15 degrees of freedom is above 60 once in millions of runs.
    bins = [sum(id_ >> 12 == part for id_ in line.ids) for part in range(16)]
    assert sum((count - 64) ** 2 / 64 for count in bins) < 60
    line.pending.fail(UpstreamError("over"))
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_one_connection_carries_only_so_many_queries() -> None:
    line = Line()
    waiting = await under_way(line, MOST)
    with pytest.raises(UpstreamError, match="queries under way"):
        await line.ask()
    line.pending.deliver(reply(line.ids[0]))
    await waiting[0]
    one_more = line.ask()
    await asyncio.sleep(0)
    assert len(line.ids) == MOST + 1
    line.pending.fail(UpstreamError("over"))
    await asyncio.gather(*waiting, one_more, return_exceptions=True)


async def test_a_reply_that_comes_twice_or_too_late_is_ignored() -> None:
    line = Line()
    (waiting,) = await under_way(line)
    line.pending.deliver(reply(line.ids[0]))
    line.pending.deliver(reply(line.ids[0]))
    assert await waiting == reply(line.ids[0])
    line.pending.deliver(reply(line.ids[0]))


async def test_a_strayed_reply_is_remembered_until_the_time_is_up_or_ends_the_wait() -> None:
    patient, strict = Line(), Line(strict=True)
    waiting, (failed,) = patient.ask(0.01), await under_way(strict)
    patient.pending.deliver(reply(patient.ids[0], OTHER))
    strict.pending.deliver(reply(strict.ids[0], OTHER))

    assert not waiting.done()
    with pytest.raises(WrongReply, match="reply to another question"):
        await failed
    with pytest.raises(WrongReply, match="read nowhere: i/o timeout"):
        await waiting


async def test_silence_ends_in_a_timeout() -> None:
    with pytest.raises(UpstreamError, match="read nowhere: i/o timeout"):
        await Line().ask(0.0)


async def test_a_query_that_cannot_be_sent_does_not_wait() -> None:
    def refuse(packet: bytes) -> None:
        raise OSError("no route")

    pending = Pending(Expiry(), strict=False)
    with pytest.raises(OSError, match="no route"):
        await pending.ask(WWW, refuse, 60.0, "nowhere")
    assert not pending


async def test_a_connection_that_fails_ends_every_wait() -> None:
    line = Line()
    waiting = await under_way(line, 3)
    line.pending.deliver(b"short")
    line.pending.fail(UpstreamError("gone"))
    for each in waiting:
        with pytest.raises(UpstreamError, match="gone"):
            await each
