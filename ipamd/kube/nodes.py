"""Nodes in a transaction: each gets its podCIDRs as blocks of the pools for nodes.

They are given as Kubernetes' range allocator gives them: the next free one behind the last that was given, of every
family. Blocks that a Node is made with are leased to it as well, so that no two Nodes share an address. There is no
kubelet here: a Node is taken as ready unless its status says otherwise.
"""

from collections.abc import Iterator
from ipaddress import ip_network

from ipamd import gone_nodes
from ipamd.errors import Exhausted
from ipamd.json import Object
from ipamd.kube.document import child
from ipamd.kube.kinds import NODE
from ipamd.kube.metadata import metadata_causes
from ipamd.kube.node_cidrs import blocks
from ipamd.kube.shapes import Node, view
from ipamd.kube.status import Cause, forbidden_field, invalid, wrong_value
from ipamd.kube.work import UNWILLING, Work, lease_for, owner_of, refuse, release_all
from ipamd.model import Family, Wish
from ipamd.ranges import read_cidr


def admit_new(work: Work, document: Object) -> None:
    """Complete a new Node, in place: podCIDRs and the condition Ready. Raises StatusError 422."""
    node = view(document, Node)
    refuse(NODE, node.metadata, [*node_causes(node)])
    gone_nodes.clear(work.tx, node.metadata.name)
    give_blocks(work, document, node)
    status = child(document, "status")
    if not any(condition.type == "Ready" for condition in node.status.conditions):
        given = status.get("conditions")
        ready: Object = {"type": "Ready", "status": "True", "lastTransitionTime": work.moment.time}
        status["conditions"] = [*(given if isinstance(given, list) else []), ready]


def admit_change(work: Work, old: Object, document: Object) -> None:
    """Keep a Node's podCIDRs: they may be left out, or be as they were. Raises StatusError 422."""
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
    """Give back what a deleted Node had, and have it known as gone."""
    node = view(document, Node)
    gone_nodes.note(work.tx, node.metadata.name)
    release_all(work, NODE, node.metadata)
    for block in blocks(node):
        work.node_cidrs.release(work.tx, read_cidr(block))


def node_causes(node: Node) -> Iterator[Cause]:
    """What is wrong with a Node, apart from what depends on the pools."""
    yield from metadata_causes(NODE, node.metadata)
    for place, block in enumerate(blocks(node)):
        if not is_network(block):
            yield wrong_value(f"spec.podCIDRs[{place}]", block, "must be a valid CIDR value, (e.g. 10.9.8.0/24)")
    if node.spec.pod_cidr and node.spec.pod_cidrs and node.spec.pod_cidr != node.spec.pod_cidrs[0]:
        yield wrong_value("spec.podCIDRs[0]", node.spec.pod_cidrs[0], "must be equal to `podCIDR`")


def give_blocks(work: Work, document: Object, node: Node) -> None:
    """Lease the blocks asked for, or else one of every family that has a pool for nodes."""
    if asked := blocks(node):
        found = [asked_block(work, node, block) for block in asked]
    else:
        found = [next_block(work, node, family) for family in work.families("nodes")]
    write_blocks(document, tuple(found))


def asked_block(work: Work, node: Node, text: str) -> str:
    """Leases a block that a Node is made with. Raises StatusError 422."""
    network = read_cidr(text)
    family: Family = 6 if network.family == 6 else 4
    address, _, _ = text.partition("/")
    wish = Wish(purpose="nodes", family=family, address=address, prefix_length=network.length)
    lease_for(work, NODE, node.metadata, wish, "spec.podCIDRs")
    for space in work.pools.matching(wish):
        for cidrs in work.node_cidrs.sets_of(work.tx, space):
            if cidrs.grid.cluster.overlaps(network):
                work.node_cidrs.occupy(work.tx, cidrs, network, is_next=False)
    return str(network)


def next_block(work: Work, node: Node, family: Family) -> str:
    """Lease the next free block of a family. Raises StatusError 422 if there is none."""
    why = "CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range"
    for space in work.pools.matching(Wish(purpose="nodes", family=family)):
        for cidrs in work.node_cidrs.sets_of(work.tx, space):
            wish = Wish(pool=space.pool.name, family=family, block=True, within=cidrs.windows)
            try:
                lease, _ = work.leases.allocate(work.tx, owner_of(NODE, node.metadata), wish)
            except (Exhausted, *UNWILLING) as refusal:
                why = refusal.detail if isinstance(refusal, UNWILLING) else why
                continue
            block = read_cidr(f"{lease.address}/{lease.prefix_length}")
            work.node_cidrs.occupy(work.tx, cidrs, block, is_next=True)
            return str(block)
    raise invalid(NODE, node.metadata.name, [Cause("spec.podCIDRs", "FieldValueInvalid", why)])


def write_blocks(document: Object, found: tuple[str, ...]) -> None:
    """Set podCIDR and podCIDRs."""
    if found:
        child(document, "spec").update(podCIDR=found[0], podCIDRs=[*found])


def is_network(text: str) -> bool:
    """Whether `text` is a CIDR without host bits."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return "/" in text
