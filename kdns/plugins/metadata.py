"""metadata: collect what the plugins of the block know about a query, for log, rewrite, template and view.

Syntax:
    metadata [ZONES...]     # the names whose queries it is collected for; those of the server block

Labels are like `kubernetes/client-namespace`. Plugins that know something before the query is answered have a method
`labels`; others add to the query's own `labels` on its way, where this plugin made it.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from kdns.chain import Handler, Reply, Request, repeatable
from kdns.corefile import Args
from kdns.reach import Reach
from kdns.wire import names
from kdns.wire.names import Name


@runtime_checkable
class Provider(Protocol):
    """A plugin that knows something about queries."""

    def labels(self, request: Request) -> Mapping[str, str]:
        """What it knows, by label."""


@repeatable
class Metadata:
    """The plugin of one server block."""

    def __init__(self, zones: tuple[Name, ...]) -> None:
        self._zones = zones
        self._providers: list[Callable[[Request], Mapping[str, str]]] = []

    def meet(self, peers: Mapping[str, object]) -> None:
        """Find the plugins of the block that have something to tell."""
        self._providers = [peer.labels for peer in peers.values() if isinstance(peer, Provider)]

    def reach(self) -> list[Reach]:
        """Its zones."""
        return [Reach(self._zones)]

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below to the query with its labels."""
        return await rest(request._replace(labels=self.collect(request)))

    def collect(self, request: Request) -> dict[str, str]:
        """What is known about a query, by label: nothing outside of the zones."""
        found: dict[str, str] = {}
        if any(names.is_below(request.question.key, zone) for zone in self._zones):
            for provide in self._providers:
                found.update(provide(request))
        return found


def setup(args: Args) -> Metadata:
    """The plugin of one server block. ConfigError for a block, or a second one."""
    directive = args.directives[0]
    words = directive.alone(0, len(directive.words))
    if len(args.directives) > 1:
        raise args.directives[1].wrong_count()
    return Metadata(args.origins(words))
