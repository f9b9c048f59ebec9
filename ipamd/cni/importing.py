"""Attachments that another IPAM plugin has made, taken over with the addresses that they have.

Strategy: a network comes with its configuration, as a runtime hands it to the plugin, so that its pools are made as an
ADD would make them; then every attachment is added with exactly its addresses. All of it is one transaction: whatever
cannot be taken over is named, and then nothing is.
"""

from typing import NamedTuple

from msgspec import Raw, Struct

from ipamd.cni.adding import Asker, Sources, add
from ipamd.cni.attachments import Key
from ipamd.cni.document import read_network
from ipamd.cni.host_local import read_ip
from ipamd.cni.planning import plan_of
from ipamd.cni.refusals import refusal
from ipamd.cni.skeleton import check_container, check_interface
from ipamd.errors import CniError, Conflict, IpamError
from ipamd.model import Owner
from ipamd.stores import Tx

TOLD = 5  # problems in the text of a refusal; its member has them all


class Allocation(Struct, frozen=True, forbid_unknown_fields=True):
    """An attachment and its addresses. `namespace` and `pod` name the Pod that it belongs to, if there is one."""

    container: str
    ifname: str
    addresses: tuple[str, ...]
    namespace: str = ""
    pod: str = ""


class NetworkImport(Struct, frozen=True, forbid_unknown_fields=True):
    """The attachments of a network. `config` is the network configuration, with its `ipam` object."""

    config: Raw
    attachments: tuple[Allocation, ...]


class ImportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be taken over, as attachments of a node."""

    node: str
    networks: tuple[NetworkImport, ...]


class Imported(NamedTuple):
    """How many attachments and addresses were taken over."""

    attachments: int
    addresses: int


def import_in(tx: Tx, sources: Sources, request: ImportRequest) -> Imported:
    """Take everything over. Raises Conflict, with the `problems`, if anything cannot be."""
    problems: list[str] = []
    taken = Imported(0, 0)
    for network in request.networks:
        for each in network.attachments:
            try:
                adopt(tx, sources, request.node, bytes(network.config), each)
            except (CniError, IpamError) as error:
                told = error if isinstance(error, CniError) else refusal(error)
                problems.append(f"{each.container}/{each.ifname}: {told.message}")
            else:
                taken = Imported(taken.attachments + 1, taken.addresses + len(each.addresses))
    if problems:
        first = "; ".join(problems[:TOLD])
        raise Conflict(f"none was taken over, for {len(problems)} cannot be: {first}", problems=[*problems])
    return taken


def adopt(tx: Tx, sources: Sources, node: str, config: bytes, each: Allocation) -> None:
    """Add one attachment with its addresses, and no others. Raises CniError or IpamError."""
    check_container(each.container)
    check_interface(each.ifname)
    network = read_network(config)
    plan = plan_of(network, {})._replace(asked=tuple(map(read_ip, each.addresses)), is_partial=True)
    pod = Owner("Pod", each.pod, each.namespace) if each.pod else None
    add(tx, sources, Asker(Key(network.name, each.container, each.ifname), pod, node), plan, network.version)
