"""pprof: pages that show what the process is doing.

Syntax:
    pprof [ADDRESS] {           # host:port, by default localhost:6053; the pages are below /debug/pprof/
        block [RATE]            # note what held the event loop up for RATE nanoseconds (default 1) or more
    }

The pages are text. `profile` has stacks in the folded form that flame graph tools read, one a line with the number of
samples in which it was seen; a sample is taken for every 10 ms of processor time.
"""

import asyncio
import heapq
import io
import math
import signal
import sys
import threading
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import FrameType

from kdns.chain import Page
from kdns.corefile import Args, Line, hostport
from kdns.corefile.numbers import integer

ADDRESS = "localhost:6053"
ROOT = "/debug/pprof"
SAMPLE = 0.01  # seconds of processor time between two samples
SECONDS, MOST_SECONDS = 30.0, 300.0  # how long a profile takes, by default and at most
TICK = 0.1  # seconds between two looks at the event loop
KEPT = 50  # longest delays of the event loop that are kept
LARGEST = 100  # allocation sites that `heap` shows

Content = tuple[int, str, bytes]


class Pprof:
    """The pages. `rate` is how many nanoseconds the event loop must be late to be noted; 0 is never.

    `clock` gives monotonic seconds, looked at every `tick` seconds.
    """

    def __init__(
        self, address: str, rate: int, clock: Callable[[], float] = time.monotonic, tick: float = TICK
    ) -> None:
        self._address = address
        self._rate = rate
        self._clock = clock
        self._tick = tick
        if rate > 0:
            self.run = self._measure
        self._delays: list[tuple[float, float]] = []  # a heap of (seconds late, Unix time)
        self._contents: dict[str, tuple[Callable[[Mapping[str, str]], Awaitable[Content]], str]] = {
            "block": (self._block, "what held the event loop up"),
            "cmdline": (_cmdline, "the command line"),
            "goroutine": (_goroutine, "stacks of all tasks and threads"),
            "heap": (_heap, "where memory was allocated, if the process runs with PYTHONTRACEMALLOC"),
            "profile": (_profile, "where processor time goes, over ?seconds=30"),
        }

    def pages(self) -> tuple[Page, ...]:
        """The index and one page a profile."""
        named = [(f"{ROOT}/{name}", get) for name, (get, _) in self._contents.items()]
        both = [(ROOT, self._index), (f"{ROOT}/", self._index), *named]
        return tuple(Page(self._address, path, get) for path, get in both)

    async def _measure(self) -> None:
        """Note how late the event loop is, for ever."""
        while True:
            due = self._clock() + self._tick
            await asyncio.sleep(self._tick)
            self._note(self._clock() - due, time.time())

    def _note(self, late: float, now: float) -> None:
        if late * 1e9 >= self._rate:
            heapq.heappush(self._delays, (late, now))
            if len(self._delays) > KEPT:
                heapq.heappop(self._delays)

    async def _index(self, query: Mapping[str, str]) -> Content:
        return _text(f"{ROOT}/{name}: {about}" for name, (_, about) in self._contents.items())

    async def _block(self, query: Mapping[str, str]) -> Content:
        return _text(f"{late:.6f} s at {now:.3f}" for late, now in sorted(self._delays, reverse=True))


def _text(lines: Iterable[str], status: int = 200) -> Content:
    return status, "text/plain; charset=utf-8", "".join(f"{line}\n" for line in lines).encode()


async def _cmdline(query: Mapping[str, str]) -> Content:
    return 200, "text/plain; charset=utf-8", "\0".join(sys.argv).encode()


async def _goroutine(query: Mapping[str, str]) -> Content:
    shown = io.StringIO()
    for task in asyncio.all_tasks():
        task.print_stack(file=shown)
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        shown.write(f"Thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}")
    return _text(shown.getvalue().splitlines())


async def _heap(query: Mapping[str, str]) -> Content:
    if not tracemalloc.is_tracing():
        return _text(["memory is not traced: start the process with PYTHONTRACEMALLOC=1 in its environment"], 404)
    return _text(map(str, tracemalloc.take_snapshot().statistics("lineno")[:LARGEST]))


async def _profile(query: Mapping[str, str]) -> Content:
    try:
        seconds = float(query.get("seconds", SECONDS))
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MOST_SECONDS:
        return _text([f"seconds is a number above 0 and up to {MOST_SECONDS:.0f}"], 400)
    if signal.getitimer(signal.ITIMER_PROF)[0]:
        return _text(["another profile is being taken"], 503)
    stacks: Counter[str] = Counter()
    before = signal.signal(signal.SIGPROF, lambda _, frame: stacks.update([_folded(frame)]))
    signal.setitimer(signal.ITIMER_PROF, SAMPLE, SAMPLE)
    try:
        await asyncio.sleep(seconds)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return _text(f"{stack} {count}" for stack, count in stacks.most_common())


def _folded(frame: FrameType | None) -> str:
    """The stack that ends in `frame`, outermost first."""
    calls: list[str] = []
    while frame is not None:
        calls.append(f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})")
        frame = frame.f_back
    return ";".join(reversed(calls))


def setup(args: Args) -> Pprof:
    """The plugin of a server block. ConfigError for an address or a property that it does not know."""
    directive = args.once()
    address, rate = hostport.argument(directive, ADDRESS), 0
    for line in directive.lines:
        if line.name != "block":
            raise line.error(f"unknown property '{line.name}'")
        rate = _rate(line)
    return Pprof(address, rate)


def _rate(line: Line) -> int:
    for text in line.expect(0, 1):
        try:
            return integer(text)
        except ValueError:
            raise line.error(f"property 'block' invalid integer value '{text}'") from None
    return 1
