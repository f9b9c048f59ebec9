"""The checker finds every kind of damage, and nothing in a sound store."""

from pathlib import Path
from random import Random

import pytest

from ipamd.allocator import block_of
from ipamd.fsck import INVARIANTS, check
from ipamd.fsck.running import check_running
from ipamd.log import Log
from ipamd.model import Owner, Pool, Wish
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.clock import Clock
from tests.ipamd.fsck.breaking import tamper
from tests.ipamd.using import release_all

LAB = Pool("lab", ("198.51.100.0/28",), exclude=("198.51.100.9",), gateway="198.51.100.14", quotas={"*": 9})
LAB6 = Pool("lab6", ("2001:db8::/60",), purpose="nodes", block_size=64)


@pytest.fixture
async def path(tmp_path: Path, clock: Clock) -> Path:
    """The file of a store in which some of everything has happened."""
    store = SqliteStore(tmp_path / "lab.sqlite", clock)
    service = Service(store, Log(store, 1000), Random(1), dns_ttl=60)
    await service.ensure_pools([LAB, LAB6])
    for name in ("a", "b", "c"):
        await service.lease(Owner("Container", name), Wish(pool="lab"))
        clock.now += 1
    await service.lease(Owner("Pod", "web-0", "shop"), Wish(pool="lab"))
    await service.lease(Owner("Node", "n1"), Wish(pool="lab6", block=True))
    await release_all(service, Owner("Container", "b"))
    await store.update(lambda tx: tx.put("Node", "", "n1", {"spec": {"podCIDRs": ["2001:db8::/64"]}}))
    await store.close()
    return tmp_path / "lab.sqlite"


# Has the index of the history look into the tree of another one.
OTHER_TREE = """
UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'leases_by_owner')
WHERE name = 'history_by_end'
"""


async def found(path: Path, clock: Clock) -> list[str]:
    """What the checker says of the store."""
    store = SqliteStore(path, clock)
    findings = store.view(lambda view: [*check(view)])
    await store.close()
    return [str(each) for each in findings]


async def test_nothing_is_found_in_a_sound_store(path: Path, clock: Clock) -> None:
    assert await found(path, clock) == []


