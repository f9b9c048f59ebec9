"""From a configuration to a plan.

Strategy: the keys of the `ipam` object tell for whom it was written; each kind has a module that reads its ranges. What
they have in common is read here: the addresses that are asked for, routes, DNS.
"""

from collections.abc import Iterator, Mapping, Sequence

from ipamd.cni import host_local, whereabouts
from ipamd.cni.codes import number_of
from ipamd.cni.document import Dns, Ipam, Network, Route
from ipamd.cni.host_local import invalid, read_ip
from ipamd.cni.plan import Given, Plan, RangeSet
from ipamd.errors import Invalid
from ipamd.ranges import Address

FIRST_WITH_MANY = (0, 3, 0)  # the first version whose results may have several addresses of a family


def plan_of(network: Network, arguments: Mapping[str, str]) -> Plan:
    """The plan. Raises CniError for a configuration that cannot be used."""
    ipam = network.ipam
    if ipam is None:
        raise invalid("IPAM config missing 'ipam' key")
    try:
        plan = made_for(ipam, network, arguments)
    except Invalid as error:
        raise invalid(error.detail) from None
    families = [each.family for each in plan.sets] + [each.address.family for each in plan.static]
    check_families(families, network.version)
    return plan._replace(routes=tuple(map(canonical, ipam.routes)), resolv_conf=ipam.resolv_conf)


def made_for(ipam: Ipam, network: Network, arguments: Mapping[str, str]) -> Plan:
    """The plan as the one for whom the configuration was written would make it. Raises CniError or Invalid."""
    pools = tuple(filter(None, (ipam.pool, *ipam.pools)))
    if pools:
        check_nothing_else(ipam, network)
    elif whereabouts.is_meant(ipam):
        static = (*whereabouts.static_addresses(ipam), *static_arguments(arguments))
        return Plan(whereabouts.range_sets(ipam), static=static, dns=ipam.dns)
    elif host_local.is_meant(ipam, network):
        return Plan(host_local.range_sets(ipam, network), asked=asked(network, arguments))
    return Plan(pools=pools, asked=asked(network, arguments), dns=ipam.dns)


def check_nothing_else(ipam: Ipam, network: Network) -> None:
    """Raise CniError if a configuration that names pools has ranges too."""
    if whereabouts.is_meant(ipam) or host_local.is_meant(ipam, network):
        raise invalid("an ipam object names pools or has ranges, not both")


def asked(network: Network, arguments: Mapping[str, str]) -> tuple[Address, ...]:
    """The addresses that the runtime asks for, in host-local's order and each once. Raises Invalid."""
    argument = arguments.get("IP", "")
    texts = (*([argument] if argument else []), *network.args.cni.ips, *network.runtime.ips)
    return tuple(dict.fromkeys(map(read_ip, texts)))


def static_arguments(arguments: Mapping[str, str]) -> Iterator[Given]:
    """The addresses that CNI_ARGS adds to a result of whereabouts, with those gateways that are in their subnets."""
    gateways = [read_ip(text.strip()) for text in arguments.get("GATEWAY", "").split(",") if text.strip()]
    for text in filter(None, arguments.get("IP", "").split(",")):
        subnet, address = whereabouts.read_sloppy_cidr(text.strip())
        inside = (
            each for each in gateways if each.family == subnet.family and subnet.base <= each.value <= subnet.last
        )
        yield Given(address, subnet.length, next(inside, None))


def check_families(families: Sequence[int], version: str) -> None:
    """Raise CniError if a result of the version cannot have an address of each of these families."""
    if number_of(version) < FIRST_WITH_MANY and len(families) > len(set(families)):
        raise invalid(f"CNI version {version} does not support more than 1 address per family")


def canonical(route: Route) -> Route:
    """The route with its destination as a network, as Go shows it. Raises CniError."""
    subnet, _ = whereabouts.read_sloppy_cidr(route.dst)
    gateway = read_ip(route.gw) if route.gw else None
    shown = None if gateway is None else str(gateway)
    return Route(str(subnet), shown, route.mtu, route.advmss, route.priority, route.table, route.scope)


def distribute(plan: Plan) -> list[tuple[RangeSet, Address | None]]:
    """Every set with the address that is asked for from it, if any. Raises CniError if one of these is in no set."""
    left = list(plan.asked)
    parts: list[tuple[RangeSet, Address | None]] = []
    for number, each in enumerate(plan.sets):
        address = next((address for address in left if each.range_of(address)), None)
        if address is not None:
            left.remove(address)
            check_no_gateway(number, each, address)
        parts.append((each, address))
    if left:
        raise invalid(f"failed to allocate all requested IPs: {' '.join(map(str, left))}")
    return parts


def check_no_gateway(number: int, ranges: RangeSet, address: Address) -> None:
    """Raise CniError if the address is the gateway of the range that it is in."""
    found = ranges.range_of(address)
    if found is not None and found.gateway == address:
        raise invalid(f"failed to allocate for range {number}: requested ip {address} is subnet's gateway")


def read_resolv_conf(text: str) -> Dns:
    """What a resolv.conf(5) says. Lines that repeat `search` or `options` add to them; `;` and `#` begin a comment."""
    nameservers: list[str] = []
    domain = ""
    lists: dict[str, list[str]] = {"search": [], "options": []}
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word == "nameserver" and rest:
            nameservers.append(rest[0])
        elif word == "domain" and rest:
            domain = rest[0]
        elif word in lists:
            lists[word] += rest
    return Dns(tuple(nameservers), domain, tuple(lists["search"]), tuple(lists["options"]))
