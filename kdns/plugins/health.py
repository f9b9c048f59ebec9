"""health: an HTTP page that says that the process lives.

Syntax:
    health [ADDRESS] {          # host:port, by default :8080; the page is /health
        lameduck DURATION       # at shutdown go on answering for so long, so that clients notice that we leave
    }

The page always says OK: a server that is too busy is told from one that is not by how long it takes, so it asks itself
every second and measures that.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

import aiohttp

from kdns.chain import Page
from kdns.corefile import Args, Line, duration, hostport
from kdns.corefile.durations import show_duration
from kdns.metrics import Metrics

ADDRESS = ":8080"
PERIOD = 1.0  # seconds between two looks at ourselves
PATIENCE = 3.0  # seconds after which a look has failed
SLOW = 1.0  # seconds above which a local request is worth a warning

Log = Callable[[str, str], None]


class Health:
    """The page, and the look at it. `lameduck` and `period` are in seconds, `clock` gives monotonic ones."""

    def __init__(
        self,
        address: str,
        lameduck: float,
        metrics: Metrics,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
        period: float = PERIOD,
    ) -> None:
        self._address = address
        self._lameduck = lameduck
        self._durations = metrics.histogram("health_request_duration_seconds")
        self._failures = metrics.family("health_request_failures_total")
        self._failures.add((), 0)
        self._log = log
        self._clock = clock
        self._period = period
        host, port = hostport.split(address)
        self._url = f"http://{hostport.join(host or 'localhost', port)}/health"

    def pages(self) -> tuple[Page, ...]:
        """The page /health."""
        return (Page(self._address, "/health", _ok),)

    async def run(self) -> None:
        """Look every `period` seconds."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                await asyncio.sleep(self._period)
                await self._look(session)

    async def lameduck(self) -> None:
        """Hold the shutdown back for as long as was asked for."""
        if self._lameduck > 0:
            self._log("INFO", f"Going into lameduck mode for {show_duration(self._lameduck)}")
            await asyncio.sleep(self._lameduck)

    async def _look(self, session: aiohttp.ClientSession) -> None:
        started = self._clock()
        failure = None
        try:
            async with session.get(self._url):
                pass
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            failure = str(fault) or "timed out"
        took = self._clock() - started
        self._durations.observe((), took)
        if failure is not None:
            self._failures.add(())
            self._log("WARNING", f'Local health request to "{self._url}" failed: {failure}')
        elif took > SLOW:
            self._log("WARNING", f'Local health request to "{self._url}" took more than 1s: {show_duration(took)}')


async def _ok(query: Mapping[str, str]) -> tuple[int, str, bytes]:
    return 200, "text/plain; charset=utf-8", b"OK"


def setup(args: Args) -> Health:
    """The plugin of a server block; of several directives the last counts. ConfigError for what it does not know."""
    address, lameduck = ADDRESS, 0.0
    for directive in args.directives:
        address = hostport.argument(directive, address)
        for line in directive.lines:
            if line.name != "lameduck":
                raise line.error(f"unknown property '{line.name}'")
            lameduck = _lameduck(line)
    return Health(address, lameduck, args.metrics, args.log)


def _lameduck(line: Line) -> float:
    (text,) = line.expect(1)
    return line.read(text, duration, f"unable to parse lameduck duration value: '{text}' : ")
