"""What a service has: the records of Kubernetes' DNS specification 1.1.0, with CoreDNS's behaviour to the record.

Strategy: `publish` makes everything that a question for addresses may need, once after each change: the tails of the
service's own name, and those of each endpoint's. A question is then one or two lookups, whatever the service's size.
Ports, topology zones and SRV are rarer; they are read off the slices when they are asked for, as `hosts`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kdns.cluster.entries import NO_NAME, NO_PORT, Labels, Port, ServiceEntry, SliceEntry, Tail
from kdns.cluster.names import SVC, Asked
from kdns.wire import build
from kdns.wire.names import Name
from kdns.wire.records import RR

Key = bytes

_A = b"\0\x01"  # how the tail of an A record begins; any other is of AAAA


class Found(NamedTuple):
    """What a name has: addresses or an alias, or nothing (NODATA), or that it is missing (NXDOMAIN).

    `keys` are the index keys that this depends on; None if it depends on something else as well.
    """

    keys: tuple[Key, ...] | None = ()
    a: tuple[Tail, ...] = ()
    aaaa: tuple[Tail, ...] = ()
    alias: Name | None = None
    missing: bool = False

    @property
    def owns(self) -> bool:
        """Whether there are records at the name at all."""
        return bool(self.a or self.aaaa or self.alias)


class Host(NamedTuple):
    """One address at one port: `target` is the name that SRV points at, without the zone; `port` may be NO_PORT."""

    target: Labels
    tail: Tail
    port: int = 0


class Published(NamedTuple):
    """A service ready to be asked for: what its own name has, and the tails of each endpoint's name."""

    entry: ServiceEntry
    slices: tuple[SliceEntry, ...]
    whole: Found
    endpoints: dict[Labels, tuple[Tail, ...]]


def publish(
    entry: ServiceEntry, slices: Sequence[SliceEntry], keys: tuple[Key, ...], *, ignore_empty: bool
) -> Published:
    """A service and its slices (in the order in which they are to be answered) made ready.

    With `ignore_empty` a service with cluster IPs is missing as long as none of its endpoints is ready.
    """
    if entry.external:
        return Published(entry, (), Found(keys, alias=entry.alias, missing=entry.alias is None), {})
    endpoints: dict[Labels, tuple[Tail, ...]] = {}
    for each in slices:
        for name, tail in zip(each.names, each.tails, strict=True):
            held = endpoints.get(name, ())
            if tail not in held:
                endpoints[name] = (*held, tail)
    if entry.headless:
        whole = found(keys, (tail for each in slices for tail in each.tails), missing=not endpoints)
    else:
        missing = not entry.ports or (ignore_empty and not endpoints)
        whole = found(keys, () if missing else entry.tails, missing=missing)
    return Published(entry, tuple(slices), whole, endpoints)


def found(keys: tuple[Key, ...] | None, tails: Iterable[Tail], *, missing: bool = False) -> Found:
    """What a name with these addresses has, each once and in this order."""
    unique = dict.fromkeys(tails)
    if len(unique) == 1:  # so most have it
        (tail,) = unique
        return (
            Found(keys, (tail,), (), None, missing) if tail.startswith(_A) else Found(keys, (), (tail,), None, missing)
        )
    a = tuple([tail for tail in unique if tail.startswith(_A)])
    aaaa = tuple([tail for tail in unique if not tail.startswith(_A)]) if len(a) < len(unique) else ()
    return Found(keys, a, aaaa, None, missing)


def select(service: Published, asked: Asked) -> Found:
    """What a service's own name has, or one below it."""
    keys = service.whole.keys
    if asked.endpoint:
        tails = service.endpoints.get(asked.endpoint)
        return Found(keys, missing=True) if tails is None else found(keys, tails)
    if asked.topology:
        # An empty topology zone is NODATA, drained or mistyped: zones are known of headless services only.
        return found(keys, _tails(service, asked), missing=not service.entry.headless)
    if not asked.has_port or service.whole.missing:
        return service.whole
    if service.entry.headless:
        tails = _tails(service, asked)
        return found(keys, tails, missing=not tails)
    serves = not service.entry.external and any(fits(asked, port) for port in service.entry.ports)
    return service.whole if serves else Found(keys, missing=True)


def hosts(service: Published, asked: Asked) -> tuple[Host, ...]:
    """Every address of what was asked for, at every port that fits."""
    if service.entry.external:
        return ()
    if not service.entry.headless and not asked.endpoint:
        target = asked.name + asked.namespace + SVC
        ports = [port.number for port in service.entry.ports if fits(asked, port)]
        return tuple(Host(target, tail, number) for number in ports for tail in service.entry.tails)
    chosen = _members(service.slices, asked, asked.topology)
    if not chosen and asked.topology and not asked.pin:
        return _members(service.slices, asked, b"")
    return chosen


def srv_records(
    qname: Name, zone: Name, ttl: int, found_hosts: Sequence[Host]
) -> tuple[tuple[RR, ...], tuple[RR, ...]]:
    """SRV records and, for the additional section, the addresses of their targets; both without repetitions.

    Every host counts for the weight, CoreDNS's floor(100/n), also those without a port, which give no record.
    """
    weight = max(1, 100 // len(found_hosts)) if found_hosts else 0
    with_port = [host for host in found_hosts if host.port != NO_PORT]
    services = dict.fromkeys((host.target, host.port) for host in with_port)
    addresses = dict.fromkeys((host.target, host.tail) for host in with_port)
    records = tuple(build.srv(qname, ttl, weight, port, target + zone) for target, port in services)
    return records, tuple(target + zone + tail for target, tail in addresses)


def _members(slices: Iterable[SliceEntry], asked: Asked, topology: bytes) -> tuple[Host, ...]:
    service = asked.name + asked.namespace + SVC
    return tuple(
        Host(name + service, tail, number)
        for each in slices
        for ports in ([port.number for port in each.ports if fits(asked, port)],)
        for at, (name, tail) in enumerate(zip(each.names, each.tails, strict=True))
        if asked.endpoint in (b"", name) and (not topology or each.zones[at] == topology)
        for number in ports
    )


def _tails(service: Published, asked: Asked) -> tuple[Tail, ...]:
    return tuple(host.tail for host in hosts(service, asked)) if service.entry.headless else ()


def fits(asked: Asked, port: Port) -> bool:
    """Whether a port is one of those that were asked for."""
    return asked.port in (NO_NAME, port.name) and asked.protocol in (NO_NAME, port.protocol)
