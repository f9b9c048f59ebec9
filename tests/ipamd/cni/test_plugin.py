"""The commands of CNI, from configurations to leases."""

import json
from ipaddress import ip_network
from pathlib import Path
from random import Random

import pytest

from ipamd.model import LeaseFilter, Owner, Pool, Wish
from ipamd.service import Service
from tests.ipamd.clock import Clock
from tests.ipamd.cni.calling import network
from tests.ipamd.cni.conftest import GRACE, Runtime

DUAL = {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]]}
SMALL = {"ranges": [[{"subnet": "10.1.2.0/29"}]]}  # five addresses beside the gateway


def addresses_of_pod(runtime: Runtime, name: str) -> list[str] | None:
    stored = runtime.service.store.view(lambda view: view.get("Pod", "web", name))
    return None if stored is None else [each["ip"] for each in json.loads(stored.body)["status"]["podIPs"]]


def kubelet(name: str, uid: str = "", namespace: str = "web") -> str:
    return f"IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name};K8S_POD_UID={uid};X=1"


async def test_an_add_gives_an_address_of_every_range_set_with_gateways_routes_and_dns(
    runtime: Runtime, tmp_path: Path
) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.3\n")
    ipam = {**DUAL, "routes": [{"dst": "0.0.0.0/0"}], "resolvConf": str(tmp_path / "resolv.conf")}

    assert await runtime.call("ADD", network(ipam)) == {
        "cniVersion": "1.0.0",
        "ips": [
            {"address": "10.1.2.2/24", "gateway": "10.1.2.1"},
            {"address": "2001:db8:1::2/64", "gateway": "2001:db8:1::1"},
        ],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dns": {"nameservers": ["192.0.2.3"]},
    }
    owner = "Attachment mynet/c1/eth0"
    assert runtime.leases() == {"10.1.2.2": owner, "2001:db8:1::2": owner}


async def test_an_add_may_be_repeated_and_gives_the_same(runtime: Runtime) -> None:
    first = await runtime.call("ADD", network(DUAL))

    assert await runtime.call("ADD", network(DUAL)) == first
    assert len(runtime.leases()) == 2


async def test_interfaces_and_networks_of_a_container_are_apart(runtime: Runtime) -> None:
    given = [
        await runtime.add(network(SMALL)),
        await runtime.add(network(SMALL), IFNAME="eth1"),
        await runtime.add(network(SMALL, name="other")),
    ]

    assert given == [["10.1.2.2/29"], ["10.1.2.3/29"], ["10.1.2.2/29"]]


async def test_an_address_comes_round_again_only_after_all_others(runtime: Runtime) -> None:
    given = []
    for number in range(5):
        given += await runtime.add(network(SMALL), f"c{number}")
        await runtime.call("DEL", network(SMALL), f"c{number}")

    assert len(set(given)) == 5


