"""Nodes whose object was deleted: one of the two witnesses that what they had is gone.

Strategy: the deletion leaves a note in the store, to outlive restarts. What shows that the node is there takes
the note away: a Node of that name, a list of what it has, a lease for somebody on it. Where there never was a Node
nobody misses it.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from ipamd.stores import Tx, View

GONE_NODE = "GoneNode"


class Note(Struct, frozen=True):
    """That a Node was deleted, and when, in seconds since the epoch."""

    since: float


def note(tx: Tx, name: str) -> None:
    """Note that the Node of that name was deleted."""
    tx.put(GONE_NODE, "", name, {"since": tx.now})


def is_gone(view: View, name: str) -> bool:
    """Whether there is such a note."""
    return view.get(GONE_NODE, "", name) is not None


def clear(tx: Tx, name: str) -> None:
    """Take the note away, if there is one."""
    tx.delete(GONE_NODE, "", name)


def clear_all(tx: Tx) -> None:
    """Take all notes away."""
    for stored in tx.list(GONE_NODE):
        tx.delete(GONE_NODE, "", stored.name)


def silent(view: View, calls: Mapping[str, float]) -> dict[str, float]:
    """Since when nothing was heard of each gone node, in seconds since the epoch; `calls` are those that came later."""
    notes = {stored.name: msgspec.json.decode(stored.body, type=Note).since for stored in view.list(GONE_NODE)}
    return {name: max(since, calls.get(name, since)) for name, since in notes.items()}
