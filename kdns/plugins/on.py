"""on: run a command when the server has started, or when it is about to stop.

Syntax:
    on startup|shutdown|certrenew COMMAND [ARGUMENTS...] [&]     # a trailing & : the server does not wait for its end

A command that fails is logged and changes nothing. It has the server's input and outputs. `startup` comes when the
listeners answer, after a reload as well; `shutdown` when a signal ends the server, before anything is stopped;
`certrenew` never, not even for a certificate that *tls* fetches.
"""

import asyncio
import os
import shlex
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from uuid import uuid4

from kdns.corefile import Args, Directive

EVENTS = ("startup", "shutdown", "certrenew")
_BACKGROUND = "&"


class Hook(NamedTuple):
    """A command and when to run it. `id` tells it from others in the log."""

    event: str
    command: tuple[str, ...]
    waits: bool
    id: str


class On:
    """The commands of one server block. No query comes here."""

    def __init__(self, hooks: tuple[Hook, ...], log: Callable[[str, str], None]) -> None:
        self._hooks = hooks
        self._log = log
        self._background: set[asyncio.Task[int]] = set()

    async def serving(self) -> None:
        """The listeners answer."""
        await self._run("startup")

    async def lameduck(self) -> None:
        """The server is about to stop."""
        await self._run("shutdown")

    async def close(self) -> None:
        """Look after commands in the background no longer: they may outlive the server."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _run(self, event: str) -> None:
        for hook in self._hooks:
            if hook.event == event:
                await self._execute(hook)

    async def _execute(self, hook: Hook) -> None:
        kind = "Blocking" if hook.waits else "Nonblocking"
        self._log("LINE", f'{kind} Command "{" ".join(hook.command)}" with ID {hook.id}')
        try:
            process = _started(hook.command)
        except OSError as fault:
            self._failed(hook, f"{hook.command[0]}: {fault.strerror}")
            return
        ending = asyncio.get_running_loop().create_task(_ended(process))
        if not hook.waits:
            self._background.add(ending)
            ending.add_done_callback(self._background.discard)
            return
        status = await ending
        if status:
            self._failed(hook, f"exit status {status}")

    def _failed(self, hook: Hook, why: str) -> None:
        self._log("ERROR", f"error on 'on-{hook.id}' hook: {why}")


async def _ended(process: int) -> int:
    """Wait for a process; its exit status. Unlike asyncio's own processes it lives on where that is cancelled."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    handle = os.pidfd_open(process)
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return _status(process)


def _started(command: tuple[str, ...]) -> int:
    """Start a process; its ID. OSError if it cannot be started."""
    return os.posix_spawnp(command[0], command, os.environ)


def _status(process: int) -> int:
    """The exit status of a process that has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def setup(args: Args) -> On:
    """The commands of one server block. ConfigError for an unknown event, and for what is no command."""
    return On(tuple(_hook(directive) for directive in args.directives), args.log)


def _hook(directive: Directive) -> Hook:
    if not directive.words or directive.has_block:
        raise directive.wrong_count()
    event, *words = directive.words
    if event.lower() not in EVENTS:
        raise directive.error(f"Wrong event name or event not supported: '{event}'")
    text = " ".join(words)
    command = directive.read(text, partial(shlex.split, comments=True), "error parsing command: ")
    waits = command[-1:] != [_BACKGROUND]
    if not command or command == [_BACKGROUND]:
        raise directive.error(f"no command contained in '{text}'")
    return Hook(event.lower(), tuple(command if waits else command[:-1]), waits, str(uuid4()))
