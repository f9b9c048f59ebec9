"""Which queries a plugin looks at, and which of them end at it: what the plan of a server block is checked by. Pure.

A plugin that says nothing looks at every query of its block and ends none. One that knows better has a method
`reach()`, which gives a Reach for each of its directives in their order, or one for all of them.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from kdns.wire import names
from kdns.wire.names import Name

P = TypeVar("P")


class Reach(NamedTuple):
    """Names, lower-cased: what is at or below `zones` is looked at.

    Of names at or below `ends` no query goes on to the next plugin, whatever its type or class, but for names at or
    below `spared`.
    """

    zones: tuple[Name, ...] = (names.ROOT,)
    ends: tuple[Name, ...] = ()
    spared: tuple[Name, ...] = ()

    def ends_all(self, zone: Name) -> bool:
        """Whether every query for a name at or below `zone` ends here."""
        return any(names.is_below(zone, end) for end in self.ends) and not any(overlaps(zone, self.spared))


def final(plugin: P) -> P:
    """Mark a plugin that answers whatever it is asked: a query that comes to it goes no further."""
    plugin.final = True  # type: ignore[attr-defined]
    return plugin


def overlaps(zone: Name, others: Iterable[Name]) -> Iterator[Name]:
    """What `zone` has in common with each of the others that it has something in common with."""
    for other in others:
        if names.is_below(zone, other):
            yield zone
        elif names.is_below(other, zone):
            yield other
