"""Leases without owners are found, and freed when two words a grace apart have said so."""

from collections.abc import Callable

import pytest

from ipamd.cni.attachments import ATTACHMENT
from ipamd.errors import OldCopy
from ipamd.model import LeaseFilter, Owner, TenureFilter, Wish
from ipamd.service import Service
from ipamd.stores import Tx
from ipamd.witnesses import Subject
from tests.ipamd.clock import Clock
from tests.ipamd.reconciled import GRACE, Runtime, World

JOBS = Subject("Job", "batch", "")
NETWORK = Subject(ATTACHMENT, "net", "n1")


@pytest.fixture
def world(service: Service, clock: Clock) -> World:
    return World(service, clock)


async def test_what_no_list_has_for_a_grace_is_freed(world: World) -> None:
    for name in ("a", "b"):
        await world.lease("Job", name)
    world.clock.now += 1
    world.report(JOBS, "a")
    assert await world.suspected() == [("b", False)]
    world.clock.now += GRACE
    world.report(JOBS, "a")
    assert await world.suspected() == [("b", True)]

    assert (await world.later(0), world.held()) == (["b"], ["a"])
    tenure = world.service.store.view(lambda view: view.tenures(TenureFilter(name="b"), 9))[0]
    assert tenure.reason == "reconciled: the last list of every Job of batch is without b"
    (event,) = world.events.after(0)
    assert (event.kind, event.text) == (
        "reconciled",
        "10.244.0.3 of Job batch/b is free: the last list of every Job of batch is without b",
    )


async def test_one_list_frees_nothing_however_old_it_gets(world: World) -> None:
    await world.lease("Job", "a")
    world.clock.now += 1
    world.report(JOBS)

    assert [await world.later(GRACE) for _ in range(3)] == [[], [], []]


async def test_nobody_is_gone_where_there_is_no_list(world: World) -> None:
    await world.lease("Job", "a")
    world.report(Subject("Job", "other", ""))
    world.report(Subject("Task", "batch", ""))
    world.report(Subject("Job", "batch", "n1"))

    assert await world.suspected() == []


async def test_a_list_says_nothing_of_who_came_after_it(world: World) -> None:
    world.report(JOBS)
    await world.lease("Job", "a")

    assert await world.suspected() == []


async def test_who_is_seen_in_between_is_suspected_anew(world: World) -> None:
    await world.lease("Job", "a")
    world.clock.now += 1
    world.report(JOBS)
    await world.later(0)
    world.report(JOBS, "a")
    await world.later(GRACE)
    world.clock.now += 1
    world.report(JOBS)

    assert await world.suspected() == [("a", False)]


async def test_who_renews_in_between_keeps_it(world: World) -> None:
    lease = await world.lease("Job", "a")
    await world.service.renew(lease, 3600)
    world.clock.now += 1
    world.report(JOBS)
    await world.later(0)
    await world.service.renew(lease, 3600)
    world.clock.now += GRACE
    world.report(JOBS)

    assert await world.suspected() == [("a", False)]


async def test_a_lease_that_changes_hands_while_it_is_looked_at_is_not_freed(world: World) -> None:
    lease = await world.lease("Job", "a")
    world.clock.now += 1
    world.report(JOBS)
    await world.later(0)
    world.clock.now += GRACE
    world.report(JOBS)
    decisions = await world.reconciler.look()
    assert [each.is_due for each in decisions] == [True]

    await world.service.release(lease)
    again = await world.lease("Job", "b", address="10.244.0.2")
    freed = await world.service.store.update(
        lambda tx: world.reconciler._free(tx, decisions)  # what `free` does after `look`
    )

    assert freed == []
    assert [each.id for each in world.service.list_leases(LeaseFilter(), 0, 9)] == [again]


@pytest.mark.parametrize("kind", ["Service", "Node", "IPAddress"])
async def test_objects_keep_what_goes_with_them_whatever_a_list_says(world: World, kind: str) -> None:
    await world.lease(kind, "a", "")
    world.clock.now += 1
    world.report(Subject(kind, "", ""))

    assert await world.suspected() == []


def forget_pod(tx: Tx) -> None:
    tx.delete("Pod", "shop", "web-0")


