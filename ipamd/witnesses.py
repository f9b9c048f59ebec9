"""Who says that the owner of a lease is gone: the Pods that are stored, and lists of owners that clients report.

Strategy: a report lists every owner of one kind that there is, in one namespace (or network) and on one node if it
names one. Whoever is not in the last report that would have to list him is gone by its word. It says nothing of those
who came after it, nor of those whom it is not about; where there is no report nobody is gone. One word is not enough
to free anything: see `reconciling`.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from ipamd import pod_of_lease
from ipamd.cni.attachments import ATTACHMENT, Key, find, holder_of
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
    """Why an owner is said to be gone, and when that was seen, in seconds since the epoch."""

    why: str
    seen: float


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


def suspects(view: View, reports: Reports, now: float) -> Iterator[Suspect]:
    """All leases whose owners are said to be gone. Reads all leases."""
    for lease in each_lease(view):
        if (word := why_gone(view, lease, reports, now)) is not None:
            yield Suspect(lease, word)


def why_gone(view: View, lease: Lease, reports: Reports, now: float) -> Word | None:
    """Why the owner of a lease is said to be gone, or None."""
    owner, key = lease.owner, holder(view, lease.owner)
    if key is not None:  # a container may outlive its Pod
        return attachment_gone(view, key, reports, now)
    word = pod_gone(view, owner, now) if owner.kind == pod_of_lease.POD else None
    if word is not None or owner.kind in OWN:
        return word
    return reports.word(Subject(owner.kind, owner.namespace, lease.node), owner.name, lease.created)


def holder(view: View, owner: Owner) -> Key | None:
    """The attachment that has the leases of an owner: itself, or that of a Pod; None if there is none."""
    if owner.kind == ATTACHMENT:
        container, _, ifname = owner.name.partition("/")
        return Key(owner.namespace, container, ifname)
    return holder_of(view, owner) if owner.kind == pod_of_lease.POD else None


def pod_gone(view: View, owner: Owner, now: float) -> Word | None:
    """Why a Pod is said to be gone: there is none of the name and uid."""
    pod = pod_of_lease.found(view, owner)
    if pod is None:
        return Word(f"there is no Pod {owner.namespace}/{owner.name}", now)
    if (uid := text(pod, "metadata", "uid")) != owner.uid:
        return Word(f"the Pod {owner.namespace}/{owner.name} has the uid {uid}, not {owner.uid}", now)
    return None


def attachment_gone(view: View, key: Key, reports: Reports, now: float) -> Word | None:
    """Why an attachment is said to be gone."""
    record = find(view, key)
    if record is None:
        return Word(f"there is no attachment {key.network}/{key.name}", now)
    return reports.word(Subject(ATTACHMENT, key.network, record.node), key.name, record.added)
