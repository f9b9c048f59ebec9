"""Reading the rows of the SQLite store.

Strategy: one statement a method, its text constant so that SQLite keeps it prepared.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import apsw
import msgspec

from ipamd.errors import Compacted
from ipamd.model import Cooling, Lease, LeaseFilter, Owner, Tenure, TenureFilter
from ipamd.ranges import Address, Cidr, read_address, read_cidr
from ipamd.stores import Change, Changes, Flaw, Holding, Kept, OwnerKey, Stored, sqlite_flaws, sqlite_history
from ipamd.stores.sqlite_rows import COOLING_COLUMNS, LEASE_COLUMNS, Value, cooling_of, lease_of, packed

Values = Sequence[Value] | Mapping[str, Value]

CHANGE_COLUMNS = "revision, time, op, kind, namespace, name, body, previous"

GET = "SELECT namespace, name, revision, body FROM objects WHERE kind = ? AND namespace = ? AND name = ?"

# The state at revision :at is what has not changed since, and what stood before the first change of every key that has.
LIST_AT = """
SELECT namespace, name, revision, body FROM objects
WHERE kind = :kind AND (namespace, name) > (:after_namespace, :after_name)
    AND namespace = coalesce(:namespace, namespace) AND revision <= :at
UNION ALL
SELECT namespace, name, previous_revision, previous FROM log AS change
WHERE kind = :kind AND (namespace, name) > (:after_namespace, :after_name)
    AND namespace = coalesce(:namespace, namespace) AND revision > :at AND previous_revision <= :at
ORDER BY namespace, name LIMIT :limit
"""
LIST = """
SELECT namespace, name, revision, body FROM objects
WHERE kind = :kind AND (namespace, name) > (:after_namespace, :after_name)
ORDER BY namespace, name LIMIT :limit
"""
LIST_IN_NAMESPACE = """
SELECT namespace, name, revision, body FROM objects
WHERE kind = :kind AND namespace = :namespace AND (namespace, name) > (:after_namespace, :after_name)
ORDER BY namespace, name LIMIT :limit
"""

# One condition a filter. The unary plus keeps SQLite from an index that would have it sort half the table by id: only
# the name of an owner is rare enough to begin with.
LEASE_FILTERS = {
    "pool": "+pool = :pool",
    "kind": "+owner_kind = :kind",
    "namespace": "+owner_namespace = :namespace",
    "name": "owner_name = :name",
    "within": """length(address) = length(:within) AND address BETWEEN :within AND :within_last
        AND prefix_length >= :within_length""",
    "node": "+node = :node",
    "is_permanent": "(expires IS NULL) = :is_permanent",
    "labels": """NOT EXISTS (
        SELECT 1 FROM json_each(:labels) AS wanted
        WHERE wanted.value IS NOT (SELECT value FROM json_each(leases.labels) WHERE key = wanted.key)
    )""",
    "tag": ":tag IN (SELECT value FROM json_each(leases.tags))",
    "text": """instr(
        lower(owner_kind || '/' || owner_namespace || iif(owner_namespace = '', '', '/') || owner_name || ' ' || node
            || ' ' || description || ' ' || labels || ' ' || tags), lower(:text)
    ) > 0""",
    "id": "id = :id",
}
LEASE_MEETING = f"""
SELECT {LEASE_COLUMNS} FROM leases WHERE pool = ? AND address <= ? ORDER BY address DESC LIMIT 1
"""
LEASES_OF = f"""
SELECT {LEASE_COLUMNS} FROM leases WHERE owner_kind = ? AND owner_namespace = ? AND owner_name = ?
"""
HELD_BLOCKS = "SELECT address, prefix_length FROM leases WHERE +pool = ? ORDER BY id"
COOLING_OF = f"""
SELECT {COOLING_COLUMNS} FROM cooling
WHERE owner_kind = ? AND owner_namespace = ? AND owner_name = ? ORDER BY until DESC
"""
COOLING_AT = f"""
SELECT {COOLING_COLUMNS} FROM cooling WHERE pool = ? AND address <= ? ORDER BY address DESC LIMIT 1
"""
COOLING_BLOCKS = "SELECT address, prefix_length FROM cooling WHERE +pool = ?"
THAWING = f"SELECT {COOLING_COLUMNS} FROM cooling WHERE until <= ? ORDER BY until LIMIT ?"
NEXT_THAW = "SELECT min(until) FROM cooling WHERE pool = ?"
BY_NAMESPACE = "SELECT owner_namespace, count(*) FROM leases WHERE +pool = ? GROUP BY owner_namespace"
COUNT = "SELECT pool, prefix_length, count(*) FROM {} GROUP BY 1, 2"
EXPIRING = f"SELECT {LEASE_COLUMNS} FROM leases WHERE expires <= ? ORDER BY expires LIMIT ?"
OWNER_KNOWN = """
SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM leases WHERE owner_kind = ?1 AND owner_namespace = ?2 AND owner_name = ?3)
OR EXISTS (SELECT 1 FROM cooling WHERE owner_kind = ?1 AND owner_namespace = ?2 AND owner_name = ?3)
"""
LAST_CHANGES = "SELECT kind, max(revision) FROM log GROUP BY kind"


# What began since and lasts, less what lasted then and has ended since.
GROWTH = """
SELECT (SELECT count(*) FROM leases WHERE +pool = :pool AND created > :since)
    - (SELECT count(*) FROM history WHERE +pool = :pool AND until > :since AND since <= :since)
