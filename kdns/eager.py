"""Coroutines begun at once, without a Task: most chains answer without waiting for anything.

`started` steps a coroutine up to its first wait. If it ends there, the result is at hand in the same step; otherwise a
Task carries on from that point. (Python 3.12 has eager tasks; this does for 3.11 what is needed here: the first step
runs outside a Task, so a plugin must not ask for the current task before it has waited once.)
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Pending:
    """The Tasks under way, held so that they are not collected, and so that a stop can wait for them."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, T], done: Callable[[T | None], object]) -> None:
        """Step `work`; call `done` with its result at once or when it has it, with None if it was cancelled.

        `work` must not raise.
        """
        begun = started(work)
        if not isinstance(begun, asyncio.Task):
            done(begun)
            return
        self.tasks.add(begun)
        begun.add_done_callback(lambda ended: self._end(ended, done))

    def _end(self, task: asyncio.Task[T], done: Callable[[T | None], object]) -> None:
        self.tasks.discard(task)
        done(None if task.cancelled() else task.result())


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


@coroutine
def _carry_on(work: Coroutine[Any, Any, T], waiting: Any) -> Generator[Any, Any, T]:
    """What `work` does after its first wait: `waiting` is the future that it yielded outside a Task."""
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
