"""What was on a Node that dies for good comes back, and what is on one that lives stays."""

from pathlib import Path

import pytest

from ipamd.cni.attachments import ATTACHMENT
from ipamd.errors import UnknownLease
from ipamd.gone_nodes import GONE_NODE
from ipamd.model import LeaseFilter, Owner, TenureFilter, Wish
from ipamd.service import Service
from ipamd.witnesses import Subject
from tests.ipamd.clock import Clock
from tests.ipamd.daemon import Daemon
from tests.ipamd.kube.cluster import Cluster
from tests.ipamd.reconciled import GRACE, Runtime, World

WHY = "reconciled: the Node n1 was deleted, and nothing was heard of the node since"


class Dying:
    """A cluster with the Node n1, and the runtime there."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self.world = World(service, clock)
        self.runtime = Runtime(self.world)
        self.cluster = Cluster(service)

    async def begin(self) -> None:
        await self.cluster.start()
        await self.cluster.create("Node", "n1")

    async def die(self) -> None:
        """Have the Node deleted, some time after what was done before."""
        self.world.clock.now += 1
        await self.cluster.delete("Node", "n1")

    async def later(self, seconds: float) -> list[str]:
        return await self.world.later(seconds)

    def held(self) -> list[str]:
        """Who has leases, but for objects."""
        leases = self.world.service.list_leases(LeaseFilter(), 0, 99)
        return [each.owner.name for each in leases if each.owner.kind not in ("Node", "Service")]

    def containers(self) -> list[str]:
        return [each.name for each in self.world.service.store.view(lambda view: view.list(ATTACHMENT))]

    def notes(self) -> list[str]:
        return [each.name for each in self.world.service.store.view(lambda view: view.list(GONE_NODE))]


@pytest.fixture
async def dying(service: Service, clock: Clock) -> Dying:
    made = Dying(service, clock)
    await made.begin()
    return made


async def test_what_a_deleted_node_had_is_freed_a_grace_after_it_was_missed(dying: Dying) -> None:
    await dying.runtime.attach("c1")
    await dying.runtime.attach("c2", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0")
    await dying.world.lease("Job", "j", node="n1")
    await dying.world.lease("Job", "elsewhere", node="n2")
    await dying.world.lease("Job", "nowhere")
    await dying.die()

    assert [await dying.later(seconds) for seconds in (0, GRACE - 1)] == [[], []]
    assert sorted(await dying.later(1)) == ["c1/eth0", "j", "web-0"]
    assert (dying.containers(), dying.cluster.get("Pod", "web-0", "shop")) == ([], None)
    assert dying.held() == ["elsewhere", "nowhere"]
    (tenure,) = dying.world.service.store.view(lambda view: view.tenures(TenureFilter(name="j"), 9))
    assert tenure.reason == WHY
    assert [event.kind for event in dying.world.events.after(0)] == ["reconciled"] * 3
    assert await dying.later(0) == []
    assert dying.notes() == []


async def test_a_node_that_never_was_an_object_is_not_missed(dying: Dying) -> None:
    await dying.world.lease("Job", "j", node="n9")
    await dying.die()

    assert [await dying.later(GRACE) for _ in range(3)] == [[], [], []]


async def test_a_node_that_comes_back_in_the_grace_keeps_what_it_has(dying: Dying) -> None:
    await dying.runtime.attach("c1")
    await dying.die()
    await dying.later(0)
    await dying.later(GRACE - 1)
    await dying.cluster.create("Node", "n1")

    assert [await dying.later(GRACE) for _ in range(3)] == [[], [], []]
    await dying.die()
    assert [await dying.later(seconds) for seconds in (0, GRACE)] == [[], ["c1/eth0"]]


async def test_a_pod_that_is_there_keeps_its_addresses_until_it_is_deleted(dying: Dying) -> None:
    await dying.cluster.create("Namespace", "shop")
    await dying.cluster.create("Pod", "web-0", "shop", spec={"nodeName": "n1", "containers": [{"name": "c"}]})
    await dying.runtime.attach("c1", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0")
    await dying.die()
    assert [await dying.later(GRACE) for _ in range(2)] == [[], []]

    await dying.cluster.delete("Pod", "web-0", "shop")
    assert dying.held() == ["c1/eth0"]
    assert [await dying.later(seconds) for seconds in (0, GRACE)] == [[], ["c1/eth0"]]
    assert dying.containers() == []


@pytest.mark.parametrize("command", ["STATUS", "CHECK", "DEL"])
async def test_a_call_from_the_node_begins_the_grace_anew(dying: Dying, command: str) -> None:
    await dying.runtime.attach("c1")
    await dying.runtime.attach("c2")
    await dying.die()
    await dying.later(0)
    dying.world.clock.now += GRACE - 1
    await dying.runtime.call(command, CONTAINERID="c2")

    kept = ["c1/eth0"] if command == "DEL" else ["c1/eth0", "c2/eth0"]
    assert [await dying.later(1), await dying.later(GRACE - 2)] == [[], []]
    assert sorted(await dying.later(1)) == kept


async def test_a_call_between_look_and_transaction_is_heard(dying: Dying) -> None:
    await dying.runtime.attach("c1")
    await dying.die()
    await dying.later(0)
    dying.world.clock.now += GRACE
    decisions = await dying.world.reconciler.look()
    assert [each.is_due for each in decisions] == [True]

    await dying.runtime.call("STATUS")
    freed = await dying.world.service.store.update(
        lambda tx: dying.world.reconciler._free(tx, decisions)  # what `free` does after `look`
    )

    assert (freed, dying.held()) == ([], ["c1/eth0"])


@pytest.mark.parametrize("sign", ["ADD", "GC", "list", "lease", "batch"])
async def test_a_node_that_says_what_it_has_is_there_and_its_lists_decide(dying: Dying, sign: str) -> None:
    await dying.runtime.attach("c1")
    await dying.die()
    await dying.later(0)
    match sign:
        case "ADD":
            await dying.runtime.attach("c1")
        case "GC":
            await dying.runtime.collect("c1")
        case "list":
            await dying.world.reconciler.report(Subject("Job", "batch", "n1"), frozenset())
        case "lease":
            await dying.world.lease("Job", "j", node="n1")
        case "batch":
            asked = [(Owner("Job", name), Wish(pool="pods", node="n1")) for name in "jk"]
            await dying.world.service.lease_batch(asked, atomic=True, is_trial=False)

    assert dying.notes() == []
    assert [await dying.later(GRACE) for _ in range(3)] == [[], [], []]
    for _ in range(2):
        dying.world.clock.now += GRACE
        await dying.runtime.collect()
    assert dying.containers() == []


async def test_a_lease_goes_with_its_owner_to_another_node(dying: Dying) -> None:
    first = await dying.world.lease("Job", "j", node="n1")
    assert await dying.world.lease("Job", "j", node="n2") == first
    lease = dying.world.service.get_lease(first)
    assert (lease.node, lease.generation) == ("n2", 2)
    assert await dying.world.lease("Job", "j") == first  # which says nothing of nodes
    assert dying.world.service.get_lease(first) == lease
    await dying.die()

    assert [await dying.later(GRACE) for _ in range(3)] == [[], [], []]


async def test_attachments_without_leases_go_with_their_node(dying: Dying) -> None:
    static = {"ipam": {"type": "ipamd", "addresses": [{"address": "192.0.2.9/24"}]}}
    await dying.runtime.call("ADD", static, CONTAINERID="c1")
    assert (dying.containers(), dying.held()) == (["c1/eth0"], [])
    await dying.die()

    assert [(await dying.later(seconds), dying.containers()) for seconds in (0, GRACE)] == [([], ["c1/eth0"]), ([], [])]
    assert dying.notes() == []


async def test_the_block_of_a_deleted_node_is_given_back_with_its_last_pod(dying: Dying) -> None:
    service = dying.world.service
    pods = service.pool("pods").pool
    await service.ensure_pools([type(pods)("pods", pods.cidrs, "pods", block_size=24, per_node=True)])
    lease, _ = await service.lease(Owner("Job", "j"), Wish(pool="pods", node="n1"))
    await dying.die()
    assert [str(each) for each in service.list_leases(LeaseFilter(pool="pods"), 0, 9)] == ["10.244.0.0/24"]

    assert [await dying.later(seconds) for seconds in (0, GRACE)] == [[], ["j"]]
    with pytest.raises(UnknownLease):
        service.get_lease(lease.id)
    assert service.list_leases(LeaseFilter(pool="pods"), 0, 9) == []


async def test_what_an_old_copy_notes_of_nodes_does_not_count(dying: Dying) -> None:
    await dying.runtime.attach("c1")
    await dying.die()
    tx = dying.world.service.store._tx  # type: ignore[attr-defined]
    tx.old_because = "it was put back from a copy"
    assert [await dying.later(GRACE) for _ in range(3)] == [[], [], []]

    await dying.world.reconciler.accept_age()
    assert (dying.notes(), await dying.later(GRACE), await dying.later(GRACE)) == ([], [], [])


def test_a_daemon_that_was_restarted_remembers_which_nodes_are_gone(tmp_path: Path) -> None:
    file = tmp_path / "ipamd.toml"
    file.write_text("reconcile_grace = 0\n")
    daemon = Daemon(tmp_path)
    daemon.flags = ["--config", str(file)]
    daemon.start()
    daemon.request("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    for name in ("a", "b"):
        daemon.lease(name, node="n1" if name == "a" else "n2")
    daemon.request("DELETE", "/api/v1/nodes/n1")
    daemon.stop()
    daemon.start()

    (shown,) = daemon.request("GET", "/v1/reconcile").body["suspects"]
    assert f"reconciled: {shown['why']}" == WHY
    done = daemon.request("POST", "/v1/reconcile")
    assert [lease["owner"]["name"] for lease in done.body["freed"]] == ["a"]
    daemon.stop()
