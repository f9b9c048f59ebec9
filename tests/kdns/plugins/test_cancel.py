"""cancel: an end to queries that take too long."""

import asyncio

import pytest

from kdns.chain import Keep, Reply, Request
from kdns.errors import ConfigError, Dropped, NoAnswer
from kdns.plugins import cancel
from kdns.plugins.cancel import Cancel
from kdns.wire import codes
from tests.kdns.asking import args, ask, request

LONG = 3600.0  # seconds that no test waits


def test_what_is_answered_at_once_passes_without_a_wait() -> None:
    below = Reply(codes.NXDOMAIN, keep=Keep())

    assert ask(cancel.setup(args("cancel")), "www.example.org. A", rest=below) == below


@pytest.mark.parametrize("failure", [NoAnswer(codes.REFUSED, "no"), Dropped(), ZeroDivisionError()])
def test_a_failure_at_once_passes(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        ask(cancel.setup(args("cancel")), "www.example.org. A", rest=failure)


class Slow:
    """A chain that answers when it is told to."""

    def __init__(self) -> None:
        self.word: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    async def __call__(self, asked: Request) -> Reply:
        return await self.word


async def test_what_comes_in_time_passes() -> None:
    slow = Slow()
    waiting = asyncio.ensure_future(Cancel(LONG)(request("www.example.org. A"), slow))
    asyncio.get_running_loop().call_soon(slow.word.set_result, Reply(codes.NXDOMAIN))

    assert await waiting == Reply(codes.NXDOMAIN)


@pytest.mark.parametrize("failure", [NoAnswer(codes.REFUSED), ZeroDivisionError()])
async def test_what_fails_in_time_passes(failure: Exception) -> None:
    slow = Slow()
    waiting = asyncio.ensure_future(Cancel(LONG)(request("www.example.org. A"), slow))
    asyncio.get_running_loop().call_soon(slow.word.set_exception, failure)

    with pytest.raises(type(failure)):
        await waiting


async def test_what_does_not_come_in_time_is_given_up() -> None:
    slow = Slow()

    with pytest.raises(NoAnswer, match="context deadline exceeded") as given_up:
        await Cancel(0.001)(request("www.example.org. A"), slow)

    assert given_up.value.rcode == codes.SERVFAIL
    await asyncio.wait([slow.word])
    assert slow.word.cancelled()


async def test_a_stop_of_the_server_ends_what_is_waited_for() -> None:
    slow = Slow()
    waiting = asyncio.ensure_future(Cancel(LONG)(request("www.example.org. A"), slow))
    asyncio.get_running_loop().call_soon(waiting.cancel)

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait([slow.word])

    assert slow.word.cancelled()


@pytest.mark.parametrize(
    ("directive", "seconds"), [("cancel", 5.001), ("cancel 500ms", 0.5), ("cancel 1s\ncancel 1m", 60)]
)
def test_waits_as_long_as_the_corefile_says(directive: str, seconds: float) -> None:
    assert cancel.setup(args(directive)).patience == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("cancel soon", 'invalid duration: "soon"'),
        ("cancel 0s", 'invalid negative duration: "0s"'),
        ("cancel -1s", 'invalid negative duration: "-1s"'),
        ("cancel 1s 2s", "Wrong argument count"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        cancel.setup(args(directive))
