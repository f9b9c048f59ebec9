"""Coroutines begun at once, without a Task: most chains answer without waiting for anything.

`started` steps a coroutine up to its first wait. If it ends there, the result is at hand in the same step; otherwise a
Task carries on from that point. (Python 3.12 has eager tasks; this does for 3.11 what is needed here: the first step
runs outside a Task, so a plugin must not ask for the current task before it has waited once.)

What most coroutines do wait for is one message from elsewhere. For that an `Arrival` is awaited in place of a future: a
coroutine that `Pending` began goes on in the very step in which the message arrives, still without a Task, at a tenth
of what Task, callbacks and the event loop's turns cost. Whoever needs a Task from there on says `await in_task()`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Arrival(Generic[T]):
    """A result yet to come, awaited by any number of coroutines."""

    __slots__ = ("_fault", "_result", "_waiting", "is_done")

    def __init__(self) -> None:
        self.is_done = False
        self._result: T
        self._fault: Exception | None = None
        self._waiting: list[Callable[[], object]] = []

    def set_result(self, result: T) -> None:
        """It is here: whoever waits goes on, in the order in which they came."""
        self._result = result
        self._end()

    def set_exception(self, fault: Exception) -> None:
        """It will not come: `fault` is raised in all who wait."""
        self._fault = fault
        self._end()

    def then(self, call: Callable[[], object]) -> None:
        """Call this in the step in which the result or the exception is set."""
        self._waiting.append(call)

    def __await__(self) -> Generator[Any, None, T]:
        if not self.is_done:
            if asyncio.current_task() is None:
                yield self
            else:
                yield from self.future().__await__()
        if self._fault is not None:
            raise self._fault.with_traceback(None)  # else each that waits adds to the same traceback
        return self._result

    def future(self) -> "asyncio.Future[None]":
        """What a Task can wait for: done when this is."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.then(lambda: None if future.done() else future.set_result(None))
        return future

    def _end(self) -> None:
        self.is_done = True
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()


class Pending:
    """Coroutines under way, counted, so that a stop can wait for them; their Tasks held, so that these stay."""

    def __init__(self) -> None:
        self.under_way = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()

    def begin(self, work: Coroutine[Any, Any, T], done: Callable[[T | None], object]) -> None:
        """Step `work`; call `done` with its result at once or when it has it, with None if it was cancelled.

        What `work` raises is a fault of the program: before its first wait it is raised here, later the event loop is
        told of it, and `done` is called with None.
        """
        try:
            waiting = work.send(None)
        except StopIteration as end:
            done(end.value)
            return
        self.under_way += 1
        self._wait(work, waiting, done)

    def enter(self) -> None:
        """One more thing is under way, that is no coroutine; `leave` when it is over."""
        self.under_way += 1

    def leave(self) -> None:
        """It is over."""
        self.under_way -= 1
        if not self.under_way:
            self._idle.set()

    async def finish(self, timeout: float | None = None) -> None:
        """Wait until nothing is under way, at most `timeout` seconds."""
        if self.under_way:
            self._idle.clear()
            ended = asyncio.ensure_future(self._idle.wait())
            await asyncio.wait({ended}, timeout=timeout)
            ended.cancel()

    def _wait(self, work: Coroutine[Any, Any, T], waiting: Any, done: Callable[[T | None], object]) -> None:
        if isinstance(waiting, Arrival):
            waiting.then(partial(self._go_on, work, done))
            return
        task = asyncio.get_running_loop().create_task(_carry_on(work, waiting))
        self._tasks.add(task)
        task.add_done_callback(partial(self._end_task, done))

    def _go_on(self, work: Coroutine[Any, Any, T], done: Callable[[T | None], object]) -> None:
        try:
            waiting = work.send(None)
        except StopIteration as end:
            self._end(done, end.value)
        except BaseException:
            self._end(done, None)
            raise
        else:
            self._wait(work, waiting, done)

    def _end_task(self, done: Callable[[T | None], object], task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        failed = task.cancelled() or task.exception() is not None
        self._end(done, None if failed else task.result())
        if failed and not task.cancelled():
            task.result()

    def _end(self, done: Callable[[T | None], object], result: T | None) -> None:
        self.leave()
        done(result)


def started(work: Coroutine[Any, Any, T]) -> "T | asyncio.Task[T]":
    """Step `work` up to its first wait: its result if it ends before, else a Task that carries on.

    What `work` raises before its first wait is raised here.
    """
    try:
        waiting = work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    return asyncio.get_running_loop().create_task(_carry_on(work, waiting))


async def in_task() -> None:
    """From here on the coroutine runs in a Task of its own, so that it may bound its time.

    (The current task says nothing of that: a coroutine may be stepped from within another one's Task.)
    """
    await asyncio.sleep(0)


@coroutine
def _carry_on(work: Coroutine[Any, Any, T], waiting: Any) -> Generator[Any, Any, T]:
    """What `work` does after its first wait: `waiting` is the future or arrival that it yielded outside a Task."""
    if isinstance(waiting, Arrival):
        waiting = None if waiting.is_done else next(iter(waiting.future().__await__()))
    while True:
        try:
            sent = yield waiting
            thrown = None
        except BaseException as fault:  # the future's exception, or the Task's cancellation: the chain's to handle
            thrown = fault
        try:
            waiting = work.throw(thrown) if thrown is not None else work.send(sent)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
