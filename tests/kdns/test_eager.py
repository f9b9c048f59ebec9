"""Coroutines begun at once: done in the same step, or carried on by a Task."""

import asyncio

import pytest

from kdns.eager import Pending


async def test_what_does_not_wait_is_done_at_once_without_a_task() -> None:
    async def work() -> int:
        return 7

    done: list[int] = []
    pending = Pending()
    pending.begin(work(), done.append)

    assert (done, pending.tasks) == ([7], set())


async def test_what_waits_is_carried_on() -> None:
    first, second = asyncio.Future[int](), asyncio.Future[int]()

    async def work() -> int:
        return await first + await second

    done = asyncio.Future[int]()
    pending = Pending()
    pending.begin(work(), done.set_result)
    assert len(pending.tasks) == 1
    first.set_result(3)
    second.set_result(4)

    assert await done == 7
    await asyncio.sleep(0)
    assert not pending.tasks


async def test_a_failure_awaited_is_the_coroutines_to_handle() -> None:
    broken = asyncio.Future[int]()

    async def work() -> str:
        try:
            return str(await broken)
        except OSError as fault:
            return f"handled {fault}"

    done = asyncio.Future[str]()
    pending = Pending()
    pending.begin(work(), done.set_result)
    broken.set_exception(OSError("gone"))

    assert await done == "handled gone"


async def test_cancelling_reaches_the_coroutine_and_is_reported_as_no_result() -> None:
    ended: list[str | None] = []

    async def work() -> str:
        try:
            return await asyncio.Future[str]()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    pending = Pending()
    pending.begin(work(), ended.append)
    (task,) = pending.tasks
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled", None]
