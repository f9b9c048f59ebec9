"""One configuration made ready to run: a Corefile's blocks set up, linked to chains, and their loops held together.

A reload makes a whole new instance beside the running one; nothing is shared but the metrics, so a configuration that
fails on the way leaves nothing behind.
"""

import asyncio
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from kdns.block import Block
from kdns.chain import Page, Plugin, Request, link
from kdns.corefile import Args, Key, Served, ServerBlock, inspect
from kdns.corefile.args import directives
from kdns.corefile.keys import read_key
from kdns.errors import ConfigError
from kdns.metrics import Metrics
from kdns.passage import passage
from kdns.plugins import ORDER
from kdns.plugins.bind import Bind
from kdns.plugins.debug import Debug
from kdns.plugins.metadata import Metadata
from kdns.plugins.root import Root
from kdns.plugins.tls import Fetched
from kdns.plugins.view import View
from kdns.wire.names import Name

T = TypeVar("T")
Log = Callable[[str, str], None]

EXTRAS = {"dnstap", "etcd", "geoip", "grpc"}  # directives that need the extra of their name
VENDOR_CLOUDS = {"azure": "Azure DNS", "clouddns": "Google Cloud DNS", "route53": "Amazon Route 53"}


class Surroundings(NamedTuple):
    """What set-up is given besides the Corefile: see corefile.Args."""

    metrics: Metrics
    environ: Mapping[str, str]
    directory: Path
    log: Log
    dns_port: int = 53


def watched(chain: Mapping[str, Plugin]) -> list[Plugin]:
    """The plugins of a chain, each watched by those in front of it that do so."""
    found: list[Plugin] = []
    for at, (name, plugin) in enumerate(chain.items()):
        for before in [*chain.values()][:at]:
            plugin = before.watch(name, plugin) if hasattr(before, "watch") else plugin
        found.append(plugin)
    return found


@dataclass(frozen=True)
class Site:
    """A server block set up: what it is served on, its plugins in ORDER by directive name, its configuring values.

    `source` is the block as the Corefile has it; `ahead` are plugins of no directive, in front of its own.
    """

    source: ServerBlock
    keys: tuple[tuple[Key, ...], ...]
    plugins: Mapping[str, Any]
    values: tuple[object, ...]
    ahead: tuple[Plugin, ...] = ()

    def power(self, name: str) -> list[Callable[..., Any]]:
        """The methods of this name that the block's plugins have."""
        return [getattr(plugin, name) for plugin in self.plugins.values() if hasattr(plugin, name)]

    def value(self, kind: type[T]) -> T | None:
        """What a directive of the block returned that only configures, by its type; None without it."""
        return next((value for value in self.values if isinstance(value, kind)), None)

    def blocks(self) -> dict[Key, Block]:
        """The block's chain under each of its keys."""
        chain = {name: plugin for name, plugin in self.plugins.items() if callable(plugin)}
        linked = [*self.ahead, *watched(chain)]
        handler = link(linked, list(chain)[-1]) if chain else None
        view = self.value(View)
        name, admits = (view.name, self._admits(view)) if view else ("", None)
        updates = tuple(zone for zones in self.power("dynamic_zones") for zone in zones())
        short = passage(linked)
        return {key: Block(key.zone, handler, name, admits, short, updates) for each in self.keys for key in each}

    def _admits(self, view: View) -> Callable[[Request], bool]:
        """The view's filter; where the block has metadata, over a query with its labels."""
        metadata = self.value(Metadata)
        if metadata is None:
            return view.admits
        return lambda request: view.admits(request._replace(labels=metadata.collect(request)))


@dataclass
class Instance:
    """All sites of a configuration, and the tasks that their loops run in.

    Of several processes that serve it the first has the plugins that show pages or read a source for all; in the
    others (`first` is False) these only answer, by what the first one tells them.

    `heirs`: places in `shared`, each with the place of the plugin before, in the instance before, that it goes on from.
    """

    sites: tuple[Site, ...]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    first: bool = True
    heirs: Mapping[int, int] = field(default_factory=dict)

    def power(self, name: str) -> list[Callable[..., Any]]:
        """The methods of this name that any plugin has, block by block."""
        return [method for site in self.sites for method in site.power(name)]

    @property
    def is_divisible(self) -> bool:
        """Whether several processes may serve it: no plugin has something that only one can have."""
        return all(getattr(plugin, "divisible", True) for site in self.sites for plugin in site.plugins.values())

    def shared(self) -> list[Any]:
        """The plugins that tell those of other processes what they read, in an order that is the same in each."""
        return _shared(self.sites)

    def recovered(self, listener: str, fault: Exception) -> tuple[str, bool]:
        """What to say of a query whose handling failed unexpectedly, and whether that ends the server (debug)."""
        hunting = any(site.value(Debug) for site in self.sites)
        traced = hunting or any(getattr(site.plugins.get("errors"), "stacktrace", False) for site in self.sites)
        trace = "".join(traceback.format_exception(fault)) if traced else ""
        return f'Recovered from panic in server: "{listener}" {fault!r}\n{trace}'.rstrip(), hunting

    def pages(self) -> list[Page]:
        """The admin pages of all plugins."""
        return [page for pages in self.power("pages") for page in pages()]

    async def start(self, forget: Callable[[Collection[Name]], None], on_end: Callable[[str], None]) -> None:
        """Begin the loops and wait until every plugin says that it can answer. StartError if one cannot."""
        for follow in self.power("follow"):
            follow(forget)
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(run()) for run in self._own("run")]
        for task in self.tasks:
            task.add_done_callback(lambda ended: None if ended.cancelled() else on_end(_ending(ended)))
        starting = [loop.create_task(start()) for start in self._own("start")]
        try:
            await asyncio.gather(*starting)
        finally:  # where one fails, the others are not left to go on by themselves
            await _end(starting)

    def _own(self, name: str) -> list[Callable[..., Any]]:
        """The methods of this name that are this process's to call."""
        if self.first:
            return self.power(name)
        elsewhere = ("pages", "take")
        plugins = [plugin for site in self.sites for plugin in site.plugins.values()]
        own = [plugin for plugin in plugins if not any(hasattr(plugin, power) for power in elsewhere)]
        return [getattr(plugin, name) for plugin in own if hasattr(plugin, name)]

    async def serving(self) -> None:
        """Tell the plugins that want to know that the listeners answer."""
        await asyncio.gather(*(told() for told in self.power("serving")))

    async def lameduck(self) -> None:
        """Let the plugins that want it hold the shutdown back while everything still answers."""
        await asyncio.gather(*(wait() for wait in self.power("lameduck")))

    async def close(self, on_fault: Callable[[str], None]) -> None:
        """End the loops and close what the plugins hold open; `on_fault` is told of those that cannot be closed."""
        await _end(self.tasks)
        closed = await asyncio.gather(*(close() for close in self._own("close")), return_exceptions=True)
        for fault in closed:
            if isinstance(fault, Exception):
                on_fault(f"a plugin could not be closed: {fault!r}")


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _ending(task: asyncio.Task[None]) -> str:
    """What to say of a loop that ended by itself: the queries go on, but what it did stops."""
    return f"a background loop ended: {task.exception()!r}"


