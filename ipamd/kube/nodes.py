"""Nodes in a transaction: each gets its podCIDRs as blocks of the pools for nodes.

There is no kubelet here: a Node is taken as ready unless its status says otherwise.
"""

from collections.abc import Iterator
from ipaddress import ip_network

from ipamd.json import Object
from ipamd.kube.document import child
from ipamd.kube.kinds import NODE
from ipamd.kube.metadata import metadata_causes
from ipamd.kube.shapes import Node, view
from ipamd.kube.status import Cause, forbidden_field, wrong_value
from ipamd.kube.work import Work, lease_for, refuse, release_all
from ipamd.model import Wish


def admit_new(work: Work, document: Object) -> None:
    """Completes a new Node, in place: podCIDRs and the condition Ready. Raises StatusError 422."""
    node = view(document, Node)
    refuse(NODE, node.metadata, [*node_causes(node)])
    give_blocks(work, document, node)
    status = child(document, "status")
    if not any(condition.type == "Ready" for condition in node.status.conditions):
        given = status.get("conditions")
        ready: Object = {"type": "Ready", "status": "True", "lastTransitionTime": work.moment.time}
        status["conditions"] = [*(given if isinstance(given, list) else []), ready]


def admit_change(work: Work, old: Object, document: Object) -> None:
    """Keeps a Node's podCIDRs: they may be left out, or be as they were. Raises StatusError 422."""
    before, node = view(old, Node), view(document, Node)
    causes = [*node_causes(node)]
    if blocks(node) and blocks(before) and blocks(node) != blocks(before):
        rule = 'node updates may not change podCIDR except from "" to valid'
        causes.append(forbidden_field("spec.podCIDRs", rule))
    refuse(NODE, node.metadata, causes)
    if blocks(before):
        write_blocks(document, blocks(before))
    else:
        give_blocks(work, document, node)


def forget(work: Work, document: Object) -> None:
    """Gives back what a deleted Node had."""
    release_all(work, NODE, view(document, Node).metadata)


def blocks(node: Node) -> tuple[str, ...]:
    """The podCIDRs of a Node, the primary one first."""
    return node.spec.pod_cidrs or tuple(filter(None, [node.spec.pod_cidr]))


def node_causes(node: Node) -> Iterator[Cause]:
    """What is wrong with a Node, apart from what depends on the pools."""
    yield from metadata_causes(NODE, node.metadata)
    for place, block in enumerate(blocks(node)):
        if not is_network(block):
            yield wrong_value(f"spec.podCIDRs[{place}]", block, "must be a valid CIDR value, (e.g. 10.9.8.0/24)")
    if node.spec.pod_cidr and node.spec.pod_cidrs and node.spec.pod_cidr != node.spec.pod_cidrs[0]:
        yield wrong_value("spec.podCIDRs[0]", node.spec.pod_cidrs[0], "must be equal to `podCIDR`")


def give_blocks(work: Work, document: Object, node: Node) -> None:
    """Leases the blocks asked for, or else one of every family that has a pool for nodes."""
    asked = [ip_network(block) for block in blocks(node)]
    wishes = [
        Wish(
            purpose="nodes",
            family=6 if n.version == 6 else 4,
            address=str(n.network_address),
            prefix_length=n.prefixlen,
        )
        for n in asked
    ] or [Wish(purpose="nodes", family=family, block=True) for family in work.families("nodes")]
    write_blocks(document, tuple(lease_for(work, NODE, node.metadata, wish, "spec.podCIDRs") for wish in wishes))


def write_blocks(document: Object, found: tuple[str, ...]) -> None:
    """Sets podCIDR and podCIDRs."""
    if found:
        child(document, "spec").update(podCIDR=found[0], podCIDRs=[*found])


def is_network(text: str) -> bool:
    """Whether `text` is a CIDR without host bits."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return "/" in text
