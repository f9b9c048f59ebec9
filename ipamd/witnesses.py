"""Who says that the owner of a lease is gone: the Pods and Nodes that are stored, and lists that clients report.

Strategy: a report lists every owner of one kind that there is, in one namespace (or network) and on one node if it
names one. Whoever is not in the last report that would have to list him is gone by its word. It says nothing of those
who came after it, nor of those whom it is not about; where there is no report nobody is gone by one. Who was on a node
is gone as well if its Node was deleted and the node is silent since, unless his Pod is there. One word is not enough to
free anything: see `reconciling`.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ipamd import gone_nodes, pod_of_lease
from ipamd.cni.attachments import ATTACHMENT, Key, find, holder_of, key_of, read_record
from ipamd.kube.document import text
from ipamd.model import POOL, Lease, Owner
from ipamd.stores import View, each_lease

KEPT = 10_000  # reports at most; those that were renewed longest ago go first

# Objects here whose leases go with them, and no report has a say in that.
OWN = frozenset({"IPAddress", "Node", POOL, "Service"})


class Subject(NamedTuple):
    """What a report is about: owners of a kind, in a namespace, on a node; an empty one means those without."""

    kind: str
    namespace: str
    node: str


class Report(NamedTuple):
    """The names of all that there was at a time (seconds since the epoch)."""

    names: frozenset[str]
    time: float


class Word(NamedTuple):
    """Why an owner is said to be gone, when that was seen, and after when it may be so; in seconds since the epoch."""

    why: str
    seen: float
    after: float = 0.0


class Suspect(NamedTuple):
    """A lease whose owner is said to be gone."""

    lease: Lease
    word: Word


class Reports:
    """The last report about every subject."""

    def __init__(self) -> None:
        self._reports: OrderedDict[Subject, Report] = OrderedDict()

    def take(self, subject: Subject, report: Report) -> None:
        """Have a report in the place of the one before."""
        self._reports[subject] = report
        self._reports.move_to_end(subject)
        if len(self._reports) > KEPT:
            self._reports.popitem(last=False)

    def word(self, subject: Subject, name: str, since: float) -> Word | None:
        """Whether somebody who has been there `since` is gone, as far as is known."""
        report = self._reports.get(subject)
        if report is None or report.time <= since or name in report.names:
            return None
        where = f" on node {subject.node}" if subject.node else ""
        within = f" of {subject.namespace}" if subject.namespace else ""
        return Word(f"the last list of every {subject.kind}{within}{where} is without {name}", report.time)


class Known(NamedTuple):
    """What is known of owners at a time: the reports, and since when each gone node is silent."""

    reports: Reports
    silent: Mapping[str, float]
    now: float


class Look(NamedTuple):
    """What a look through all leases has found; `silent` are the gone nodes, as in Known.

    `empty` are those of them that have no lease, `idle` are attachments without leases on those, each with its node.
    """

    suspects: list[Suspect]
    silent: Mapping[str, float]
    empty: set[str]
    idle: list[tuple[Key, str]]


def look_through(view: View, reports: Reports, calls: Mapping[str, float], now: float) -> Look:
    """Find all leases whose owners are said to be gone. Reads all leases. `calls`: when each node called last."""
    known = Known(reports, gone_nodes.silent(view, calls), now)
    found: list[Suspect] = []
    nodes: set[str] = set()
    for lease in each_lease(view):
        nodes.add(lease.node)
        if (word := why_gone(view, lease, known)) is not None:
            found.append(Suspect(lease, word))
    attached = [*attachments(view, known.silent)]
    nodes.update(node for _, node, has_leases in attached if has_leases)
    empty = {*known.silent} - nodes
    return Look(found, known.silent, empty, [(key, node) for key, node, _ in attached if node in empty])


def attachments(view: View, nodes: Mapping[str, float]) -> Iterator[tuple[Key, str, bool]]:
    """The attachments on these nodes: each with its node, and whether it has leases."""
    for stored in view.list(ATTACHMENT) if nodes else ():
        record = read_record(stored)
        if record.node in nodes:
            yield key_of(stored), record.node, bool(record.leases)


def why_gone(view: View, lease: Lease, known: Known) -> Word | None:
    """Why the owner of a lease is said to be gone, or None."""
    owner, key = lease.owner, holder(view, lease.owner)
    if key is not None:  # a container may outlive its Pod
        return attachment_gone(view, lease, key, known)
    word = pod_gone(view, owner, known.now) if owner.kind == pod_of_lease.POD else None
    if word is not None or owner.kind in OWN:
        return word
    subject = Subject(owner.kind, owner.namespace, lease.node)
    return known.reports.word(subject, owner.name, lease.created) or node_gone(view, lease, lease.node, known)


def holder(view: View, owner: Owner) -> Key | None:
    """The attachment that has the leases of an owner: itself, or that of a Pod; None if there is none."""
    if owner.kind == ATTACHMENT:
        return Key.named(owner.namespace, owner.name)
    return holder_of(view, owner) if owner.kind == pod_of_lease.POD else None


def pod_gone(view: View, owner: Owner, now: float) -> Word | None:
    """Why a Pod is said to be gone: there is none of the name and uid."""
    pod = pod_of_lease.found(view, owner)
    if pod is None:
        return Word(f"there is no Pod {owner.namespace}/{owner.name}", now)
    if (uid := text(pod, "metadata", "uid")) != owner.uid:
        return Word(f"the Pod {owner.namespace}/{owner.name} has the uid {uid}, not {owner.uid}", now)
    return None


def attachment_gone(view: View, lease: Lease, key: Key, known: Known) -> Word | None:
    """Why the attachment that has a lease is said to be gone."""
    record = find(view, key)
    if record is None:
        return Word(f"there is no attachment {key.network}/{key.name}", known.now)
    subject = Subject(ATTACHMENT, key.network, record.node)
    return known.reports.word(subject, key.name, record.added) or node_gone(view, lease, record.node, known)


def node_gone(view: View, lease: Lease, node: str, known: Known) -> Word | None:
    """Why whoever has a lease on a node is said to be gone with it: not if he is a Pod that somebody made."""
    since = known.silent.get(node)
    if since is None:
        return None
    if lease.owner.kind == pod_of_lease.POD and not lease.made_pod and pod_gone(view, lease.owner, known.now) is None:
        return None
    word = f"the Node {node} was deleted, and nothing was heard of the node since"
    return Word(word, known.now, max(since, lease.created))
