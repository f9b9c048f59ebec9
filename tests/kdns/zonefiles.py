"""Plugins that serve zone files, with real files and a clock that does not wait."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kdns.chain import Keep, Reply
from kdns.corefile import Args
from kdns.wire import codes
from kdns.wire.names import Name
from tests.kdns.apiserver import Moments
from tests.kdns.aside import aside
from tests.kdns.asking import args, ask, texts
from tests.kdns.zones import APEX

BELOW = Reply(codes.NXDOMAIN, by="below", keep=Keep())


class Started:
    """A plugin that `setup` makes of a Corefile, and what it said and forgot."""

    def __init__(self, setup: Callable[[Args], Any], directory: Path, text: str, zones: str = ".") -> None:
        self.said: list[str] = []
        self.forgotten: list[Collection[Name]] = []
        self.moments = Moments()
        self.plugin = setup(args(text, zones=zones, directory=directory, log=self._say))
        self.plugin.follow(self.forgotten.append)

    def _say(self, level: str, text: str) -> None:
        self.said.append(f"{level} {text}")
        self.moments.tick()

    async def until_said(self, what: str) -> None:
        """Wait for a line with these words."""
        await self.moments.until(lambda: any(what in line for line in self.said))

    def answer(self, asked: str) -> list[str]:
        """The records of its answer, as text."""
        return texts(ask(self.plugin, asked, BELOW).answer)


@asynccontextmanager
async def started(setup: Callable[[Args], Any], directory: Path, text: str, zones: str = ".") -> AsyncIterator[Started]:
    """A plugin that has looked at its files, and goes on looking."""
    made = Started(setup, directory, text, zones)
    await made.plugin.start()
    async with aside(made.plugin.run()):
        yield made


def write(path: Path, lines: str, serial: int = 7) -> None:
    """Put a zone file where the server looks, in one step."""
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name("beside")
    beside.write_text(APEX.replace(" 7 ", f" {serial} ") + lines)
    beside.replace(path)
