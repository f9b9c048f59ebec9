"""A real etcd for tests: one member in a directory, on ports of loopback that were free a moment ago."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import etcd3aio

from bench.ports import free_ports

PATIENCE = 30.0  # seconds for a start, on a machine that is busy
READY = b"serving client traffic"
TRIES = 5  # as many times a port may be taken between being found free and being used


class Server:
    """The running server."""

    def __init__(self, place: str, encrypted: str, process: asyncio.subprocess.Process) -> None:
        self.place = place  # host:port
        self.encrypted = encrypted  # host:port as well, where there are certificates
        self._process = process

    def client(self) -> etcd3aio.Etcd3Client:
        """A client, to be entered."""
        return etcd3aio.Etcd3Client([self.place])

    async def put(self, pairs: Mapping[str, str], ttl: int = 0) -> None:
        """Set keys, with a lease of `ttl` seconds if that is not 0."""
        async with self.client() as client:
            assert client.kv is not None
            assert client.lease is not None
            lease = (await client.lease.grant(ttl)).ID if ttl else 0
            for key, value in pairs.items():
                await client.kv.put(key, value, lease=lease)

    async def kill(self) -> None:
        """End it without a word."""
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def etcd(directory: Path, *more: str, is_encrypted: bool = False) -> AsyncIterator[Server]:
    """Run one while the block lasts; `is_encrypted` if `more` names certificates."""
    process = None
    for turn in range(TRIES):
        clients, peers, encrypted = (f"127.0.0.1:{port}" for port in islice(free_ports(), 3))
        urls = f"http://{clients},https://{encrypted}" if is_encrypted else f"http://{clients}"
        process = await _started(directory / f"etcd{turn}", urls, peers, *more)
        if await _is_ready(process):
            break
        await process.wait()
    assert process is not None
    reading = asyncio.create_task(_drained(process))
    try:
        yield Server(clients, encrypted, process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await reading
        await process.wait()


async def _started(directory: Path, urls: str, peers: str, *more: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "etcd",
        *("--data-dir", str(directory), "--name", "one", "--logger", "zap", "--log-outputs", "stderr"),
        *("--listen-client-urls", urls, "--advertise-client-urls", urls),
        *("--listen-peer-urls", f"http://{peers}", "--initial-advertise-peer-urls", f"http://{peers}"),
        *("--initial-cluster", f"one=http://{peers}"),
        *more,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


async def _is_ready(process: asyncio.subprocess.Process) -> bool:
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        async for line in process.stderr:
            if READY in line:
                return True
    return False


async def _drained(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while await process.stderr.read(65536):
        pass
