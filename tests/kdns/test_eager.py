"""Coroutines begun at once: done in the same step, gone on with when something arrives, or carried on by a Task."""

import asyncio
from collections.abc import Callable

import pytest

from kdns.eager import Arrival, Pending, in_task, started


def outside(call: Callable[[], None]) -> "asyncio.Future[None]":
    """Call in a step of the loop that belongs to no Task, as sockets are read; done when that is over."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    loop.call_soon(lambda: done.set_result(call()))
    return done


async def test_what_does_not_wait_is_done_at_once_without_a_task() -> None:
    async def work() -> int:
        return 7

    done: list[int | None] = []
    pending = Pending()
    pending.begin(work(), done.append)

    assert (done, pending.under_way) == ([7], 0)


async def test_what_waits_is_carried_on() -> None:
    first, second = asyncio.Future[int](), asyncio.Future[int]()

    async def work() -> int:
        return await first + await second

    done = asyncio.Future[int | None]()
    pending = Pending()
    pending.begin(work(), done.set_result)
    assert pending.under_way == 1
    first.set_result(3)
    second.set_result(4)

    assert await done == 7
    assert pending.under_way == 0


async def test_what_waits_for_an_arrival_goes_on_in_its_step_without_a_task() -> None:
    first, second = Arrival[int](), Arrival[int]()

    async def work() -> int:
        return await first + await second

    done: list[int | None] = []
    pending = Pending()
    tasks = asyncio.all_tasks()

    def step() -> None:
        pending.begin(work(), done.append)
        first.set_result(3)
        assert (done, pending.under_way) == ([], 1)
        second.set_result(4)
        assert (done, pending.under_way) == ([7], 0)
        assert asyncio.all_tasks() == tasks

    await outside(step)


async def test_an_arrival_is_awaited_by_tasks_and_others_alike_and_by_those_who_come_late() -> None:
    arrival = Arrival[int]()

    async def work() -> int:
        return await arrival

    done: list[int | None] = []
    pending = Pending()
    task, stepped = asyncio.create_task(work()), started(work())
    assert isinstance(stepped, asyncio.Task)
    await outside(lambda: pending.begin(work(), done.append))
    await outside(lambda: arrival.set_result(5))

    assert (await task, await stepped, done, await arrival) == (5, 5, [5], 5)


async def test_an_arrival_between_the_first_step_and_its_task_is_not_missed() -> None:
    arrival = Arrival[int]()
    carried: list[asyncio.Task[int]] = []

    async def work() -> int:
        return await arrival

    def step() -> None:
        begun = started(work())
        assert isinstance(begun, asyncio.Task)
        carried.append(begun)
        arrival.set_result(6)

    await outside(step)
    assert await carried[0] == 6


async def test_one_that_goes_away_does_not_keep_an_arrival_from_the_others() -> None:
    arrival = Arrival[int]()

    async def work() -> int:
        return await arrival

    first, second = asyncio.create_task(work()), asyncio.create_task(work())
    await asyncio.sleep(0)
    first.cancel()
    arrival.set_result(1)

    assert await second == 1
    assert first.cancelled()


async def test_what_will_not_arrive_is_raised_in_all_who_wait() -> None:
    arrival = Arrival[int]()

    async def work() -> str:
        try:
            return str(await arrival)
        except OSError as fault:
            return f"handled {fault}"

    done: list[str | None] = []
    pending = Pending()
    await outside(lambda: pending.begin(work(), done.append))
    await outside(lambda: arrival.set_exception(OSError("gone")))

    assert done == ["handled gone"]
    with pytest.raises(OSError, match="gone"):
        await arrival


async def test_a_coroutine_that_needs_a_task_gets_one_behind_an_arrival() -> None:
    arrival = Arrival[int]()

    async def work() -> str:
        number = await arrival
        await in_task()
        try:
            async with asyncio.timeout(0):
                await asyncio.Future[None]()
        except TimeoutError:
            return f"{number}, and time was up"
        return "never"

    done = asyncio.Future[str | None]()
    pending = Pending()
    await outside(lambda: pending.begin(work(), done.set_result))
    await outside(lambda: arrival.set_result(8))

    assert await done == "8, and time was up"


async def test_a_stop_waits_for_what_is_under_way_but_not_for_ever() -> None:
    arrival = Arrival[int]()

    async def work() -> int:
        return await arrival

    done: list[int | None] = []
    pending = Pending()
    await pending.finish()
    await outside(lambda: pending.begin(work(), done.append))
    await pending.finish(0.0)
    assert not done
    asyncio.get_running_loop().call_soon(arrival.set_result, 9)
    await pending.finish()

    assert done == [9]


async def test_a_fault_of_the_program_is_told_to_the_loop_and_ends_the_wait() -> None:
    first, second, told = Arrival[None](), asyncio.Future[None](), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(repr(context["exception"])))

    async def after_an_arrival() -> int:
        await first
        raise ValueError("first")

    async def in_a_task() -> int:
        await second
        raise ValueError("second")

    done: list[int | None] = []
    pending = Pending()
    pending.begin(in_a_task(), done.append)
    asyncio.get_running_loop().call_soon(pending.begin, after_an_arrival(), done.append)
    asyncio.get_running_loop().call_soon(first.set_result, None)
    second.set_result(None)
    await pending.finish()

    assert (done, told) == ([None, None], ["ValueError('first')", "ValueError('second')"])


async def test_a_failure_awaited_is_the_coroutines_to_handle() -> None:
    broken = asyncio.Future[int]()

    async def work() -> str:
        try:
            return str(await broken)
        except OSError as fault:
            return f"handled {fault}"

    done = asyncio.Future[str | None]()
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
    before = asyncio.all_tasks()
    pending.begin(work(), ended.append)
    (task,) = asyncio.all_tasks() - before
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled", None]