DAMAGE = [
    ("UPDATE meta SET value = 99 WHERE name = 'revision'", "history: the log has"),
    ("DELETE FROM log WHERE revision = 5", "history: the log has"),
    ("DELETE FROM objects WHERE kind = 'Node'", "history: Node /n1 is not as the log has left it with revision"),
    ("UPDATE objects SET body = '{}' WHERE kind = 'Node'", "history: Node /n1 is not as the log has left it"),
    ("UPDATE objects SET revision = 1 WHERE kind = 'Node'", "history: Node /n1 is not as the log has left it"),
    ("DELETE FROM leases WHERE owner_name = 'a'", "history: lease 3 on 198.51.100.1 is not as the log has left it"),
    ("UPDATE leases SET revision = 5 WHERE id = 3", "history: lease 3 on 198.51.100.1 is not as the log has left it"),
    ("UPDATE history SET since = until + 1", "history: C6336402/32 of pool lab Container /b had it before"),
    ("INSERT INTO history SELECT 99, pool, address, prefix_length, owner_kind, owner_namespace, owner_name, owner_uid,"
     " since, until, ended, reason FROM history", "history: C6336402/32 of pool lab Container /b had it before"),
    ("UPDATE history SET address = x'C6336401', until = until + 9", "history: C6336401/32 of pool lab Container /a"),
    ("UPDATE leases SET generation = 0 WHERE id = 3", "idempotent: lease 3 has generation 0"),
    ("UPDATE leases SET pool = 'none' WHERE id = 3", "inside-pool: C6336401/32 of pool none Container /a has it, and"),
    ("UPDATE cooling SET pool = 'none'", "cooling: C6336402/32 of pool none Container /b had it, and"),
    ("UPDATE leases SET prefix_length = 33 WHERE id = 3", "canonical: C6336401/33 of pool lab is no address or block"),
    ("INSERT INTO identity VALUES ('another')", "own-past: the store has 2 identities"),
    ("UPDATE leases SET address = x'C6336409' WHERE id = 3", "inside-pool: 198.51.100.9/32, leased in pool lab"),
    ("UPDATE leases SET address = x'C0000201' WHERE id = 3", "inside-pool: 192.0.2.1/32, leased in pool lab"),
    ("UPDATE leases SET address = x'C6336401', prefix_length = 31 WHERE id = 3", "canonical: 198.51.100.1/31, leased"),
    ("UPDATE leases SET address = x'C6336402', prefix_length = 31 WHERE id = 3",
     "one-owner: 198.51.100.3/32, leased in pool lab, overlaps 198.51.100.2/31, leased in pool lab,"),
    ("UPDATE leases SET address = x'C6336402' WHERE id = 3", "cooling: 198.51.100.2/32, leased in pool lab, overlaps"),
    ("INSERT INTO objects VALUES ('Pool', '', 'twin', 1, '{\"name\":\"twin\",\"cidrs\":[\"198.51.100.8/30\"]}')",
     "one-owner: 198.51.100.8/30 of pool twin overlaps 198.51.100.0/28 of pool lab"),
    ("INSERT INTO objects VALUES ('Pool', '', 'bad', 1, '{\"name\":\"bad\",\"cidrs\":[\"nowhere\"]}')",
     "inside-pool: pool bad is none"),
    ("INSERT INTO objects VALUES ('Pool', '', 'sub', 1,"
     " '{\"name\":\"sub\",\"cidrs\":[\"2001:db8:0:1::/64\"],\"parent\":\"lab6\"}')",
     "blocks: pool sub has 2001:db8:0:1::/64, which is not in a block leased of lab6"),
    ("DELETE FROM objects WHERE kind = 'Pod'", "alive: lease 6 on 198.51.100.4 is Pod shop/web-0's and there"),
    ("UPDATE leases SET owner_uid = 'other' WHERE id = 6", "alive: lease 6 on 198.51.100.4 is Pod shop/web-0's of uid"),
    ("UPDATE leases SET address = x'C6336405' WHERE id = 6", "shown: lease 6 on 198.51.100.5 is Pod shop/web-0's and"),
    ("UPDATE leases SET address = x'C6336405' WHERE id = 6", "shown: Pod shop/web-0 shows 198.51.100.4 which is not"),
    ("UPDATE leases SET prefix_length = 65 WHERE prefix_length = 64", "shown: Node n1 shows 2001:db8::/64 which is"),
    ("UPDATE leases SET owner_kind = 'Attachment' WHERE id = 3", "attached: lease 3 on 198.51.100.1 is Attachment a's"),
    ("UPDATE leases SET owner_kind = 'Pool' WHERE id = 3", "blocks: lease 3 on 198.51.100.1 is Pool a's and there"),
    ("INSERT INTO objects VALUES ('Attachment', 'net', 'c1/eth0', 1,"
     " '{\"node\":\"n1\",\"owner\":{\"kind\":\"Container\",\"name\":\"a\"},\"leases\":[77],\"added\":1}')",
     "attached: attachment net/c1/eth0 has lost its lease 77"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "expected"), DAMAGE)
async def test_damage_is_found(path: Path, clock: Clock, statement: str, expected: str) -> None:
    tamper(path, statement)

    assert expected in "\n".join(await found(path, clock)), await found(path, clock)


async def test_an_attachment_that_does_not_know_its_lease_is_found(path: Path, clock: Clock) -> None:
    record = '{"node":"n1","owner":{"kind":"Container","name":"a"},"leases":[],"added":1}'
    tamper(
        path,
        "UPDATE leases SET owner_kind = 'Attachment', owner_namespace = 'net', owner_name = 'c1/eth0' WHERE id = 3",
        f"INSERT INTO objects VALUES ('Attachment', 'net', 'c1/eth0', 1, '{record}')",
    )

    expected = "attached: lease 3 on 198.51.100.1 is Attachment net/c1/eth0's and the attachment does not know it"
    assert expected in await found(path, clock)


async def test_a_file_that_is_damaged_is_found_out(path: Path, clock: Clock) -> None:
    tamper(path, "DELETE FROM history", "PRAGMA writable_schema = ON", OTHER_TREE, "PRAGMA wal_checkpoint(TRUNCATE)")

    findings = await found(path, clock)

    assert any(each.startswith("durable: the file") for each in findings)


async def test_a_running_service_is_checked_against_a_recount(service: Service, broken: set[str]) -> None:
    broken |= {"counts", "quotas"}
    await service.create_pool(LAB)
    lease, _ = await service.lease(Owner("Container", "a", "jobs"), Wish(pool="lab"))
    assert await check_running(service) == []

    service.pools.space("lab").give(block_of(lease), "jobs")

    found = [str(each) for each in await check_running(service)]
    assert found == [
        "counts: pool lab tells 0 leases, and there are 1",
        "counts: pool lab tells 0 used, and there are 1",
        "quotas: namespace 'jobs' in pool lab tells 0 leases, and there are 1",
        f"counts: lease {lease.id} on 198.51.100.1 is free in pool lab",
    ]


def test_every_finding_says_what_to_do() -> None:
    assert all(each.text and each.remedy for each in INVARIANTS.values())