"""


class SqliteView:
    """What a connection sees, inside the transaction that it is in."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    @property
    def revision(self) -> int:
        """The revision of the last change in this state."""
        return self.meta("revision")

    def meta(self, name: str) -> int:
        """A number that the store keeps about itself: `revision` or `compacted`."""
        return int(self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).get)

    def flag(self, name: str) -> bool:
        """Whether something that the store keeps about itself is so."""
        return bool(self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).get)

    def get(self, kind: str, namespace: str, name: str) -> Stored | None:
        """The object of that key, or None."""
        row = self._connection.execute(GET, (kind, namespace, name)).fetchone()
        return Stored(*row) if row else None

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
        at: int | None = None,
    ) -> Sequence[Stored]:
        """Objects of a kind in order of their keys, now or as they were at a revision. Raises Compacted."""
        if at is not None:
            self.check_reach(at)
        statement = LIST_AT if at is not None else LIST if namespace is None else LIST_IN_NAMESPACE
        after_namespace, after_name = after or ("", "")
        wanted = {
            "kind": kind,
            "namespace": namespace,
            "after_namespace": after_namespace,
            "after_name": after_name,
            "limit": -1 if limit is None else limit,
            "at": at,
        }
        return [Stored(*row) for row in self._connection.execute(statement, wanted)]

    def lease(self, lease_id: int) -> Lease | None:
        """The lease of that id, or None."""
        return self._one_lease(f"SELECT {LEASE_COLUMNS} FROM leases WHERE id = ?", (lease_id,))

    def lease_meeting(self, pool: str, block: Cidr) -> Lease | None:
        """The last lease of the pool that has an address in the block, which may be a single address, or None."""
        # Leases do not overlap, so only the one that begins closest below its end can reach the block.
        lease = self._one_lease(LEASE_MEETING, (pool, packed(Address(block.family, block.last))))
        if lease is None:
            return None
        held = Cidr(block.family, read_address(lease.address).value, lease.prefix_length)
        return lease if held.overlaps(block) else None

    def held_blocks(self, pool: str) -> Iterator[tuple[int, int]]:
        """What the leases of the pool hold, the oldest lease first: first address, as a number, and prefix length."""
        for octets, length in self._connection.execute(HELD_BLOCKS, (pool,)):
            yield int.from_bytes(octets, "big"), length

    def leases_of(self, owner: Owner) -> Sequence[Lease]:
        """The leases of the owner, whatever its uid, in order of their ids."""
        # Sorted here, since SQLite takes five times as long for the statement as soon as it has an ORDER BY.
        found = self._leases(LEASES_OF, (owner.kind, owner.namespace, owner.name))
        return sorted(found, key=lambda lease: lease.id) if len(found) > 1 else found

    def owners_known(self, owners: Iterable[OwnerKey]) -> set[OwnerKey]:
        """Those of the owners that have a lease, or of whom something cools."""
        return {(kind, namespace, name) for kind, namespace, name in self._connection.executemany(OWNER_KNOWN, owners)}

    def leases(self, wanted: LeaseFilter, after: int = 0, limit: int | None = None) -> Sequence[Lease]:
        """Leases in order of their ids, beginning behind the id `after`."""
        within = read_cidr(wanted.within) if wanted.within is not None else None
        asked: dict[str, Value] = {
            "pool": wanted.pool,
            "kind": wanted.kind,
            "namespace": wanted.namespace,
            "name": wanted.name,
            "within": packed(Address(within.family, within.base)) if within else None,
            "within_last": packed(Address(within.family, within.last)) if within else None,
            "within_length": within.length if within else None,
            "node": wanted.node,
            "is_permanent": wanted.is_permanent,
            "labels": msgspec.json.encode(wanted.labels).decode() if wanted.labels else None,
            "tag": wanted.tag,
            "text": wanted.text,
            "id": wanted.id,
        }
        conditions = ["id > :after", *(text for name, text in LEASE_FILTERS.items() if asked[name] is not None)]
        statement = f"SELECT {LEASE_COLUMNS} FROM leases WHERE {' AND '.join(conditions)} ORDER BY id LIMIT :limit"
        return self._leases(statement, {**asked, "after": after, "limit": -1 if limit is None else limit})

    def cooling(self, owner: Owner) -> Sequence[Cooling]:
        """What cools since this owner gave it back, what ends last first."""
        rows = self._connection.execute(COOLING_OF, (owner.kind, owner.namespace, owner.name))
        return [cooling_of(row) for row in rows]

    def cooling_at(self, pool: str, block: Cidr) -> Cooling | None:
        """What cools in the pool and has an address in the block, the last such, or None."""
        values = (pool, packed(Address(block.family, block.last)))
        row = self._connection.execute(COOLING_AT, values).fetchone()
        if row is None:
            return None
        found = cooling_of(row)
        held = Cidr(block.family, read_address(found.address).value, found.prefix_length)
        return found if held.overlaps(block) else None

    def cooling_blocks(self, pool: str) -> Iterator[tuple[int, int]]:
        """What cools in the pool: first address, as a number, and prefix length."""
        for octets, length in self._connection.execute(COOLING_BLOCKS, (pool,)):
            yield int.from_bytes(octets, "big"), length

    def thawing(self, until: float, limit: int) -> Sequence[Cooling]:
        """What cools no longer than `until`, what ends first first."""
        return [cooling_of(row) for row in self._connection.execute(THAWING, (until, limit))]

    def next_thaw(self, pool: str) -> float | None:
        """When the first address of the pool has cooled, or None if none cools."""
        found = self._connection.execute(NEXT_THAW, (pool,)).get
        return None if found is None else float(found)

    def leases_by_namespace(self, pool: str) -> dict[str, int]:
        """How many leases of the pool the owners of each namespace have."""
        return {str(namespace): int(count) for namespace, count in self._connection.execute(BY_NAMESPACE, (pool,))}

    def leased(self) -> Sequence[Holding]:
        """How many blocks of each length are leased in each pool."""
        return [Holding(*row) for row in self._connection.execute(COUNT.format("leases"))]

    def cooled(self) -> Sequence[Holding]:
        """How many blocks of each length cool in each pool."""
        return [Holding(*row) for row in self._connection.execute(COUNT.format("cooling"))]

    def flaws(self) -> Iterator[Flaw]:
        """What in the store contradicts itself."""
        return sqlite_flaws.flaws(self._connection)

    def growth(self, pool: str, since: float) -> int:
        """By how many leases the pool has more than at `since`."""
        return int(self._connection.execute(GROWTH, {"pool": pool, "since": since}).get)

    def reply(self, key: str) -> Kept | None:
        """What a request of that key was answered, or None."""
        row = self._connection.execute("SELECT digest, status, body FROM replies WHERE key = ?", (key,)).fetchone()
        return Kept(*row) if row else None

    @property
    def clock(self) -> float:
        """The time of the last change."""
        return float(self.meta("clock"))

    @property
    def identity(self) -> str:
        """What tells this store from every other."""
        return str(self._connection.execute("SELECT id FROM identity").get)

    def tenures(self, wanted: TenureFilter, limit: int) -> Sequence[Tenure]:
        """Who had what when, those that began last first, what lasts included."""
        return sqlite_history.find(self._connection, wanted, limit)

    def expiring(self, until: float, limit: int) -> Sequence[Lease]:
        """Leases that expire at or before `until`, the earliest first."""
        return self._leases(EXPIRING, (until, limit))

    def changes(self, since: int, kinds: Collection[str], limit: int) -> Changes:
        """The changes behind revision `since` to objects of these kinds. Raises Compacted."""
        self.check_reach(since)
        revision = self.revision
        statement = (
            f"SELECT {CHANGE_COLUMNS} FROM log WHERE revision > ? AND kind IN (SELECT value FROM json_each(?)) "
            "ORDER BY revision LIMIT ?"
        )
        asked = msgspec.json.encode(sorted(kinds)).decode()
        rows = [Change(*row) for row in self._connection.execute(statement, (since, asked, limit))]
        return Changes(rows, rows[-1].revision if len(rows) == limit else max(revision, since))

    def last_changes(self) -> dict[str, int]:
        """The revision of the last change that the log knows of every kind."""
        return {str(kind): int(last) for kind, last in self._connection.execute(LAST_CHANGES)}

    def check_reach(self, revision: int) -> None:
        """Raise Compacted unless the log still has every change behind that revision."""
        if revision < (compacted := self.meta("compacted")):
            raise Compacted(f"revision {revision} is gone, the log begins behind {compacted}", compacted=compacted)

    def _one_lease(self, statement: str, values: Values) -> Lease | None:
        row = self._connection.execute(statement, values).fetchone()
        return lease_of(row) if row else None

    def _leases(self, statement: str, values: Values) -> Sequence[Lease]:
        return [lease_of(row) for row in self._connection.execute(statement, values)]
