"""Who had an address when, in the rows of the SQLite store.

Strategy: a tenure is written when it ends, in the transaction that ends it; what lasts is read off the leases. So the
history does not depend on the log of changes, which is compacted much sooner. A lease has several tenures if it went
from one owner to another: each begins where the one before ended.
"""

import apsw
import msgspec

from ipamd.model import WIDTH, Lease, Tenure, TenureFilter
from ipamd.ranges import Address, read_address
from ipamd.stores.sqlite_rows import Row, Value, packed, text_of

COLUMNS = (
    "lease, pool, address, prefix_length, owner_kind, owner_name, owner_namespace, owner_uid, "
    "since, until, ended, reason"
)
PUT = f"INSERT INTO history ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
LAST_END = "SELECT max(until) FROM history WHERE lease = ?"

# What ended of a lease that stands is kept, for it says since when its owner has it.
FORGET = """
DELETE FROM history WHERE (lease, ended) IN (
    SELECT lease, ended FROM history WHERE until <= ? AND lease NOT IN (SELECT id FROM leases) ORDER BY until LIMIT ?
)
"""

# The leases are read as tenures that last. All pools are named, so that the index by pool and address serves.
LASTING = """
SELECT id AS lease, pool, address, prefix_length, owner_kind, owner_name, owner_namespace, owner_uid,
    coalesce((SELECT max(until) FROM history WHERE lease = leases.id), created) AS since,
    NULL AS until, 0 AS ended, '' AS reason
FROM leases
"""
FIND = f"""
SELECT {COLUMNS} FROM (
    {LASTING} WHERE {{lasting}}
    UNION ALL SELECT {COLUMNS} FROM history WHERE {{ended}}
)
WHERE since <= coalesce(:until, since) AND coalesce(until > :since OR :since IS NULL, 1)
ORDER BY since DESC, lease DESC, ended DESC LIMIT :limit
"""
IN_ALL_POOLS = "pool IN (SELECT name FROM objects WHERE kind = 'Pool')"
FILTERS = {
    "covering": "(address, prefix_length) IN (SELECT unhex(value ->> 0), value ->> 1 FROM json_each(:covering))",
    "name": "owner_name = :name",
    "namespace": "owner_namespace = :namespace",
    "kind": "owner_kind = :kind",
}


def find(connection: apsw.Connection, wanted: TenureFilter, limit: int) -> list[Tenure]:
    """The tenures that are wanted, at most `limit`, those that began last first."""
    asked: dict[str, Value] = {
        "covering": None if wanted.address is None else covering(read_address(wanted.address)),
        "name": wanted.name,
        "namespace": wanted.namespace,
        "kind": wanted.kind,
    }
    conditions = [FILTERS[name] for name, value in asked.items() if value is not None] or ["true"]
    ended = " AND ".join(conditions)
    lasting = f"{IN_ALL_POOLS} AND {ended}" if wanted.address is not None else ended
    values = {**asked, "since": wanted.since, "until": wanted.until, "limit": limit}
    return [tenure_of(row) for row in connection.execute(FIND.format(lasting=lasting, ended=ended), values)]


def end(connection: apsw.Connection, lease: Lease, now: float, revision: int, reason: str) -> None:
    """Write that the owner of a lease has it no longer, from the change of that revision on."""
    owner, last = lease.owner, connection.execute(LAST_END, (lease.id,)).get
    held = (lease.pool, packed(read_address(lease.address)), lease.prefix_length)
    owned = (owner.kind, owner.name, owner.namespace, owner.uid)
    since = lease.created if last is None else last
    connection.execute(PUT, (lease.id, *held, *owned, since, now, revision, reason))


def covering(address: Address) -> str:
    """The address and every block that it lies in, as JSON: octets in hexadecimal and prefix length."""
    width = WIDTH[address.family]
    bases = ((address.value >> bits << bits, width - bits) for bits in range(width + 1))
    return msgspec.json.encode([[f"{base:0{width // 4}x}", length] for base, length in bases]).decode()


def tenure_of(row: Row) -> Tenure:
    """What a row of COLUMNS says."""
    lease, pool, octets, length, kind, name, namespace, uid, since, until, ended, reason = row
    return msgspec.convert(
        {
            "lease": lease,
            "pool": pool,
            "address": text_of(octets),
            "prefix_length": length,
            "owner": {"kind": kind, "name": name, "namespace": namespace, "uid": uid},
            "since": since,
            "until": until,
            "ended": ended,
            "reason": reason,
        },
        Tenure,
    )