def set_up(
    blocks: Sequence[ServerBlock], around: Surroundings, before: Sequence[Site] = (), *, first: bool = True
) -> Instance:
    """Every block set up. ConfigError in CoreDNS's words, prefixed with the plugin that complains.

    `before` are the sites of the configuration that this one is to replace.
    """
    try:
        keys = [tuple(tuple(read_key(token.text, around.dns_port)) for token in block.keys) for block in blocks]
    except ConfigError as fault:
        raise ConfigError(f"error inspecting server blocks: {fault}") from None
    sites = _proving(tuple(_site(block, each, around) for block, each in zip(blocks, keys, strict=True)))
    inspect(Served(_flat(site.keys), addresses(site), "view" in site.plugins) for site in sites)
    heirs = _inherit(sites, before)
    for site in sites:
        for meet in site.power("meet"):
            meet(site.plugins)
    return Instance(sites, first=first, heirs=heirs)


def _proving(sites: tuple[Site, ...]) -> tuple[Site, ...]:
    """The sites with what answers ACME's challenges in front of every chain, where a certificate is fetched."""
    fetched = [found for site in sites if (found := site.value(Fetched)) is not None]
    return tuple(replace(site, ahead=tuple(each.proofs for each in fetched)) for site in sites)


def _shared(sites: Sequence[Site]) -> list[Any]:
    return [plugin for site in sites for plugin in site.plugins.values() if hasattr(plugin, "take")]


def _inherit(sites: Sequence[Site], before: Sequence[Site]) -> dict[int, int]:
    """Let each plugin go on from what one of the configuration before knows, no two from the same; see `heirs`."""
    places = {id(plugin): place for place, plugin in enumerate(_shared(sites))}
    former = {id(plugin): place for place, plugin in enumerate(_shared(before))}
    left = [plugin for site in before for plugin in site.plugins.values()]
    heirs: dict[int, int] = {}
    for plugin, peers in [(plugin, site.plugins) for site in sites for plugin in site.plugins.values()]:
        if not hasattr(plugin, "inherit"):
            continue
        heir_of = next((old for old in left if plugin.inherit(old, peers)), None)
        left = [old for old in left if old is not heir_of]
        if id(plugin) in places and id(heir_of) in former:
            heirs[places[id(plugin)]] = former[id(heir_of)]
    return heirs


def addresses(site: Site) -> tuple[str, ...]:
    """The addresses that a block is bound to, or none for all."""
    bound = site.value(Bind)
    return bound.addresses if bound is not None else ()


def _flat(keys: tuple[tuple[Key, ...], ...]) -> list[Key]:
    return [key for each in keys for key in each]


def _site(block: ServerBlock, keys: tuple[tuple[Key, ...], ...], around: Surroundings) -> Site:
    plugins: dict[str, Any] = {}
    values: list[object] = []
    for name in ORDER:
        if name not in block.directives:
            continue
        args = _args(name, block, keys, around, values)
        try:
            made = _module(name, args).setup(args)
        except ConfigError as fault:
            raise ConfigError(f"plugin/{name}: {fault}") from None
        values.append(made)
        plugins[name] = made
    return Site(block, keys, plugins, tuple(values))


def _args(
    name: str, block: ServerBlock, keys: tuple[tuple[Key, ...], ...], around: Surroundings, values: list[object]
) -> Args:
    root = next((value.directory for value in values if isinstance(value, Root)), around.directory)
    bound = next((value.addresses for value in values if isinstance(value, Bind)), ())

    hunting = "debug" in block.directives

    def log(level: str, message: str) -> None:
        if level == "DEBUG" and not hunting:
            return
        around.log(level, message if level == "LINE" else f"plugin/{name}: {message}")

    found = directives(block.directives[name])
    return Args(name, found, keys, around.metrics, around.environ, root, log, bound)


def _module(name: str, args: Args) -> Any:
    head = args.directives[0]
    if name in VENDOR_CLOUDS:
        raise head.error(f"{name} needs {VENDOR_CLOUDS[name]}, which kdns does not speak: serve the zone with `file`")
    try:
        return import_module(f"kdns.plugins.{name}")
    except ModuleNotFoundError as missing:
        if name not in EXTRAS:
            raise
        raise head.error(f"{name} needs more libraries ({missing.name}): pip install 'kdns[{name}]'") from None
