"""Ends of short waits."""

import asyncio
from collections.abc import Callable
from typing import Any

from kdns.transport.expiry import TICK, Expiry


class Wait:
    """What waits, with what to do when its time is up."""

    def __init__(self, expire: Callable[[], object]) -> None:
        self.expire: Any = expire


async def test_what_is_not_discarded_is_called_when_its_time_is_up_and_not_earlier() -> None:
    loop, expiry = asyncio.get_running_loop(), Expiry()
    ended: asyncio.Future[float] = loop.create_future()
    began = loop.time()
    expiry.add(Wait(lambda: ended.set_result(loop.time())), began + TICK)

    assert await ended >= began + TICK


async def test_what_is_discarded_is_not_called() -> None:
    loop, expiry = asyncio.get_running_loop(), Expiry()
    ended: asyncio.Future[None] = loop.create_future()
    calls: list[str] = []

    unwanted = Wait(lambda: calls.append("unwanted"))
    expiry.add(unwanted, loop.time()).discard(unwanted)
    expiry.add(Wait(lambda: ended.set_result(None)), loop.time() + 2 * TICK)
    await ended

    assert not calls


async def test_each_of_a_bucket_is_called_though_one_brings_another_along() -> None:
    loop, expiry = asyncio.get_running_loop(), Expiry()
    ended: asyncio.Future[None] = loop.create_future()
    calls: list[int] = []

    def call(number: int) -> None:
        calls.append(number)
        if len(calls) == 3:
            ended.set_result(None)
        elif number == 0:
            expiry.add(Wait(lambda: call(2)), loop.time())

    expiry.add(Wait(lambda: call(0)), loop.time())
    expiry.add(Wait(lambda: call(1)), loop.time())
    await ended

    assert sorted(calls) == [0, 1, 2]
