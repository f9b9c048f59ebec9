"""What rows of the SQLite store contradict each other, found by asking the database itself.

Strategy: one statement for each thing that must not be. It selects the subject and the detail of every case, and so
nothing at all from a sound store; at most LIMIT cases of each are told.
"""

from collections.abc import Iterator

import apsw

from ipamd.stores import Flaw

LIMIT = 100

META = "(SELECT value FROM meta WHERE name = '{}')"
REVISION, COMPACTED = META.format("revision"), META.format("compacted")
PLACE = "hex(address) || '/' || prefix_length || ' of pool ' || pool"
OWNER = "owner_kind || ' ' || owner_namespace || '/' || owner_name"

# The last row of the log for every key, as far back as it reaches. SQLite takes the other columns from the row that has
# the greatest revision.
LAST = """
SELECT kind, namespace, name, op, body, max(revision) AS revision FROM log WHERE kind <> 'Lease' GROUP BY 1, 2, 3
"""
LAST_OF_LEASES = """
SELECT namespace, name, op, CAST(body AS TEXT) ->> 'id' AS id, max(revision) AS revision FROM log
WHERE kind = 'Lease' GROUP BY CAST(body AS TEXT) ->> 'id'
"""

# The name of the invariant and the statement. `history` is the invariant that the past is complete and never overlaps.
STATEMENTS = (
    ("durable", "SELECT 'the file', quick_check FROM pragma_quick_check WHERE quick_check <> 'ok'"),
    ("own-past", "SELECT 'the store', 'has ' || count(*) || ' identities' FROM identity HAVING count(*) <> 1"),
    (
        "history",
        f"""SELECT 'the log', 'has ' || count(*) || ' changes from ' || min(revision) || ' to ' || max(revision)
            || ', not all behind ' || {COMPACTED} || ' up to ' || {REVISION} FROM log
        HAVING count(*) <> {REVISION} - {COMPACTED}
            OR count(*) AND (min(revision) <> {COMPACTED} + 1 OR max(revision) <> {REVISION})""",
    ),
    (
        "history",
        f"""SELECT last.kind || ' ' || last.namespace || '/' || last.name,
            'is not as the log has left it with revision ' || last.revision
        FROM ({LAST}) AS last LEFT JOIN objects USING (kind, namespace, name)
        WHERE (last.op = 'DELETED') <> (objects.revision IS NULL)
            OR last.op <> 'DELETED' AND (objects.revision <> last.revision OR objects.body <> last.body)""",
    ),
    (
        "history",
        f"""SELECT 'lease ' || last.id || ' on ' || last.name, 'is not as the log has left it with revision '
            || last.revision
        FROM ({LAST_OF_LEASES}) AS last LEFT JOIN leases ON leases.id = last.id
        WHERE (last.op = 'DELETED') <> (leases.id IS NULL)
            OR last.op <> 'DELETED' AND leases.revision <> last.revision""",
    ),
    (
        "history",
        f"""SELECT kind || ' ' || namespace || '/' || name, 'has revision ' || revision || ', which the log has not'
        FROM objects WHERE revision > {COMPACTED} AND revision NOT IN (SELECT revision FROM log)""",
    ),
    (
        "history",
        f"""SELECT 'lease ' || id, 'has revision ' || revision || ', which the log has not'
        FROM leases WHERE revision > {COMPACTED} AND revision NOT IN (SELECT revision FROM log)""",
    ),
    (
        "history",
        f"""SELECT {PLACE}, {OWNER} || ' had it before the owner before had lost it' FROM (
            SELECT *, lag(until) OVER (PARTITION BY pool, address, prefix_length ORDER BY since, until, ended) AS before
            FROM history
        ) WHERE since < before OR until < since OR ended > {REVISION}""",
    ),
    (
        "history",
        f"""SELECT {PLACE}, {OWNER} || ' has it since before the owner before had lost it' FROM leases
        WHERE created < (
            SELECT max(until) FROM history WHERE history.address = leases.address AND lease <> leases.id
                AND history.prefix_length = leases.prefix_length AND history.pool = leases.pool
        )""",
    ),
    (
        "idempotent",
        f"""SELECT 'lease ' || id, 'has generation ' || generation || ' and revision ' || revision
        FROM leases WHERE generation < 1 OR id > revision OR revision > {REVISION}""",
    ),
    *(
        (
            name,
            f"""SELECT {PLACE}, {OWNER} || ' {has} it, and there is no such pool' FROM {table}
            WHERE pool NOT IN (SELECT name FROM objects WHERE kind = 'Pool')""",
        )
        for name, table, has in (("inside-pool", "leases", "has"), ("cooling", "cooling", "had"))
    ),
    *(
        (
            "canonical",
            f"""SELECT {PLACE}, 'is no address or block' FROM {table}
            WHERE length(address) NOT IN (4, 16) OR prefix_length NOT BETWEEN 0 AND 8 * length(address)""",
        )
        for table in ("leases", "cooling", "history")
    ),
)  # fmt: skip


def flaws(connection: apsw.Connection) -> Iterator[Flaw]:
    """Every contradiction."""
    for invariant, statement in STATEMENTS:
        for subject, detail in connection.execute(f"{statement} LIMIT {LIMIT}"):
            yield Flaw(invariant, str(subject), str(detail))
