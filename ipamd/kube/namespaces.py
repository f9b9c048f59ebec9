"""Namespaces in a transaction. Deleting one marks it, empties it a slice at a time, and takes it away at last."""

from ipamd.errors import StatusError
from ipamd.json import Object
from ipamd.kube.document import child, text
from ipamd.kube.kinds import NAMESPACE, Kind
from ipamd.kube.metadata import metadata_causes
from ipamd.kube.shapes import Namespace, view
from ipamd.kube.status import forbidden, no_namespace, terminating
from ipamd.kube.work import Work, refuse
from ipamd.stores import View

NAME_LABEL = "kubernetes.io/metadata.name"
IMMORTAL = ("default", "kube-system", "kube-public")
FROM_THE_START = (*IMMORTAL, "kube-node-lease")


def admit_new(work: Work, document: Object) -> None:
    """Complete a new Namespace, in place: its phase, and the label by which selectors find it."""
    child(document, "status").setdefault("phase", "Active")
    admit_change(work, document, document)


def admit_change(_work: Work, _old: Object, document: Object) -> None:
    """Keep the label in step with the name. Raises StatusError 422."""
    meta = view(document, Namespace).metadata
    refuse(NAMESPACE, meta, [*metadata_causes(NAMESPACE, meta)])
    child(document, "metadata", "labels")[NAME_LABEL] = meta.name


def forget(_work: Work, _document: Object) -> None:
    """A Namespace holds nothing once it is empty."""


def check_open(stored: Object | None, kind: Kind, namespace: str, name: str) -> None:
    """Raise StatusError unless the Namespace, as stored, exists (404) and takes new objects (403)."""
    if stored is None:
        raise no_namespace(namespace)
    if text(stored, "metadata", "deletionTimestamp"):
        raise terminating(kind, name, namespace)


def check_mortal(name: str) -> StatusError | None:
    """The refusal to delete a Namespace that has to stay; None for the others."""
    return forbidden(NAMESPACE, name, "this namespace may not be deleted") if name in IMMORTAL else None


def mark_terminating(work: Work, document: Object) -> None:
    """Note on a Namespace, in place, that it is being deleted."""
    child(document, "status")["phase"] = "Terminating"
    child(document, "metadata").setdefault("deletionTimestamp", work.moment.time)


def terminating_namespaces(view: View) -> list[str]:
    """The Namespaces whose deletion has begun; after a crash it has to be finished."""
    stored = view.list(NAMESPACE.name)
    return [entry.name for entry in stored if b'"deletionTimestamp"' in entry.body]
