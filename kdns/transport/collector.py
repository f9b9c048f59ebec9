"""Spans on their way to a collector of traces, over HTTP, in batches.

Strategy: queries never wait for it. What is not sent yet is bounded, and the oldest spans are dropped beyond that; a
batch that cannot be delivered is dropped with a warning.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import aiohttp

from kdns.tracing import Format, Service, Span

SECONDS = 5.0  # for one request


@dataclass(frozen=True)
class Limits:
    """How many spans may wait, how many are sent at once, and for how many seconds they are collected."""

    backlog: int = 1000
    batch: int = 100
    interval: float = 1.0


class Collector:
    """The way to one collector. To be closed by the loop that runs `run`."""

    def __init__(self, url: str, form: Format, service: Service, limits: Limits, warn: Callable[[str], None]) -> None:
        self._url = url
        self._form = form
        self._service = service
        self._limits = limits
        self._warn = warn
        self._waiting: deque[Span] = deque(maxlen=limits.backlog)
        self._full = asyncio.Event()

    def add(self, spans: Iterable[Span]) -> None:
        """Have the spans sent soon."""
        self._waiting.extend(spans)
        if len(self._waiting) >= self._limits.batch:
            self._full.set()

    async def run(self) -> None:
        """Send what waits again and again, and what is left at the end."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session:
            try:
                while True:
                    await self._collect()
                    await self._send(session)
            finally:
                await self._send(session)

    async def _collect(self) -> None:
        try:
            async with asyncio.timeout(self._limits.interval):
                await self._full.wait()
        except TimeoutError:
            return
        self._full.clear()

    async def _send(self, session: aiohttp.ClientSession) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._limits.batch, len(self._waiting)))]
            try:
                await self._deliver(session, self._form.encode(self._service, batch))
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self._warn(f"failed to send {len(batch)} spans to {self._url}: {error or 'timeout'}")
                return

    async def _deliver(self, session: aiohttp.ClientSession, body: bytes) -> None:
        headers = {"Content-Type": self._form.media_type}
        async with session.request(self._form.method, self._url, data=body, headers=headers) as response:
            if response.status // 100 != 2:
                self._warn(f"failed to send spans to {self._url}: HTTP status {response.status}")
