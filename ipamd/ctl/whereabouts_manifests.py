"""whereabouts' allocations: IPPool and OverlappingRangeIPReservation manifests, as `kubectl get -o yaml` shows them.

Strategy: a pool does not say for which network it is, only its range and, in its name, the `network_name`; so the
network is found by its configuration: a NetworkAttachmentDefinition among the manifests, or one that is given beside.
"""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network

import msgspec

from ipamd.cni.document import read_network
from ipamd.cni.whereabouts import range_sets, space_of
from ipamd.ctl.allocations import USUAL, Attachment, Found, configurations
from ipamd.errors import CniError, Misused
from ipamd.json import Object
from ipamd.kube.document import child, text

POOL = "IPPool"
RESERVATION = "OverlappingRangeIPReservation"
DEFINITION = "NetworkAttachmentDefinition"


def read_whereabouts(manifests: Iterable[Object], given: Mapping[str, Object]) -> tuple[Found, dict[str, Object]]:
    """The attachments, and the configurations of their networks: those `given`, and those among the manifests.

    Raises Misused if the network of a pool cannot be told.
    """
    kinds: dict[str, list[Object]] = {POOL: [], RESERVATION: [], DEFINITION: []}
    for manifest in manifests:
        kinds.get(text(manifest, "kind"), []).append(manifest)
    named = {**given}
    for each in kinds[DEFINITION]:
        named |= configurations(text(each, "spec", "config"), f"{DEFINITION} {text(each, 'metadata', 'name')}")
    networks: dict[str, list[Attachment]] = {}
    remarks: list[str] = []
    reserved = {text(each, "metadata", "name"): text(each, "spec", "podref") for each in kinds[RESERVATION]}
    for pool in kinds[POOL]:
        held = networks.setdefault(network_of(pool, named), [])
        for attachment in allocations(pool, remarks):
            held.append(attachment)
            check_reserved(prefix_of(pool), attachment, reserved, remarks)
    remarks += [
        f"{name}: reserved for {whose}, but allocated in no pool; passed over" for name, whose in reserved.items()
    ]
    return Found(networks, remarks), named


def allocations(pool: Object, remarks: list[str]) -> Iterator[Attachment]:
    """What a pool has allocated, by offsets from the first address of its range."""
    first = ip_network(text(pool, "spec", "range"), strict=False)[0]
    for offset, held in child(pool, "spec", "allocations").items():
        if not isinstance(held, dict) or not offset.isdigit():
            remarks.append(f"{text(pool, 'metadata', 'name')}: no allocation: {offset!r}; passed over")
            continue
        address = str(first + int(offset))
        container, ifname = text(held, "id"), text(held, "ifname")
        namespace, _, pod = text(held, "podref").partition("/")
        if not container:
            remarks.append(f"{address}: allocated to no container; passed over, so it is free in ipamd")
            continue
        if not ifname:
            remarks.append(f"{address}: names no interface, taken as {USUAL}")
        yield Attachment(container, ifname or USUAL, (address,), namespace, pod)


def check_reserved(prefix: str, each: Attachment, reserved: dict[str, str], remarks: list[str]) -> None:
    """Remark on an allocation that its reservation, which is taken out of `reserved`, does not agree with."""
    (address,) = each.addresses
    name = f"{prefix}{address.replace(':', '-')}"
    whose = reserved.pop(name, None)
    if reserved and whose is None:
        remarks.append(f"{address}: allocated to {each.namespace}/{each.pod}, but reserved for nobody")
    elif whose is not None and whose != f"{each.namespace}/{each.pod}":
        remarks.append(f"{address}: allocated to {each.namespace}/{each.pod}, but reserved for {whose}")


def prefix_of(pool: Object) -> str:
    """What stands before the range in a pool's name: nothing, or the `network_name` and a dash."""
    network = ip_network(text(pool, "spec", "range"), strict=False)
    return text(pool, "metadata", "name").removesuffix(
        f"{network.network_address}-{network.prefixlen}".replace(":", "-")
    )


def network_of(pool: Object, named: Mapping[str, Object]) -> str:
    """The network whose configuration has the range of the pool. Raises Misused unless there is just one."""
    subnet = str(ip_network(text(pool, "spec", "range"), strict=False))
    space = space_of(prefix_of(pool).removesuffix("-"), None)
    fitting = [name for name, config in named.items() if (space, subnet) in ranges_of(config)]
    if len(fitting) != 1:
        several = f"several have it ({', '.join(fitting)})" if fitting else "none has it"
        beside = f"put one {DEFINITION} with it beside the pools, or name a configuration by --config"
        raise Misused(
            f"the network of IPPool {text(pool, 'metadata', 'name')} ({subnet}) is unknown, {several}: {beside}"
        )
    return fitting[0]


def ranges_of(config: Object) -> set[tuple[str, str]]:
    """The address spaces and subnets of a configuration; none if it is not whereabouts'."""
    try:
        ipam = read_network(msgspec.json.encode(config)).ipam
        sets = range_sets(ipam) if ipam is not None else ()
    except CniError:
        return set()
    return {(each.space, str(ranges.subnet)) for each in sets for ranges in each.ranges}
