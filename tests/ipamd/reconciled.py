"""A service whose leases are reconciled, with a clock that tests move, and the container runtime of a node."""

from collections.abc import Mapping

from ipamd.cni.attachments import ATTACHMENT
from ipamd.cni.frames import Call
from ipamd.cni.plugin import Plugin
from ipamd.events import Events
from ipamd.model import LeaseFilter, Owner, Wish
from ipamd.reconciling import Reconciler
from ipamd.service import Service
from ipamd.witnesses import Subject
from tests.ipamd.clock import Clock
from tests.ipamd.cni.calling import call, network

GRACE = 60.0


class World:
    """A service, what reconciles it, and a clock."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self.service = service
        self.clock = clock
        self.events = Events(clock)
        self.reconciler = Reconciler(service, self.events, clock, GRACE)

    async def lease(self, kind: str, name: str, namespace: str = "batch", **wish: str) -> int:
        lease, _ = await self.service.lease(Owner(kind, name, namespace), Wish(pool="pods", **wish))
        return lease.id

    def report(self, subject: Subject, *names: str) -> None:
        self.reconciler.heard(subject, frozenset(names))

    async def later(self, seconds: float) -> list[str]:
        """Free what is due some seconds later, and tell whose it was."""
        self.clock.now += seconds
        _, freed = await self.reconciler.free()
        return [each.lease.owner.name for each in freed]

    async def suspected(self) -> list[tuple[str, bool]]:
        return [(each.suspect.lease.owner.name, each.is_due) for each in await self.reconciler.look()]

    def held(self) -> list[str]:
        return [each.owner.name for each in self.service.list_leases(LeaseFilter(), 0, 99)]


class Runtime:
    """The container runtime of the node n1, whose calls and lists the world's reconciler hears."""

    def __init__(self, world: World) -> None:
        self.world = world

        def heard(network: str, node: str, names: frozenset[str]) -> None:
            world.reconciler.heard(Subject(ATTACHMENT, network, node), names)

        self.plugin = Plugin(world.service, 10.0, heard, world.reconciler.called)

    async def attach(self, container: str, args: str | None = None) -> None:
        await self.call("ADD", CONTAINERID=container, ARGS=args)

    async def collect(self, *containers: str) -> None:
        """A GC that names these containers."""
        valid = [{"containerID": each, "ifname": "eth0"} for each in containers]
        await self.call("GC", {"cni.dev/valid-attachments": valid})

    async def call(self, command: str, more: Mapping[str, object] | None = None, **variables: str | None) -> None:
        config = network({"type": "ipamd", "pool": "pods"}, "1.1.0", "net") | (more or {})
        request = call(config, COMMAND=command, **variables)
        outcome = await self.plugin.answer(
            Call({**request.environment, "IPAMD_NODE": "n1"}, request.stdin), lambda: True
        )
        assert outcome.status == 0, outcome