def replace_pod(tx: Tx) -> None:
    tx.put("Pod", "shop", "web-0", {"metadata": {"uid": "another", "name": "web-0", "namespace": "shop"}})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (forget_pod, "reconciled: there is no Pod shop/web-0"),
        (replace_pod, "reconciled: the Pod shop/web-0 has the uid another, not "),
    ],
)
async def test_the_lease_of_a_pod_that_is_not_there_is_freed_at_the_second_look(
    world: World, change: Callable[[Tx], None], why: str
) -> None:
    await world.lease("Pod", "web-0", "shop")
    await world.service.store.update(change)

    assert [await world.later(seconds) for seconds in (0, GRACE - 1, 1)] == [[], [], ["web-0"]]
    tenure = world.service.store.view(lambda view: view.tenures(TenureFilter(kind="Pod"), 9))[0]
    assert tenure.reason.startswith(why)


async def test_containers_that_are_in_no_list_of_their_node_are_detached(world: World) -> None:
    node = Runtime(world)
    await node.attach("c1")
    await node.attach("c2")
    await node.attach("c3", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0")
    world.clock.now += 1
    world.report(Subject(ATTACHMENT, "net", "n2"))
    assert await world.suspected() == []
    world.report(NETWORK, "c1/eth0")
    await world.later(0)
    world.clock.now += GRACE
    world.report(NETWORK, "c1/eth0")

    assert sorted(await world.later(0)) == ["c2/eth0", "web-0"]
    assert [each.name for each in world.service.store.view(lambda view: view.list(ATTACHMENT))] == ["c1/eth0"]
    assert world.held() == ["c1/eth0"]


async def test_a_gc_is_a_word_about_its_node_and_network(world: World) -> None:
    node = Runtime(world)
    await node.attach("c1")
    await node.attach("c2")
    world.clock.now += 1
    await node.collect("c1")  # too early for the GC itself to collect what was just added
    assert (await world.suspected(), world.held()) == ([("c2/eth0", False)], ["c1/eth0", "c2/eth0"])

    await node.collect("c1", "c2")
    assert await world.suspected() == []
    world.clock.now += 10
    await node.collect("c1")
    assert (await world.suspected(), world.held()) == ([], ["c1/eth0"])


async def test_a_container_that_its_node_lists_outlives_its_pod(world: World) -> None:
    node = Runtime(world)
    await node.attach("c1", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0")
    await world.service.store.update(forget_pod)
    for _ in range(3):
        world.clock.now += GRACE
        await node.collect("c1")
        assert await world.later(0) == []

    world.clock.now += 1
    world.report(NETWORK)
    await world.later(0)
    world.clock.now += GRACE
    world.report(NETWORK)
    assert (await world.later(0), world.held()) == (["web-0"], [])


async def test_from_an_old_copy_nothing_is_freed_until_its_age_is_accepted(world: World) -> None:
    await world.lease("Job", "a")
    tx = world.service.store._tx  # type: ignore[attr-defined]
    tx.old_because = "it was put back from a copy"
    world.clock.now += 1
    world.report(JOBS)
    await world.later(0)
    world.clock.now += GRACE
    world.report(JOBS)
    assert await world.later(0) == []

    held = Wish(pool="pods", address="10.244.7.7", is_held=True)
    lease, _ = await world.service.lease(Owner("Container", "c"), held)  # which it was given after the copy was made
    assert lease.address == "10.244.7.7"
    with pytest.raises(OldCopy):
        await world.lease("Job", "b", address="10.244.7.8")

    await world.reconciler.accept_age()
    assert await world.later(0) == []  # what was seen of the old copy does not count
    world.clock.now += GRACE
    world.report(JOBS)
    assert await world.later(0) == ["a"]
    assert [event.kind for event in world.events.after(0)] == ["rolled-back", "reconciled"]


async def test_many_are_freed_in_slices(world: World) -> None:
    for number in range(250):
        await world.lease("Job", f"j{number}")
    world.clock.now += 1
    world.report(JOBS)
    await world.later(0)
    world.clock.now += GRACE
    world.report(JOBS)

    assert len(await world.later(0)) == 250
    assert world.held() == []


async def test_suspicion_does_not_outlive_the_lease(world: World) -> None:
    lease = await world.lease("Job", "a")
    world.clock.now += 1
    world.report(JOBS)
    await world.later(0)
    await world.service.release(lease)
    await world.lease("Job", "a")

    assert await world.suspected() == []
