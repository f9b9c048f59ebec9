"""The namespaces whose names exist: those that the cluster has, as far as the configuration exposes them.

The key of what depends on a namespace is its label, b"\\x07default".
"""

from collections.abc import Collection

from kdns.cluster.entries import Label, label
from kdns.cluster.objects import Namespace
from kdns.cluster.publish import Key


class Namespaces:
    """`exposed` has the labels of those that exist; `only` limits them to some, none of it means all."""

    def __init__(self, only: Collection[Label] = ()) -> None:
        self.exposed: set[Label] = set()
        self.limited = bool(only)
        self._only = frozenset(only)

    def put(self, namespace: Namespace) -> tuple[Key, ...]:
        """A Namespace is there; the keys of what may be answered differently now. WireError for an impossible name."""
        return self.add(label(namespace.metadata.name))

    def add(self, name: Label) -> tuple[Key, ...]:
        """A namespace is there, by its label; the keys of what may be answered differently now."""
        if name in self.exposed or (self.limited and name not in self._only):
            return ()
        self.exposed.add(name)
        return (name,)

    def delete(self, _: str, name: str) -> tuple[Key, ...]:
        """A Namespace is gone; the keys of what may be answered differently now."""
        gone = label(name)
        if gone not in self.exposed:
            return ()
        self.exposed.remove(gone)
        return (gone,)
