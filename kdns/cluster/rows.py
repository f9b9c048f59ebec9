"""What is kept of each object as a row, to be written down and taken in again without the object.

Strategy: a row is the entry that answers are joined from, not the object, so that taking it in costs no parse. Which
entries are made of an object depends on the settings: `made_with` says on which.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

from kdns.cluster.entries import ServiceEntry, SliceEntry, label, service_key
from kdns.cluster.external import Ingress
from kdns.cluster.index import Index
from kdns.cluster.pods import PodRow
from kdns.cluster.publish import Key
from kdns.cluster.settings import NO_FALL, Settings
from kdns.cluster.state import State

R = TypeVar("R")
Changed = tuple[Key, ...]


class Table(NamedTuple, Generic[R]):
    """The rows of one kind of objects, each found by namespace and name.

    `of` gives None of what is not kept, and may raise WireError for a name that cannot be one, as `put` may. `put`
    returns the keys of what may be answered differently now.
    """

    row: type[R]
    of: Callable[[str, str], R | None]
    put: Callable[[str, str, R], Changed]


class ServiceRow(NamedTuple):
    """A Service, and the ways into it where these are kept."""

    entry: ServiceEntry
    ways: tuple[Ingress, ...] = ()


def made_with(chosen: Settings, state: State) -> str:
    """What rows depend on besides the cluster, as text that is the same for the same settings."""
    telling = replace(chosen, fall=NO_FALL, startup_timeout=0.0, snapshot=None)
    return f"{telling} {state.pods.with_labels} {state.externals is not None}"


def services(state: State) -> Table[ServiceRow]:
    """The Services of a cluster."""

    def of(namespace: str, name: str) -> ServiceRow | None:
        key = service_key(namespace, name)
        entry = state.index.entry(key)
        return entry and ServiceRow(entry, state.externals.of(key) if state.externals is not None else ())

    def put(namespace: str, name: str, row: ServiceRow) -> Changed:
        key = service_key(namespace, name)
        outside = state.externals.restore(key, row.ways) if state.externals is not None else ()
        return (*state.index.restore(key, row.entry), *outside)

    return Table(ServiceRow, of, put)


def imports(index: Index) -> Table[ServiceEntry]:
    """The ServiceImports of a clusterset."""
    return Table(
        ServiceEntry,
        lambda namespace, name: index.entry(service_key(namespace, name)),
        lambda namespace, name, row: index.restore(service_key(namespace, name), row),
    )


def slices(index: Index) -> Table[SliceEntry]:
    """The EndpointSlices of a cluster or clusterset; None of one that belongs to no service."""
    return Table(SliceEntry, index.slice, index.restore_slice)


def namespaces(state: State) -> Table[bool]:
    """The Namespaces; None of one that is not exposed."""
    known = state.namespaces
    return Table(
        bool,
        lambda _, name: label(name) in known.exposed or None,
        lambda _, name, __: known.add(label(name)),
    )


def pods(state: State) -> Table[PodRow]:
    """The Pods."""
    return Table(PodRow, state.pods.row, state.pods.restore)
