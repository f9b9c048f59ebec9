"""kdns processes for vectors: born in the nursery, awaited by what they print, ended by a signal."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

PATIENCE = 30.0  # seconds for a start, on a machine that is busy
GREETING = "kdns-"  # in the last but one line that a server prints at its start


class Running:
    """One kdns: what it has printed so far, and its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.output = ""
        self._pid = 0
        self._ended = asyncio.Event()
        self._told = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def greeted(self) -> bool:
        """Wait until it serves; False if it ended instead."""
        async with asyncio.timeout(PATIENCE):
            while GREETING not in self.output and not self._ended.is_set():
                self._told.clear()
                await self._told.wait()
        return GREETING in self.output

    async def stop(self) -> None:
        """Have it end by itself, and read its output to the end."""
        if not self._ended.is_set():
            os.kill(self._pid, signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await self._reading

    async def _read(self) -> None:
        self._pid = int(await self._reader.readline())
        while piece := await self._reader.read(65536):
            self.output += piece.decode(errors="replace")
            self._told.set()
        self._writer.close()
        self._ended.set()
        self._told.set()


class Nursery:
    """Where kdns processes come from."""

    def __init__(self, orders: asyncio.StreamWriter) -> None:
        self._orders = orders

    async def start(self, directory: Path, corefile: str, environment: Mapping[str, str]) -> Running:
        """A kdns on a Corefile, in a directory; it may not serve yet, or never."""
        place = directory / "Corefile"
        place.write_bytes(corefile.encode())
        born: asyncio.Future[Running] = asyncio.get_running_loop().create_future()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            born.set_result(Running(reader, writer))

        listener = await asyncio.start_unix_server(connected, directory / "output")
        order = {
            "directory": str(directory),
            "output": str(directory / "output"),
            "arguments": ["-conf", str(place)],
            "environment": dict(environment),
        }
        self._orders.write(json.dumps(order).encode() + b"\n")
        await self._orders.drain()
        async with asyncio.timeout(PATIENCE):
            running = await born
        listener.close()
        return running


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """A nursery while the block lasts."""
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.vectors.nursery", stdin=asyncio.subprocess.PIPE, cwd=root
    )
    assert process.stdin is not None
    yield Nursery(process.stdin)
    process.stdin.close()
    await process.wait()
