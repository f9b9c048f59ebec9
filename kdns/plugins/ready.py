"""ready: an HTTP page that says whether every plugin can answer yet.

Syntax:
    ready [ADDRESS] {                           # host:port, by default :8181; the page is /ready
        monitor until-ready|continuously        # whether a plugin that was ready once is asked again
    }

The page says OK, or 503 and the names of those that are not ready: of all server blocks that use the address. From the
moment that the server is told to stop it is not ready any more, while it goes on answering.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from kdns.chain import Page
from kdns.corefile import Args, Line, hostport

ADDRESS = ":8181"
MONITORS = {"until-ready": False, "continuously": True}


@runtime_checkable
class Readiness(Protocol):
    """A plugin that may not be able to answer yet."""

    def ready(self) -> bool:
        """Whether it is."""


class Ready:
    """The page of one server block. `again` is whether plugins that were ready are asked again."""

    def __init__(self, address: str, again: bool, log: Callable[[str, str], None]) -> None:
        self._address = address
        self._again = again
        self._log = log
        self._waiting: dict[str, Readiness] = {}
        self._stopping = False

    def meet(self, peers: Mapping[str, object]) -> None:
        """The plugins of the block."""
        self._waiting = {name: plugin for name, plugin in sorted(peers.items()) if isinstance(plugin, Readiness)}

    def pages(self) -> tuple[Page, ...]:
        """The page /ready."""
        return (Page(self._address, "/ready", self._answer, every=True),)

    async def lameduck(self) -> None:
        """Be ready no more."""
        self._stopping = True

    async def _answer(self, query: Mapping[str, str]) -> tuple[int, str, bytes]:
        kind = "text/plain; charset=utf-8"
        if self._stopping:
            return 503, kind, b"Shutting down"
        unready = [name for name, plugin in self._waiting.items() if not plugin.ready()]
        if not self._again:
            self._waiting = {name: self._waiting[name] for name in unready}
        if not unready:
            return 200, kind, b"OK"
        names = ",".join(unready)
        self._log("INFO", f'Plugins not ready: "{names}"')
        return 503, kind, names.encode()


def setup(args: Args) -> Ready:
    """The plugin of a server block. ConfigError for an address or a monitor that it does not know."""
    directive = args.once()
    address, again = hostport.argument(directive, ADDRESS), False
    for line in directive.lines:
        if line.name != "monitor":
            raise line.error(f"unknown property '{line.name}'")
        again = _monitor(line)
    return Ready(address, again, args.log)


def _monitor(line: Line) -> bool:
    (kind,) = line.expect(1)
    if kind not in MONITORS:
        raise line.error(f"monitor type '{kind}' not supported")
    return MONITORS[kind]
