"""A dockerd that loses replies, is killed and shares its ipamd's misfortunes: no address twice, and none left over."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from ipamd.docker.adopting import Seen
from ipamd.docker.driver import Driver
from ipamd.docker.engine import Sighting
from ipamd.docker.messages import GATEWAY, LOCAL, MAC, REQUEST_TYPE, PoolRequest
from ipamd.docker.names import Named
from ipamd.docker.networks import Predefined
from ipamd.docker.witness import Witness
from ipamd.events import Events
from ipamd.fsck import check
from ipamd.fsck.running import found_running
from ipamd.log import Log
from ipamd.model import LeaseFilter
from ipamd.ranges import read_cidr, show_address
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.clock import Clock

GRACE = 30.0
PREDEFINED = (Predefined(read_cidr("10.9.0.0/27"), 29),)
SUBNETS = ["10.1.0.0/29", "10.1.0.8/29", "10.1.0.0/28", "fd00::/125", ""]
chosen = st.integers(0, 9)
is_lost = st.sampled_from([False, False, True])


class Network:
    """A network as dockerd knows it: its gateway, and the MAC addresses of its containers by their addresses."""

    def __init__(self, pool: dict[str, str], gateway: str) -> None:
        self.identifier, self.cidr, self.gateway = pool["PoolID"], pool["Pool"], gateway
        self.containers: dict[str, str] = {}


class Dockerd(RuleBasedStateMachine):
    """What dockerd believes, and the driver that it calls. A call whose reply is lost it takes for failed."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directories = [TemporaryDirectory()]
        self.clock = Clock()
        self.networks: list[Network] = []
        self.macs = 0
        self.run(self.open())

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(doing)

    async def open(self) -> None:
        self.store = SqliteStore(Path(self.directories[-1].name) / "ipamd.sqlite", self.clock)
        self.service = Service(self.store, Log(self.store, 1000), Random(7))
        self.driver = Driver(self.service, PREDEFINED)
        events = Events(self.clock)
        self.witness = Witness(self.store, self.driver, lambda *_: None, events, Random(7), self.clock, GRACE)

    def teardown(self) -> None:
        self.settles()
        self.run(self.store.close())
        self.loop.close()
        for directory in self.directories:
            directory.cleanup()

    def call(self, method: str, **members: object) -> Any:
        """The reply; None for a refusal."""
        reply = self.run(self.driver.answer(f"IpamDriver.{method}", json.dumps(members).encode()))
        return None if "Error" in reply else reply

    def request(self, identifier: str, address: str, options: dict[str, str]) -> str | None:
        reply = self.call("RequestAddress", PoolID=identifier, Address=address, Options=options)
        return None if reply is None else str(reply["Address"]).partition("/")[0]

    @rule(subnet=st.sampled_from(SUBNETS), pool_lost=is_lost, gateway_lost=is_lost)
    def create_network(self, subnet: str, pool_lost: bool, gateway_lost: bool) -> None:
        pool = self.call("RequestPool", AddressSpace=LOCAL, Pool=subnet, SubPool="", Options={}, V6=":" in subnet)
        if pool is None or pool_lost:
            return
        assert not any(read_cidr(pool["Pool"]).overlaps(read_cidr(each.cidr)) for each in self.networks)
        gateway = self.request(pool["PoolID"], "", {REQUEST_TYPE: GATEWAY})
        if gateway is not None and not gateway_lost:
            self.networks.append(Network(pool, gateway))
        elif not gateway_lost:
            self.call("ReleasePool", PoolID=pool["PoolID"])

    @precondition(lambda self: bool(self.networks))
    @rule(which=chosen, asked=st.sampled_from([0, 0, 0, 3, 5]), lost=is_lost)
    def start(self, which: int, asked: int, lost: bool) -> None:
        network = self.networks[which % len(self.networks)]
        self.macs += 1
        mac = f"02:42:00:00:{self.macs >> 8:02x}:{self.macs & 255:02x}"
        cidr = read_cidr(network.cidr)
        wanted = show_address(cidr.family, cidr.base + asked) if asked else ""
        given = self.request(network.identifier, wanted, {MAC: mac})
        if given is None or lost:
            return
        assert given not in network.containers
        assert given != network.gateway
        assert given == (wanted or given)
        network.containers[given] = mac

    @precondition(lambda self: bool(self.networks))
    @rule(which=chosen, container=chosen)
    def stop(self, which: int, container: int) -> None:
        network = self.networks[which % len(self.networks)]
        if network.containers:
            address = [*network.containers][container % len(network.containers)]
            del network.containers[address]
            self.call("ReleaseAddress", PoolID=network.identifier, Address=address)

    @precondition(lambda self: bool(self.networks))
    @rule(which=chosen)
    def remove_network(self, which: int) -> None:
        network = self.networks[which % len(self.networks)]
        if not network.containers:
            self.networks.remove(network)
            self.call("ReleaseAddress", PoolID=network.identifier, Address=network.gateway)
            self.call("ReleasePool", PoolID=network.identifier)

    @precondition(lambda self: bool(self.networks))
    @rule(which=chosen, whole=st.booleans())
    def die(self, which: int, whole: bool) -> None:
        """dockerd is killed: containers, and networks that it had not noted yet, are gone without a call."""
        network = self.networks[which % len(self.networks)]
        network.containers.clear()
        if whole:
            self.networks.remove(network)

    @precondition(lambda self: bool(self.networks))
    @rule(which=chosen, is_stopped=st.booleans())
    def release_by_hand(self, which: int, is_stopped: bool) -> None:
        """An operator releases what a container uses: that stops, or is looked at, before anybody else asks for it."""
        leases = self.service.list_leases(LeaseFilter(), 0, 1000)
        used = [
            (lease, place, [*network.containers].index(lease.address))
            for lease in leases
            for place, network in enumerate(self.networks)
            if lease.owner.namespace == network.identifier and lease.address in network.containers
        ]
        if not used:
            return
        lease, place, container = used[which % len(used)]
        self.run(self.service.release(lease.id))
        if is_stopped:
            self.stop(place, container)
        else:
            self.look(0.0)

    @rule(seconds=st.sampled_from([0.0, GRACE / 2, GRACE]))
    def look(self, seconds: float) -> None:
        self.clock.now += seconds
        self.run(self.witness.compare(self.sighting()))

    @rule(whole=st.booleans())
    def restart_ipamd(self, whole: bool) -> None:
        """It starts again, on its store or on a new one, for the old was lost."""
        self.run(self.store.close())
        if whole:
            self.directories.append(TemporaryDirectory())
        self.run(self.open())
        if whole:
            self.settles()

    def sighting(self) -> Sighting:
        pools, named = {}, []
        for network in self.networks:
            request = PoolRequest(LOCAL, network.cidr, "", None, ":" in network.cidr)
            pools[network.identifier] = Seen(request, containers=dict(network.containers))
            for address, mac in network.containers.items():
                named.append(Named("net", (network.identifier,), (mac, "all"), (address,)))
        return Sighting(pools, tuple(named))

    def settles(self) -> None:
        """After two looks, a grace apart, what is leased and named is what dockerd has."""
        for seconds in (0.0, GRACE, 0.0):
            self.look(seconds)
        leased = [(lease.owner.namespace, lease.address) for lease in self.service.list_leases(LeaseFilter(), 0, 1000)]
        has = [(each.identifier, address) for each in self.networks for address in (each.gateway, *each.containers)]
        assert sorted(leased) == sorted(has)
        pods = self.store.view(lambda view: len(view.list("Pod")))
        assert pods == sum(len(each.containers) for each in self.networks)

    @invariant()
    def store_and_memory_agree(self) -> None:
        running = self.run(found_running(self.service))
        assert [*map(str, (*self.store.view(lambda view: [*check(view)]), *running))] == []


def test_no_address_is_given_twice_and_none_is_left_over() -> None:
    run_state_machine_as_test(Dockerd, settings=settings(max_examples=30, stateful_step_count=30, deadline=None))
