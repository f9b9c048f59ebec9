"""Which objects of a kind a list or watch is about, and how a change looks from there.

To a watch with a selector an object is ADDED when it starts to match and DELETED when it ceases to, whatever happened
to it; so both states of a change are looked at. Objects are decoded only when a selector asks for more than keys.
"""

from typing import NamedTuple

import msgspec

from ipamd.kube.document import child, decode, strings
from ipamd.kube.kinds import Kind, field_values
from ipamd.selectors import FieldSelector, LabelSelector, matches_fields, matches_labels
from ipamd.stores import Change, Stored, View

SCAN = 500  # objects looked at in one step


class Event(NamedTuple):
    """An event of a watch: ADDED, MODIFIED or DELETED, and the object's JSON."""

    type: str
    body: bytes


class Scan(NamedTuple):
    """Some objects, and the key behind which to go on; None at the end."""

    found: list[bytes]
    after: tuple[str, str] | None


class Selection(NamedTuple):
    """The objects of a kind: in one namespace or in all (None), narrowed by selectors."""

    kind: Kind
    namespace: str | None
    labels: LabelSelector = ()
    fields: FieldSelector = ()

    def matches(self, namespace: str, name: str, body: bytes) -> bool:
        """Whether the object is among them."""
        if self.namespace is not None and namespace != self.namespace:
            return False
        keys = {"metadata.name": name, "metadata.namespace": namespace}
        by_key = tuple(r for r in self.fields if r.path in keys)
        if not matches_fields(by_key, keys):
            return False
        if not self.labels and len(by_key) == len(self.fields):
            return True
        document = decode(body)
        fields_match = matches_fields(self.fields, field_values(self.kind, document))
        return fields_match and matches_labels(self.labels, strings(document, "metadata", "labels"))

    def event(self, change: Change) -> Event | None:
        """What a watch is told of a change; None when it is not concerned."""
        namespace, name = change.namespace, change.name
        before = change.previous is not None and self.matches(namespace, name, change.previous)
        after = change.op != "DELETED" and self.matches(namespace, name, change.body)
        if after:
            return Event("MODIFIED" if before else "ADDED", change.body)
        if not before:
            return None
        return Event("DELETED", change.body if change.op == "DELETED" else last_match(change))

    def scan(self, view: View, after: tuple[str, str] | None, at: int | None, limit: int) -> Scan:
        """The next objects behind a key, at most `limit` (0: all of this step), as they are or were at a revision."""
        rows = view.list(self.kind.name, self.namespace, after, SCAN, at)
        found: list[bytes] = []
        for place, row in enumerate(rows, 1):
            if self.matches(row.namespace, row.name, row.body):
                found.append(row.body)
            if limit and len(found) == limit:
                return Scan(found, key_of(row) if place < len(rows) or len(rows) == SCAN else None)
        return Scan(found, key_of(rows[-1]) if len(rows) == SCAN else None)


def key_of(row: Stored) -> tuple[str, str]:
    """The key of an object, by which lists are ordered."""
    return row.namespace, row.name


def last_match(change: Change) -> bytes:
    """The state in which an object last matched, under the revision at which it ceased to."""
    document = decode(change.previous or change.body)
    child(document, "metadata")["resourceVersion"] = str(change.revision)
    return msgspec.json.encode(document)
