"""Objects put where the watches of a kubernetes plugin put them, without an API server."""

from typing import Any

from kdns.transport.mirror import Intake
from tests.kdns.cluster.making import Object


def take(plugin: Any, *things: Object) -> None:
    """Put objects where the watch of their kind puts them."""
    for thing in things:
        for watch in plugin._mirror._watches:
            if watch.resource.kind is type(thing):
                Intake(watch, plugin._mirror.progress.one_more, print).put(thing)


def complete(plugin: Any) -> None:
    """Tell it that these were all."""
    for watch in plugin._mirror._watches:
        Intake(watch, plugin._mirror.progress.one_more, print).synced()
