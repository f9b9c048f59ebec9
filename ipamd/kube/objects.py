"""What is done to objects, in a transaction: create, replace, patch, delete.

The rules of each kind are a row in RULES; what is here holds for all of them. Functions return the object as stored;
`document` is the client's and is completed in place. Raises StatusError as the API server would refuse.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import NamedTuple

from ipamd.errors import Malformed
from ipamd.json import Json, Object
from ipamd.kube import endpoint_slices, ip_addresses, namespaces, nodes, pods, service_cidrs, services
from ipamd.kube.document import DEEPEST, child, decode, peek, text, too_deep, without_nulls
from ipamd.kube.kinds import KINDS, NAMESPACE, Kind
from ipamd.kube.metadata import count_generation, stamp_changed, stamp_new
from ipamd.kube.shapes import view
from ipamd.kube.status import already_exists, bad_request, conflict, modified, not_found
from ipamd.kube.work import Work
from ipamd.stores import Stored


class Rules(NamedTuple):
    """The rules of a kind: complete a new object, complete a changed one, and give back what a deleted one held."""

    admit_new: Callable[[Work, Object], None]
    admit_change: Callable[[Work, Object, Object], None]
    forget: Callable[[Work, Object], None]


RULES: Mapping[str, Rules] = {
    "Namespace": Rules(namespaces.admit_new, namespaces.admit_change, namespaces.forget),
    "Node": Rules(nodes.admit_new, nodes.admit_change, nodes.forget),
    "Pod": Rules(pods.admit_new, pods.admit_change, pods.forget),
    "Service": Rules(services.admit_new, services.admit_change, services.forget),
    "EndpointSlice": Rules(endpoint_slices.admit_new, endpoint_slices.admit_change, endpoint_slices.forget),
    "ServiceCIDR": Rules(service_cidrs.admit_new, service_cidrs.admit_change, service_cidrs.forget),
    "IPAddress": Rules(ip_addresses.admit_new, ip_addresses.admit_change, ip_addresses.forget),
}
EMPTIED = tuple(kind for kind in KINDS if kind.namespaced)  # what goes with a Namespace


class Target(NamedTuple):
    """Which object a request is about. `subresource` is "" or "status"; a kind without namespaces has ""."""

    kind: Kind
    namespace: str
    name: str
    subresource: str = ""


class Preconditions(NamedTuple):
    """What has to be so for a deletion to be done; "" asks nothing."""

    uid: str = ""
    resource_version: str = ""


def create(work: Work, target: Target, document: Object) -> Stored:
    """Store a new object. Refused when the name is in use or the Namespace is missing or being deleted."""
    kind, namespace = target.kind, target.namespace
    document = checked(target, document)
    stamp_new(kind, document, namespace, work.moment)
    name = text(document, "metadata", "name")
    if kind.namespaced:
        stored = work.tx.get(NAMESPACE.name, "", namespace)
        namespaces.check_open(decode(stored.body) if stored else None, kind, namespace, name)
    if work.tx.get(kind.name, namespace, name) is not None:
        raise already_exists(kind, name)
    RULES[kind.name].admit_new(work, document)
    return put(work, target._replace(name=name), document)


def replace(work: Work, target: Target, document: Object) -> Stored:
    """Store an object in place of the one that is there, unless that has changed since the client read it."""
    stored = existing(work, target)
    document = checked(target, document)
    if text(document, "metadata", "name") not in ("", target.name):
        told = text(document, "metadata", "name")
        raise bad_request(f"the name of the object ({told}) does not match the name on the URL ({target.name})")
    return change(work, target, stored, document)


def patch(work: Work, target: Target, apply: Callable[[Json], Json]) -> Stored:
    """Store what `apply` makes of the object."""
    stored = existing(work, target)
    return change(work, target, stored, checked(target, patched(decode(stored.body), apply)))


def patched(document: Object, apply: Callable[[Json], Json]) -> Object:
    """What `apply` makes of a document. Raises StatusError 400 when that is no object, Malformed when it is too deep.

    Nothing that could not be read again may be stored.
    """
    try:
        made = apply(document)
    except RecursionError:
        raise Malformed(f"the patch nests deeper than {DEEPEST} levels") from None
    if not isinstance(made, dict):
        raise bad_request("the patch leaves no object")
    if too_deep(made, DEEPEST):
        raise Malformed(f"the patch nests deeper than {DEEPEST} levels")
    return made


def change(work: Work, target: Target, stored: Stored, document: Object) -> Stored:
    """Store `document` in place of `stored`; what is no change is not stored, so that nobody is told of it."""
    kind = target.kind
    old = decode(stored.body)
    version, uid = text(document, "metadata", "resourceVersion"), text(document, "metadata", "uid")
    if version not in ("", "0", str(stored.revision)):
        raise modified(kind, target.name)
    if uid not in ("", text(old, "metadata", "uid")):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {text(old, 'metadata', 'uid')}"
        raise conflict(kind, target.name, why)
    document = merged_with_the_rest(target, old, document)
    stamp_changed(kind, document, old)
    RULES[kind.name].admit_change(work, old, document)
    count_generation(document, old)
    child(document, "metadata")["resourceVersion"] = str(stored.revision)
    if document == old:
        return stored
    if peek(document, "metadata", "deletionTimestamp") and not peek(document, "metadata", "finalizers"):
        return take_away(work, target, document) if kind is not NAMESPACE else put(work, target, document)
    return put(work, target, document)


def merged_with_the_rest(target: Target, old: Object, document: Object) -> Object:
    """The object with only that part from the client which the path is about: the status, or all but the status."""
    if not target.kind.has_status:
        return document
    ours, theirs = (document, old) if target.subresource == "status" else (old, document)
    merged = {**deepcopy(theirs)}
    merged.pop("status", None)
    return {**merged, "status": deepcopy(ours["status"])} if "status" in ours else merged


def put(work: Work, target: Target, document: Object) -> Stored:
    """Store the document, with what tells its kind at its head, as people expect it."""
    told = {field: document.pop(field) for field in ("apiVersion", "kind")}
    return work.tx.put(target.kind.name, target.namespace, target.name, {**told, **document})


def delete(work: Work, target: Target, preconditions: Preconditions) -> Stored:
    """Take an object away, or mark it when finalizers, or the contents of a Namespace, have to go first."""
    kind = target.kind
    stored = existing(work, target)
    document = decode(stored.body)
    for what, wanted, present in (
        ("UID", preconditions.uid, text(document, "metadata", "uid")),
        ("ResourceVersion", preconditions.resource_version, str(stored.revision)),
    ):
        if wanted not in ("", present):
            why = f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {present}"
            raise conflict(kind, target.name, why)
    if kind is NAMESPACE:
        refusal = namespaces.check_mortal(target.name)
        if refusal is not None:
            raise refusal
        namespaces.mark_terminating(work, document)
        return put(work, target, document) if document != decode(stored.body) else stored
    if peek(document, "metadata", "finalizers"):
        child(document, "metadata").setdefault("deletionTimestamp", work.moment.time)
        return put(work, target, document) if document != decode(stored.body) else stored
    return take_away(work, target, document)


def take_away(work: Work, target: Target, document: Object) -> Stored:
    """Remove an object and give back what it held."""
    RULES[target.kind.name].forget(work, document)
    gone = work.tx.delete(target.kind.name, target.namespace, target.name)
    if gone is None:
        raise not_found(target.kind, target.name)
    return gone


def empty_some(work: Work, namespace: str, limit: int) -> bool:
    """Delete up to `limit` objects of a Namespace that is being deleted; True once the Namespace itself is gone."""
    for kind in EMPTIED:
        found = work.tx.list(kind.name, namespace, limit=limit)
        for stored in found:
            target = Target(kind, namespace, stored.name)
            if work.tx.get(kind.name, namespace, stored.name) is not None:  # a slice may have gone with its Service
                take_away(work, target, decode(stored.body))
        if found:
            return False
    work.tx.delete(NAMESPACE.name, "", namespace)
    return True


def existing(work: Work, target: Target) -> Stored:
    """The object that the request is about. Raises StatusError 404."""
    stored = work.tx.get(target.kind.name, target.namespace, target.name)
    if stored is None:
        raise not_found(target.kind, target.name)
    return stored


def checked(target: Target, document: Object) -> Object:
    """The client's document without nulls, if it is an object of the kind and the namespace that the path says."""
    clean = without_nulls(document)
    assert isinstance(clean, dict)
    kind = target.kind
    for field, told, wanted in (
        ("kind", text(clean, "kind"), kind.name),
        ("apiVersion", text(clean, "apiVersion"), kind.api_version),
    ):
        if told not in ("", wanted):
            raise bad_request(f"the {field} in the data ({told}) does not match the expected {field} ({wanted})")
    namespace = text(clean, "metadata", "namespace")
    if kind.namespaced and namespace not in ("", target.namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    check_shape(kind, clean)
    return clean


def check_shape(kind: Kind, document: Object) -> None:
    """Raise StatusError 400 when a field that we read has another type than the API gives it."""
    try:
        view(document, kind.shape)
    except Malformed as error:
        raise bad_request(error.detail) from error
