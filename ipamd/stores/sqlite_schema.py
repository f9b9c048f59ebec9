"""The tables of the SQLite store, and how a file comes to have them.

Strategy: `PRAGMA user_version` is the version of the schema. `MIGRATIONS[n]` leads from version n to n + 1, each in its
own transaction; a new file goes through all of them. A file with a higher version than we know is left alone.
"""

import apsw

from ipamd.errors import StartError

FIRST = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('revision', 0), ('compacted', 0);

CREATE TABLE objects (
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, namespace, name)
);

CREATE TABLE leases (
    id INTEGER PRIMARY KEY, revision INTEGER NOT NULL,
    pool TEXT NOT NULL, address BLOB NOT NULL, prefix_length INTEGER NOT NULL,
    owner_kind TEXT NOT NULL, owner_namespace TEXT NOT NULL, owner_name TEXT NOT NULL, owner_uid TEXT NOT NULL,
    created REAL NOT NULL, labels TEXT NOT NULL, ttl INTEGER, expires REAL, made_pod INTEGER NOT NULL
);
CREATE UNIQUE INDEX leases_by_address ON leases (pool, address);
CREATE INDEX leases_by_owner ON leases (owner_name, owner_namespace, owner_kind);
CREATE INDEX leases_by_expiry ON leases (expires) WHERE expires IS NOT NULL;

CREATE TABLE log (
    revision INTEGER PRIMARY KEY, time REAL NOT NULL, op TEXT NOT NULL,
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    body BLOB NOT NULL, previous BLOB, previous_revision INTEGER
);
"""

# The addresses that nobody but their last owner may have yet, the leases that have ended, the replies to requests that
# may be repeated, and who this store is.
SECOND = """
ALTER TABLE leases ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
ALTER TABLE leases ADD COLUMN node TEXT NOT NULL DEFAULT '';
ALTER TABLE leases ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE leases ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';

CREATE TABLE cooling (
    pool TEXT NOT NULL, address BLOB NOT NULL, prefix_length INTEGER NOT NULL,
    owner_kind TEXT NOT NULL, owner_namespace TEXT NOT NULL, owner_name TEXT NOT NULL, until REAL NOT NULL,
    PRIMARY KEY (pool, address)
) WITHOUT ROWID;
CREATE INDEX cooling_by_owner ON cooling (owner_name, owner_namespace, owner_kind);
CREATE INDEX cooling_by_end ON cooling (until);

CREATE TABLE history (
    lease INTEGER NOT NULL, pool TEXT NOT NULL, address BLOB NOT NULL, prefix_length INTEGER NOT NULL,
    owner_kind TEXT NOT NULL, owner_namespace TEXT NOT NULL, owner_name TEXT NOT NULL, owner_uid TEXT NOT NULL,
    since REAL NOT NULL, until REAL NOT NULL, ended INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (lease, ended)
) WITHOUT ROWID;
CREATE INDEX history_by_address ON history (address, prefix_length);
CREATE INDEX history_by_owner ON history (owner_name, owner_namespace, owner_kind);
CREATE INDEX history_by_end ON history (until);

CREATE TABLE replies (key TEXT PRIMARY KEY, digest BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX replies_by_end ON replies (until);

INSERT INTO meta VALUES ('clock', 0), ('noted', 0), ('old', 0);
CREATE TABLE identity (id TEXT NOT NULL);
INSERT INTO identity VALUES (lower(hex(randomblob(16))));
"""

MIGRATIONS = (FIRST, SECOND)

# `noted`: how far the store has come was noted beside it; `old`: it is a copy of what has gone on without it.
MARK_AS_NOTED = "INSERT OR REPLACE INTO meta VALUES ('noted', 1)"
MARK_AS_OLD = "INSERT OR REPLACE INTO meta VALUES ('old', 1)"
MARK_AS_NEW = "INSERT OR REPLACE INTO meta VALUES ('old', 0)"


def migrate(connection: apsw.Connection) -> None:
    """Bring the file to the newest schema. Raises StartError if a newer program wrote it, or if it is none of ours."""
    version = connection.pragma("user_version")
    if not isinstance(version, int) or version > len(MIGRATIONS):
        name = connection.db_filename("main")
        raise StartError(f"{name} has schema version {version}, this ipamd knows none above {len(MIGRATIONS)}")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        with connection:
            connection.execute(script)
            connection.pragma("user_version", number)