async def test_all_or_nothing_when_one_of_the_sets_is_full(runtime: Runtime) -> None:
    small = {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.3.0/30"}]]}
    await runtime.add(network(small))

    refused = await runtime.call("ADD", network(small), "c2")

    assert refused["code"] == 100
    message = "failed to allocate for range 1: no IP addresses available in range set: 10.1.3.1-10.1.3.2"
    assert refused["msg"] == message
    assert len(runtime.leases()) == 2


async def test_a_network_has_one_pool_of_each_family_and_its_counts_are_those_of_its_ranges(runtime: Runtime) -> None:
    await runtime.add(
        network({"ranges": [[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.20"}]]})
    )
    usage = runtime.service.pool("cni-mynet-v4")
    assert (usage.pool.cidrs, usage.pool.space, usage.capacity, usage.used) == (("10.1.2.0/24",), "mynet", 12, 1)

    # A range more, in a subnet that holds the first one, and a later configuration without either.
    await runtime.add(
        network({"ranges": [[{"subnet": "10.1.0.0/16", "rangeStart": "10.1.2.15", "rangeEnd": "10.1.2.30"}]]}), "c2"
    )
    usage = runtime.service.pool("cni-mynet-v4")
    assert (usage.pool.cidrs, usage.capacity, usage.used) == (("10.1.0.0/16",), 22, 2)
    assert await runtime.add(network({"ranges": [[{"subnet": "10.9.0.0/30"}]]}), "c3") == ["10.9.0.2/30"]
    assert runtime.service.pool("cni-mynet-v4").capacity == 23


async def test_networks_that_share_an_address_space_share_no_address(runtime: Runtime) -> None:
    ranges = [{"range": "10.5.0.0/29"}, {"range": "10.5.0.0/28"}, {"range": "10.5.0.2-10.5.0.6/24"}]
    given = [
        (await runtime.add(network(each, name=f"net{number}")))[0] for number, each in enumerate(ranges)
    ]  # fmt: skip

    assert given == ["10.5.0.1/29", "10.5.0.2/28", "10.5.0.3/24"]
    apart = {"range": "10.5.0.0/29", "enable_overlapping_ranges": False}
    assert await runtime.add(network(apart, name="net9")) == ["10.5.0.1/29"]


async def test_excluded_addresses_are_never_given(runtime: Runtime) -> None:
    ipam = {"range": "10.5.0.0/29", "exclude": ["10.5.0.1", "10.5.0.4/31"]}
    given = [(await runtime.add(network(ipam), f"c{number}"))[0] for number in range(3)]

    assert given == ["10.5.0.2/29", "10.5.0.3/29", "10.5.0.6/29"]
    assert (await runtime.call("ADD", network(ipam), "c9"))["code"] == 100


async def test_static_addresses_stand_beside_those_that_are_leased(runtime: Runtime) -> None:
    config = network({"range": "10.5.0.0/29", "addresses": [{"address": "10.9.0.7/24", "gateway": "10.9.0.1"}]})

    result = await runtime.call("ADD", config)

    assert result["ips"] == [{"address": "10.5.0.1/29"}, {"address": "10.9.0.7/24", "gateway": "10.9.0.1"}]
    assert await runtime.call("CHECK", {**config, "prevResult": result}) is None
    only = network({"addresses": [{"address": "10.9.0.8/24"}]}, name="static")
    assert await runtime.add(only) == ["10.9.0.8/24"]
    assert await runtime.call("STATUS", {**only, "cniVersion": "1.1.0"}) is None


async def test_an_address_that_is_asked_for_is_given_or_refused(runtime: Runtime) -> None:
    asking = network(SMALL, args={"cni": {"ips": ["10.1.2.5"]}})
    assert await runtime.add(asking) == ["10.1.2.5/29"]

    taken = await runtime.call("ADD", asking, "c2")
    message = "requested IP address 10.1.2.5 is not available in range set 10.1.2.1-10.1.2.6"
    assert (taken["code"], taken["msg"]) == (101, f"failed to allocate for range 0: {message}")
    assert "c1/eth0" in taken["details"]


async def test_what_a_repeated_add_cannot_mean_is_refused(runtime: Runtime) -> None:
    await runtime.add(network(SMALL))

    other_address = await runtime.call("ADD", network(SMALL, args={"cni": {"ips": ["10.1.2.5"]}}))
    other_range = await runtime.call("ADD", network({"subnet": "10.8.0.0/24"}))

    assert other_address["code"] == 11
    assert (other_range["code"], runtime.leases()) == (101, {"10.1.2.2": "Attachment mynet/c1/eth0"})


async def test_a_del_releases_and_may_be_repeated(runtime: Runtime) -> None:
    await runtime.add(network(DUAL))

    for _ in range(2):
        assert await runtime.call("DEL", network(DUAL)) is None
    assert runtime.leases() == {}


@pytest.mark.parametrize("ipam", [{"subnet": "no"}, {"pool": "absent"}, None])
async def test_a_del_needs_neither_a_sound_configuration_nor_a_namespace(runtime: Runtime, ipam: object) -> None:
    await runtime.add(network(DUAL))

    assert await runtime.call("DEL", network(ipam), NETNS=None) is None
    assert runtime.leases() == {}


async def test_a_late_del_of_another_container_frees_nothing(runtime: Runtime) -> None:
    asking = network(SMALL, args={"cni": {"ips": ["10.1.2.5"]}})
    await runtime.add(asking, "c1")
    await runtime.call("DEL", asking, "c1")
    await runtime.add(asking, "c2")

    await runtime.call("DEL", asking, "c1")

    assert runtime.leases() == {"10.1.2.5": "Attachment mynet/c2/eth0"}


async def test_an_add_that_its_del_has_overtaken_leaves_no_lease(runtime: Runtime, clock: Clock) -> None:
    assert await runtime.call("DEL", network(SMALL)) is None
    runtime.starts -= 2  # an ADD that was started before

    refused = await runtime.call("ADD", network(SMALL))

    assert (refused["code"], runtime.leases()) == (11, {})
    runtime.starts += 2
    assert await runtime.add(network(SMALL)) == ["10.1.2.2/29"]


async def test_an_add_whose_executable_is_gone_leaves_no_lease(runtime: Runtime) -> None:
    runtime.clients_are_there = False
    await runtime.call("ADD", network(SMALL))
    assert runtime.leases() == {}

    runtime.clients_are_there = True
    await runtime.add(network(SMALL))
    runtime.clients_are_there = False
    await runtime.call("ADD", network(SMALL))  # repeated by somebody who is gone: the first one has been told
    assert len(runtime.leases()) == 1


async def test_a_check_compares_the_very_addresses(runtime: Runtime) -> None:
    config = network(DUAL)
    result = await runtime.call("ADD", config)

    assert await runtime.call("CHECK", {**config, "prevResult": result}) is None
    fewer = {**result, "ips": result["ips"][:1]}
    other = {**result, "ips": [{"address": "10.1.2.9/24"}, result["ips"][1]]}
    for previous in (fewer, other):
        refused = await runtime.call("CHECK", {**config, "prevResult": previous})
        assert (refused["code"], refused["msg"]) == (105, "c1/eth0 has other addresses than it was given")


async def test_a_check_finds_what_is_gone(runtime: Runtime, broken: set[str]) -> None:
    broken.add("attached")
    config = network(SMALL)
    result = await runtime.call("ADD", config)
    (lease,) = runtime.service.list_leases(LeaseFilter(), 0, 10)
    await runtime.service.release(lease.id)

    for container in ("c1", "c2"):
        refused = await runtime.call("CHECK", {**config, "prevResult": result}, container)
        assert refused["msg"] == f"ipamd: Failed to find address added by container {container}"


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
async def test_a_gc_releases_what_is_not_named(runtime: Runtime, clock: Clock, key: str) -> None:
    for container in ("c1", "c2"):
        await runtime.add(network(SMALL, "1.1.0"), container)
    clock.now += GRACE

    config = {**network(SMALL, "1.1.0"), key: [{"containerID": "c2", "ifname": "eth0"}]}
    assert await runtime.call("GC", config) is None

    assert runtime.leases() == {"10.1.2.3": "Attachment mynet/c2/eth0"}


async def test_a_gc_is_scoped_to_its_network_and_its_node_and_spares_the_newest(runtime: Runtime, clock: Clock) -> None:
    await runtime.add(network(SMALL, name="other", args={"cni": {"ips": ["10.1.2.6"]}}), "c1")
    await runtime.add(network({**SMALL, "node": "n2"}), "c2")
    clock.now += GRACE
    await runtime.add(network(SMALL), "c3")

    await runtime.call("GC", {**network(SMALL, "1.1.0"), "cni.dev/valid-attachments": []})

    assert set(runtime.leases().values()) == {
        "Attachment other/c1/eth0",
        "Attachment mynet/c2/eth0",
        "Attachment mynet/c3/eth0",
    }
    clock.now += GRACE
    await runtime.call("GC", {**network(SMALL, "1.1.0"), "cni.dev/valid-attachments": []})
    assert "Attachment mynet/c3/eth0" not in runtime.leases().values()


@pytest.mark.parametrize("more", [{}, {"cni.dev/valid-attachments": None}])
async def test_a_list_that_is_absent_is_not_an_empty_one(runtime: Runtime, clock: Clock, more: dict[str, None]) -> None:
    await runtime.add(network(SMALL))
    clock.now += GRACE

    refused = await runtime.call("GC", {**network(SMALL, "1.1.0"), **more})

    assert (refused["code"], len(runtime.leases())) == (7, 1)


async def test_a_clock_that_steps_back_collects_nothing_early(runtime: Runtime, clock: Clock) -> None:
    await runtime.add(network(SMALL))
    clock.now -= 3600

    await runtime.call("GC", {**network(SMALL, "1.1.0"), "cni.dev/valid-attachments": []})

    assert len(runtime.leases()) == 1


async def test_status_tells_whether_an_add_would_find_addresses(runtime: Runtime) -> None:
    config = network({"subnet": "10.1.3.0/30"}, "1.1.0")
    assert await runtime.call("STATUS", config) is None
    await runtime.add(config)

    assert (await runtime.call("STATUS", config))["code"] == 50
    assert await runtime.call("STATUS", network({"pool": "pods"}, "1.1.0")) is None
    assert (await runtime.call("STATUS", network({"pool": "absent"}, "1.1.0")))["code"] == 50
    await runtime.call("DEL", config)
    assert await runtime.call("STATUS", config) is None


async def test_pools_of_ipamd_are_named_or_chosen_for_pods(runtime: Runtime) -> None:
    assert await runtime.add(network({"pool": "tiny"}), "c1") == ["192.0.2.2/29"]
    assert await runtime.add(network({"pools": ["pods-v6", "tiny"]}), "c2") == ["fd00:10:244::2/56", "192.0.2.3/29"]
    assert await runtime.add(network({}), "c3") == ["10.244.0.2/16", "fd00:10:244::3/56"]

    result = await runtime.call("ADD", network({"pool": "pods"}, args={"cni": {"ips": ["10.244.9.9"]}}), "c4")
    assert result["ips"] == [{"address": "10.244.9.9/16", "gateway": "10.244.0.1"}]


NOT_AT_ENDS = "10.244.0.1 is not handed out by pool pods: it is at an end of its CIDR (see `edges`)"
ASKING_OUTSIDE = {"cni": {"ips": ["10.9.9.9"]}}
TOO_MANY = "CNI version 0.2.0 does not support more than 1 address per family"
NOTHING_LEFT = "no IP addresses available in range set: 10.1.0.1-10.1.0.2"


@pytest.mark.parametrize(
    ("ipam", "more", "code", "message"),
    [
        ({"pool": "absent"}, {}, 103, "there is no pool 'absent'"),
        ({"pool": "pods"}, {"args": ASKING_OUTSIDE}, 7, "failed to allocate all requested IPs: 10.9.9.9"),
        ({"pool": "pods"}, {"args": {"cni": {"ips": ["10.244.0.1"]}}}, 7, NOT_AT_ENDS),
        ({"pools": ["pods", "tiny"]}, {"version": "0.2.0"}, 7, TOO_MANY),
        ({"subnet": "10.1.0.0/24", "resolvConf": "/nowhere"}, {}, 5, "open /nowhere: No such file or directory"),
        ({"range": "10.1.0.0/30", "exclude": ["10.1.0.0/24"]}, {}, 100, NOTHING_LEFT),
    ],
)  # fmt: skip
async def test_what_cannot_be_given_is_refused(
    runtime: Runtime, ipam: object, more: dict[str, object], code: int, message: str
) -> None:
    refused = await runtime.call("ADD", network(ipam, **more))

    assert (refused["code"], refused["msg"], runtime.leases()) == (code, message, {})


async def test_ranges_that_overlap_a_pool_of_their_space_are_refused(runtime: Runtime) -> None:
    await runtime.service.create_pool(Pool("mine", ("10.1.0.0/16",), space="mynet"))

    refused = await runtime.call("ADD", network(SMALL))

    assert (refused["code"], refused["msg"]) == (7, "10.1.2.0/29 overlaps 10.1.0.0/16 of pool mine")


async def test_a_namespace_that_is_the_executables_own_is_refused(runtime: Runtime) -> None:
    runtime.own_netns = True

    assert (await runtime.call("ADD", network(SMALL)))["code"] == 8
    assert runtime.leases() == {}
    assert await runtime.add(network(SMALL), NETNS_OVERRIDE="true") == ["10.1.2.2/29"]
    assert (await runtime.call("DEL", network(SMALL)))["code"] == 8
    assert runtime.leases() == {}  # it was released all the same


async def test_a_pod_owns_the_address_of_its_interface(runtime: Runtime) -> None:
    await runtime.add(network({"pool": "pods"}), ARGS=kubelet("a", "u1"))

    assert runtime.leases() == {"10.244.0.2": "Pod web/a"}
    assert addresses_of_pod(runtime, "a") == ["10.244.0.2"]
    await runtime.call("DEL", network({"pool": "pods"}), ARGS=kubelet("a", "u1"))
    assert (runtime.leases(), addresses_of_pod(runtime, "a")) == ({}, None)


async def test_a_sandbox_that_is_made_anew_keeps_the_address_of_its_pod(runtime: Runtime) -> None:
    config = network({"range": "10.5.0.0/24"})
    first = await runtime.add(config, "old", ARGS=kubelet("a", "u1"))
    assert await runtime.add(config, "new", ARGS=kubelet("a", "u1")) == first

    await runtime.call("DEL", config, "old", ARGS=kubelet("a", "u1"))
    assert runtime.leases() == {"10.5.0.1": "Pod web/a"}
    await runtime.call("DEL", config, "new")
    assert runtime.leases() == {}


async def test_a_further_interface_of_a_pod_has_an_address_that_is_not_the_pods(runtime: Runtime) -> None:
    await runtime.add(network({"pool": "pods"}), "c1", ARGS=kubelet("a"))
    for ifname in ("net1", "net2"):
        await runtime.add(network({"range": "10.5.0.0/24"}, name="second"), "c1", ARGS=kubelet("a"), IFNAME=ifname)

    assert runtime.leases() == {
        "10.244.0.2": "Pod web/a",
        "10.5.0.1": "Attachment second/c1/net1",
        "10.5.0.2": "Attachment second/c1/net2",
    }
    assert addresses_of_pod(runtime, "a") == ["10.244.0.2"]


async def test_a_new_pod_of_the_name_gets_an_address_of_its_own_while_the_old_one_may_run(runtime: Runtime) -> None:
    config = network({"pool": "pods"})
    await runtime.add(config, "c1", ARGS=kubelet("db-0", "u1"))

    assert await runtime.add(config, "c2", ARGS=kubelet("db-0", "u2")) == ["10.244.0.3/16"]

    assert runtime.leases() == {"10.244.0.2": "Attachment mynet/c1/eth0", "10.244.0.3": "Pod web/db-0"}
    assert addresses_of_pod(runtime, "db-0") == ["10.244.0.3"]
    await runtime.call("DEL", config, "c1", ARGS=kubelet("db-0", "u1"))
    assert runtime.leases() == {"10.244.0.3": "Pod web/db-0"}


@pytest.mark.parametrize("name", ["Upper", "MyNet_1.x", "n" * 80])
async def test_any_name_of_a_network_makes_a_pool(runtime: Runtime, name: str) -> None:
    assert await runtime.add(network(SMALL, name=name)) == ["10.1.2.2/29"]
    (pool,) = [each.pool for each in runtime.service.list_pools() if each.pool.space == name]
    assert ip_network(pool.cidrs[0]) == ip_network("10.1.2.0/29")


async def test_a_pool_that_is_per_node_gives_from_the_block_of_the_node(runtime: Runtime) -> None:
    spread = Pool("spread", ("10.60.0.0/16",), purpose="pods", block_size=24, per_node=True)
    await runtime.service.create_pool(spread)
    await runtime.service.lease(Owner("Node", "n1"), Wish(pool="spread", block=True))

    result = await runtime.call("ADD", network({"pool": "spread"}), ARGS=kubelet("a"))
    assert result["ips"] == [{"address": "10.60.0.2/24", "gateway": "10.60.0.1"}]
    assert await runtime.call("STATUS", network({"pool": "spread"}, "1.1.0")) is None

    refused = await runtime.call("ADD", network({"pool": "spread", "node": "n2"}), "c2")
    assert refused["code"] == 103


async def test_what_was_given_back_cools(service: Service, broken: set[str]) -> None:
    broken.add("counts")  # `service` does not see what the other one does
    cooling = Runtime(Service(service.store, service.log, Random(1), dns_ttl=30))
    small = network({"subnet": "10.1.3.0/30"})
    await cooling.add(small, "c1")
    await cooling.call("DEL", small, "c1")

    assert (await cooling.call("ADD", small, "c2"))["code"] == 104
    assert await cooling.add(small, "c1") == ["10.1.3.2/30"]  # the last owner gets it back at once
