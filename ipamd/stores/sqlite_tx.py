"""Writing the rows of the SQLite store: every change with its row in the log.

Strategy: revisions, changes and what to undo in memory are kept beside the open SQLite transaction, and go back to a
mark together with it.
"""

from collections.abc import Callable, Sequence
from math import inf

import apsw
import msgspec

from ipamd.errors import TooLarge
from ipamd.json import Object, stored_object
from ipamd.model import LEASE, Cooling, Lease
from ipamd.ranges import read_address
from ipamd.stores import LARGEST_OBJECT, MOST_REPLIES, Change, Follower, Kept, Op, Stored, sqlite_history
from ipamd.stores.sqlite_rows import COOLING_COLUMNS, LEASE_COLUMNS, packed, row_of
from ipamd.stores.sqlite_schema import MARK_AS_NEW
from ipamd.stores.sqlite_view import CHANGE_COLUMNS, SqliteView

PUT_OBJECT = """
INSERT INTO objects (kind, namespace, name, revision, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET revision = excluded.revision, body = excluded.body
"""
ADD_LEASE = f"INSERT INTO leases ({LEASE_COLUMNS}) VALUES ({', '.join('?' * 18)})"
PUT_LEASE = ADD_LEASE.replace("INSERT", "INSERT OR REPLACE")
PUT_COOLING = f"INSERT OR REPLACE INTO cooling ({COOLING_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
FORGET_REPLIES = "DELETE FROM replies WHERE key IN (SELECT key FROM replies WHERE until <= ? ORDER BY until LIMIT ?)"
ADD_LOG = f"INSERT INTO log ({CHANGE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
PUT_LOG = f"INSERT INTO log ({CHANGE_COLUMNS}, previous_revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

LEAP = 1 << 32  # revisions, more than anybody can have seen between a copy and its return


