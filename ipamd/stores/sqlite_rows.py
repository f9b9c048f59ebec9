"""Rows of the SQLite store as values.

Strategy: the columns of a table are named in one place, in the order in which their row is taken apart. An address is
stored as its octets, so that the order of the index is the order of addresses.
"""

from socket import AF_INET, AF_INET6, inet_pton

import msgspec

from ipamd.model import WIDTH, Cooling, Lease
from ipamd.ranges import Address, show_address

Row = tuple[object, ...]
Value = str | int | float | bytes | None

LEASE_COLUMNS = (
    "id, revision, pool, address, prefix_length, owner_kind, owner_name, owner_namespace, owner_uid, "
    "created, labels, ttl, expires, made_pod, generation, node, description, tags"
)
COOLING_COLUMNS = "pool, address, prefix_length, owner_kind, owner_name, owner_namespace, until"


def packed(address: Address) -> bytes:
    """The octets of an address, most significant first."""
    return address.value.to_bytes(WIDTH[address.family] // 8, "big")


def octets_of(text: str) -> bytes:
    """The same of an address in canonical text, which was checked before."""
    return inet_pton(AF_INET6 if ":" in text else AF_INET, text)


def lease_of(row: Row) -> Lease:
    """The lease of a row of LEASE_COLUMNS."""
    return msgspec.convert(
        {
            "id": row[0],
            "revision": row[1],
            "pool": row[2],
            "address": text_of(row[3]),
            "prefix_length": row[4],
            "owner": {"kind": row[5], "name": row[6], "namespace": row[7], "uid": row[8]},
            "created": row[9],
            "labels": msgspec.json.decode(str(row[10])),
            "ttl": row[11],
            "expires": row[12],
            "made_pod": bool(row[13]),
            "generation": row[14],
            "node": row[15],
            "description": row[16],
            "tags": msgspec.json.decode(str(row[17])),
        },
        Lease,
    )


def row_of(lease: Lease) -> tuple[Value, ...]:
    """The row of LEASE_COLUMNS of a lease."""
    owner, labels = lease.owner, lease.labels
    return (
        lease.id,
        lease.revision,
        lease.pool,
        octets_of(lease.address),
        lease.prefix_length,
        owner.kind,
        owner.name,
        owner.namespace,
        owner.uid,
        lease.created,
        msgspec.json.encode(labels).decode() if labels else "{}",
        lease.ttl,
        lease.expires,
        lease.made_pod,
        lease.generation,
        lease.node,
        lease.description,
        msgspec.json.encode(lease.tags).decode() if lease.tags else "[]",
    )


def text_of(octets: object) -> str:
    """The text of an address that is stored as its octets."""
    assert isinstance(octets, bytes)
    return show_address(4 if len(octets) == 4 else 6, int.from_bytes(octets, "big"))


def cooling_of(row: Row) -> Cooling:
    """What a row of COOLING_COLUMNS says."""
    pool, octets, length, kind, name, namespace, until = row
    owner = {"kind": kind, "name": name, "namespace": namespace}
    found = {"pool": pool, "address": text_of(octets), "prefix_length": length, "owner": owner, "until": until}
    return msgspec.convert(found, Cooling)
