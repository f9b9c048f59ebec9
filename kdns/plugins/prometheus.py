"""prometheus: count the queries of a server block and publish every metric of the process.

Syntax:
    prometheus [ADDRESS] {          # host:port, by default localhost:9153; the page is /metrics
        runtime_metrics             # more of the Python runtime, for the whole process
        tls FILE                    # a web configuration as Prometheus' exporters have it
    }

Blocks may share an address. Sizes are those before compression; a query to which nothing was written counts with the
RCODE that the server will answer with, no plugin, and a size of 0.
"""

import asyncio
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from kdns import VERSION
from kdns.chain import Handler, Page, Reply, Request, Step, nameblind
from kdns.corefile import Args, Line, hostport
from kdns.counting import Counting
from kdns.errors import Dropped, NoAnswer
from kdns.metrics import Labels, Metrics
from kdns.runtime import MoreRuntime, Runtime
from kdns.transport.sockets import Endpoint
from kdns.wire import codes, fit, names

ADDRESS = "localhost:9153"


@runtime_checkable
class Named(Protocol):
    """The view of a server block."""

    name: str


@nameblind
class Prometheus:
    """The plugin of one server block. `clock` gives monotonic seconds; `places` are its (server, zone) labels.

    What it counts of a kept reply it counts by a tally.
    """

    def __init__(
        self,
        address: str,
        web_config: Path | None,
        places: tuple[tuple[str, str], ...],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._web_config = web_config
        self._places = places
        self._metrics = metrics
        self._registry = metrics.registry
        self._enabled = metrics.family("plugin_enabled")
        self._counting = Counting(metrics)
        self._clock = clock
        self._names: tuple[str, ...] = ()
        self._view = ""

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """Count the query by what comes from below."""
        try:
            reply = await rest(request)
        except NoAnswer as failure:
            self._count_unwritten(request, failure.rcode)
            raise
        except Dropped:
            self._count_unwritten(request, codes.NOERROR)
            raise
        return self._count_reply(request, reply)

    def _count_reply(self, request: Request, reply: Reply) -> Reply:
        size = fit.uncompressed_size(request.question, (reply.answer, reply.authority, reply.additional))
        kind = self._counting.kind(request, reply.rcode, reply.by)
        self._counting.count(kind, request.size, size, self._clock() - request.now)
        if reply.keep is None:
            return reply
        again = partial(self._counting.count, kind, request.size, size, 0.0)
        return reply.keeping(reply.keep.tallied(again))

    def step(self) -> Step:
        """Count what comes back."""
        return Step(returned=self._count_reply)

    def meet(self, peers: Mapping[str, object]) -> None:
        """The plugins of the block that take part in its chain: told of as enabled."""
        self._names = tuple(name for name, plugin in peers.items() if callable(plugin))
        view = peers.get("view")
        self._view = view.name if isinstance(view, Named) else ""

    async def start(self) -> None:
        """Tell which plugins are enabled."""
        for labels in self._rows():
            self._enabled.add(labels)

    async def close(self) -> None:
        """Tell so no more, unless another configuration does meanwhile."""
        for labels in self._rows():
            if self._enabled.values.get(labels, 0) > 1:
                self._enabled.add(labels, -1)
            else:
                self._enabled.remove(labels)

    def pages(self) -> tuple[Page, ...]:
        """The page /metrics."""
        return (Page(self._address, "/metrics", self._text, web_config=self._web_config),)

    async def _text(self, query: Mapping[str, str]) -> tuple[int, str, bytes]:
        await self._metrics.look_around()
        parts = []
        for family in self._registry.collect():
            parts.append(generate_latest(_Only(family)))
            await asyncio.sleep(0)  # all families together take long enough to keep queries waiting
        return 200, CONTENT_TYPE_PLAIN_0_0_4, b"".join(parts)

    def _count_unwritten(self, request: Request, rcode: int) -> None:
        kind = self._counting.kind(request, rcode, "")
        self._counting.count(kind, request.size, 0, self._clock() - request.now)

    def _rows(self) -> Iterator[Labels]:
        return ((server, zone, self._view, name) for server, zone in self._places for name in self._names)


class _Only(Collector):
    """A collector of one family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family


def setup(args: Args) -> Prometheus:
    """The plugin of a server block. ConfigError for an address or a property that it does not know."""
    directive = args.once()
    address, web_config = hostport.argument(directive, ADDRESS), None
    for line in directive.lines:
        match line.name:
            case "runtime_metrics":
                line.expect(0)
                _register(args, MoreRuntime())
            case "tls":
                web_config = Path(_once(line, web_config))
            case _:
                raise line.error(f"unknown option: {line.name}")
    _register(args, Runtime())
    version = VERSION, "", f"python{platform.python_version()}"
    args.metrics.family("build_info").set(version, 1)
    return Prometheus(address, web_config, _places(args), args.metrics)


def _register(args: Args, collector: Collector) -> None:
    with suppress(ValueError):  # another block, or the configuration before this one, asked for it too
        args.metrics.registry.register(collector)


def _once(line: Line, before: Path | None) -> str:
    if before is not None:
        raise line.error("tls block already specified")
    return line.expect(1)[0]


def _places(args: Args) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"{key.scheme}://{Endpoint(address, key.port)}", names.show(key.zone))
        for each in args.keys
        for key in each
        for address in args.addresses or ("",)
    )