class SqliteTx(SqliteView):
    """The transaction that is open on the writing connection.

    One object serves all transactions: the store opens a batch, lets each update run between two marks, and takes what
    a failed one did back to its mark.
    """

    def __init__(self, connection: apsw.Connection, followers: Sequence[Follower]) -> None:
        super().__init__(connection)
        self._followers = followers
        self._revision = super().revision
        self.compacted = self.meta("compacted")
        self._before = self._revision, self.compacted
        self._undo: list[Callable[[], None]] = []
        self._seen: dict[tuple[str, str, str], Stored | None] = {}  # what this batch has read and written
        self.now = 0.0
        self.changes_made: list[Change] = []
        self._has_tidied = False  # something was written that is no change in the log
        self._replies = int(connection.execute("SELECT count(*) FROM replies").get)
        self.old_because = ""

    @property
    def revision(self) -> int:
        """The revision of the last change, those of this transaction included."""
        return self._revision

    @property
    def has_written(self) -> bool:
        """Whether the batch has changed anything."""
        return self._has_tidied or (self._revision, self.compacted) != self._before

    def begin(self, now: float) -> None:
        """Open a batch at that time."""
        self.now, self.changes_made, self._has_tidied = now, [], False
        self._before = self._revision, self.compacted
        self._undo.clear()
        self._seen.clear()
        if self._connection.in_transaction:  # one that could not even be rolled back when it failed
            self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN IMMEDIATE")

    def mark(self) -> tuple[int, int, int]:
        """Where the next update begins, for `rewind`."""
        self._connection.execute("SAVEPOINT one_update")
        return self._revision, len(self.changes_made), len(self._undo)

    def keep(self) -> None:
        """Make what was done since the mark a part of the batch."""
        self._connection.execute("RELEASE one_update")

    def rewind(self, mark: tuple[int, int, int]) -> None:
        """Take back what was done since the mark."""
        self._connection.execute("ROLLBACK TO one_update")
        self._connection.execute("RELEASE one_update")
        self._take_back(mark)

    def finish(self) -> None:
        """Note the last revision; the batch is ready for its COMMIT."""
        self._connection.execute("UPDATE meta SET value = ? WHERE name = 'revision'", (self._revision,))
        self._connection.execute("UPDATE meta SET value = ? WHERE name = 'clock'", (int(self.now),))

    def commit(self) -> None:
        """Make the batch durable. The only method that may run in another thread."""
        self._connection.execute("COMMIT")

    def abandon(self) -> None:
        """Take the whole batch back."""
        if self._connection.in_transaction:  # some failures have rolled back already
            self._connection.execute("ROLLBACK")
        self._take_back((self._before[0], 0, 0))

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Have `undo` called if this update, or the batch that it is in, is taken back."""
        self._undo.append(undo)

    def get(self, kind: str, namespace: str, name: str) -> Stored | None:
        """The object of that key, or None; read once in a batch, for its updates look at the same few objects."""
        key = kind, namespace, name
        if key not in self._seen:
            self._seen[key] = super().get(kind, namespace, name)
        return self._seen[key]

    def put(self, kind: str, namespace: str, name: str, document: Object) -> Stored:
        """Add or replace an object."""
        before = self.get(kind, namespace, name)
        body = stamped(document, self._revision + 1)
        if len(body) > LARGEST_OBJECT:
            detail = f"Request entity too large: {kind} {name} has {len(body)} octets, limit is {LARGEST_OBJECT}"
            raise TooLarge(detail)
        change = self._log("MODIFIED" if before else "ADDED", kind, (namespace, name), body, before)
        self._connection.execute(PUT_OBJECT, (kind, namespace, name, change.revision, body))
        stored = self._seen[kind, namespace, name] = Stored(namespace, name, change.revision, body)
        self._show(change)
        return stored

    def delete(self, kind: str, namespace: str, name: str) -> Stored | None:
        """Take an object away."""
        before = self.get(kind, namespace, name)
        if before is None:
            return None
        body = stamped(stored_object(before.body), self._revision + 1)
        change = self._log("DELETED", kind, (namespace, name), body, before)
        statement = "DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?"
        self._connection.execute(statement, (kind, namespace, name))
        self._seen[kind, namespace, name] = None
        self._show(change)
        return Stored(namespace, name, change.revision, body)

    def put_lease(self, lease: Lease) -> Lease:
        """Add a lease, or replace the one of its id."""
        was = self.lease(lease.id) if lease.id else None
        before, revision = self._logged(was), self._revision + 1
        lease = msgspec.structs.replace(lease, id=lease.id or revision, revision=revision)
        self._log_lease("MODIFIED" if before else "ADDED", lease, before)
        if was is not None and not was.owner.is_same(lease.owner):
            sqlite_history.end(self._connection, was, self.now, revision, f"went to {lease.owner}")
        self._connection.execute(ADD_LEASE if was is None else PUT_LEASE, row_of(lease))
        return lease

    def add_leases(self, leases: Sequence[Lease]) -> None:
        """Add many leases, numbered by their revisions."""
        encode, now = msgspec.json.encode, self.now
        assert not leases or leases[0].id - 1 == self._revision == leases[-1].id - len(leases)
        changes = [
            Change(lease.id, now, "ADDED", LEASE, lease.pool, str(lease), encode(lease), None) for lease in leases
        ]
        self._connection.executemany(ADD_LEASE, map(row_of, leases))
        self._connection.executemany(ADD_LOG, changes)
        self._revision += len(leases)
        self.changes_made += changes

    def delete_lease(self, lease: Lease, reason: str) -> None:
        """Take away a lease that is there; who had it stays in the history."""
        self._log_lease("DELETED", msgspec.structs.replace(lease, revision=self._revision + 1), self._logged(lease))
        self._connection.execute("DELETE FROM leases WHERE id = ?", (lease.id,))
        sqlite_history.end(self._connection, lease, self.now, self._revision, reason)

    def cool(self, lease: Lease, until: float) -> None:
        """Keep what a lease held from everybody but its owner until that time."""
        owner, held = lease.owner, (lease.pool, packed(read_address(lease.address)), lease.prefix_length)
        self._connection.execute(PUT_COOLING, (*held, owner.kind, owner.name, owner.namespace, until))

    def thaw(self, cooling: Cooling) -> None:
        """End that."""
        held = cooling.pool, packed(read_address(cooling.address))
        self._connection.execute("DELETE FROM cooling WHERE pool = ? AND address = ?", held)
        self._has_tidied = True

    def keep_reply(self, key: str, kept: Kept, until: float) -> None:
        """Keep what a request of that key was answered, until that time."""
        is_new = self.reply(key) is None
        self._connection.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)", (key, *kept, until))
        self._has_tidied = True
        self._count_replies(int(is_new))
        if self._replies > MOST_REPLIES:
            self.forget_replies(inf, self._replies - MOST_REPLIES)

    def forget_replies(self, until: float, limit: int) -> int:
        """Forget the replies kept no longer than `until`."""
        count = self._forget(FORGET_REPLIES, until, limit)
        self._count_replies(-count)
        return count

    def forget_history(self, until: float, limit: int) -> int:
        """Forget who had what in leases that ended before `until`."""
        return self._forget(sqlite_history.FORGET, until, limit)

    def _count_replies(self, more: int) -> None:
        was = self._replies
        self._replies += more
        self.on_rollback(lambda: setattr(self, "_replies", was))

    def _forget(self, statement: str, until: float, limit: int) -> int:
        self._connection.execute(statement, (until, limit))
        count: int = self._connection.changes()
        self._has_tidied = self._has_tidied or bool(count)
        return count

    def accept_age(self) -> None:
        """Have an old copy go on as the store."""
        was = self.old_because
        self.old_because = ""
        self._revision += LEAP
        self.on_rollback(lambda: setattr(self, "old_because", was))
        self.compact(self._revision)
        self._connection.execute(MARK_AS_NEW)

    def compact(self, revision: int) -> None:
        """Forget the rows of the log up to and including `revision`."""
        self._connection.execute("DELETE FROM log WHERE revision <= ?", (revision,))
        self._connection.execute("UPDATE meta SET value = ? WHERE name = 'compacted'", (revision,))
        was, self.compacted = self.compacted, revision
        self.on_rollback(lambda: setattr(self, "compacted", was))

    def _logged(self, lease: Lease | None) -> Stored | None:
        return Stored(lease.pool, str(lease), lease.revision, msgspec.json.encode(lease)) if lease else None

    def _log_lease(self, op: Op, lease: Lease, before: Stored | None) -> None:
        self._log(op, LEASE, (lease.pool, str(lease)), msgspec.json.encode(lease), before)

    def _log(self, op: Op, kind: str, key: tuple[str, str], body: bytes, before: Stored | None) -> Change:
        self._revision += 1
        change = Change(self._revision, self.now, op, kind, *key, body, before.body if before else None)
        self._connection.execute(PUT_LOG, (*change, before.revision if before else None))
        self.changes_made.append(change)
        return change

    def _show(self, change: Change) -> None:
        for follower in self._followers:
            follower(self, change)

    def _take_back(self, mark: tuple[int, int, int]) -> None:
        self._revision, changes, undos = mark
        self._seen.clear()
        del self.changes_made[changes:]
        while len(self._undo) > undos:
            self._undo.pop()()


def stamped(document: Object, revision: int) -> bytes:
    """The JSON of an object, with the revision as `metadata.resourceVersion` if it has metadata."""
    metadata = document.get("metadata")
    if isinstance(metadata, dict):
        document = {**document, "metadata": {**metadata, "resourceVersion": str(revision)}}
    return msgspec.json.encode(document)
