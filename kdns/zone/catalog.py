"""Catalog zones: zones that list other zones (RFC 9432, version 2). Pure."""

from typing import NamedTuple

from kdns.errors import ZoneError
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.zone.zone import Zone

_VERSION, _ZONES = b"\x07version", b"\x05zones"


class Member(NamedTuple):
    """A zone that a catalog lists. With another `id` it is another zone, though its name is the same."""

    id: bytes
    zone: Name


def members(zone: Zone) -> list[Member]:
    """The zones that a catalog lists, by their IDs. ZoneError for a zone that is no catalog, or has a member twice."""
    origin = names.show(zone.origin)
    if not zone.ns:
        raise ZoneError(f"catalog zone {origin} has no NS record")
    versions = zone.rrset(_VERSION + zone.origin, codes.TXT)
    if len(versions) != 1:
        raise ZoneError(f"catalog zone {origin} must have exactly one version TXT record")
    if records.rdata(versions[0]) != b"\x012":
        raise ZoneError(f"catalog zone {origin} has unsupported version")
    found: dict[Name, Member] = {}
    above = _ZONES + zone.origin
    for key in sorted(key for key in zone.nodes if key[1 + key[0] :] == above):
        member = _member(zone, key)
        if member is None:
            continue
        if member.zone in found:
            raise ZoneError(f"catalog member zone {names.show(member.zone)} is listed twice")
        found[member.zone] = member
    return list(found.values())


def _member(zone: Zone, key: Name) -> Member | None:
    pointers = zone.rrset(key, codes.PTR)
    if len(pointers) > 1:
        raise ZoneError(f"catalog member {names.show(key)} must have exactly one PTR record")
    return Member(names.labels(key)[0], records.rdata(pointers[0]).lower()) if pointers else None
