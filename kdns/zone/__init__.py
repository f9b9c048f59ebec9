"""Authoritative zones, and tables of records and addresses that are not a cluster's: pure.

A zone is a frozen `Zone` (zone.py), replaced whole when its data change:

    Builder(origin); add(rr) ...; build() -> Zone           ZoneError for what no zone can have
    zone.origin  zone.soa  zone.serial                      names lower-cased wire form, records ready-made octets
    zone.node(key) -> tuple[RR, ...] | None                 its records; () an empty non-terminal; None: no name
    zone.rrset(key, rtype) -> tuple[RR, ...]                apex NS and SOA included
    zone.records() -> Iterator[RR]                          all, the SOA first and last, as AXFR sends them
    change.changed(zone, deleted, added) -> Zone            with records taken out and put in (IXFR, dynamic update)
    lookup.lookup(zone, key, qtype, do) -> Found            outcome, answer, authority, additional (RFC 1034 4.3.2);
                                                            `target` is a name that the server itself must be asked for,
    lookup.joined(zone, found, rcode, answer, do) -> Found  ... and this is what that makes of it
    text.read(...) -> Iterator[RR]                          master files (RFC 1035 5); ZoneError with file and line
"""
