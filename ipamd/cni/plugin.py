"""What the plugin does for each command of CNI.

Strategy: the skeleton checks the request, a method carries out the command, and whatever it raises becomes the error
that is printed. Everything that a command changes is one transaction.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from ipamd import gone_nodes
from ipamd.allocator import Space
from ipamd.cni import attachments
from ipamd.cni.adding import Added, Asker, Sources, add, wishes_of_pools
from ipamd.cni.arguments import pod_of, read_arguments
from ipamd.cni.attachments import ATTACHMENT, Key, key_of
from ipamd.cni.codes import Code
from ipamd.cni.document import Dns, Network, read_network
from ipamd.cni.frames import Call, IsThere, Outcome
from ipamd.cni.networks import Networks
from ipamd.cni.plan import Plan
from ipamd.cni.planning import plan_of, read_resolv_conf
from ipamd.cni.refusals import refusal
from ipamd.cni.results import show_error, show_result
from ipamd.cni.skeleton import check
from ipamd.cni.tombstones import Tombstones
from ipamd.errors import CniError, IpamError
from ipamd.model import Wish
from ipamd.service import Service
from ipamd.stores import Tx, View

Heard = Callable[[str, str, frozenset[str]], None]
"""Who is told what there is: of a network, on a node, all attachments by their names."""

COLLECTED = "collected"  # why a lease has ended that a GC did not name
ALLOWING = ("1", "TRUE")  # CNI_NETNS_OVERRIDE, in capitals


class Request(NamedTuple):
    """A well-formed call."""

    environment: Mapping[str, str]
    network: Network

    @property
    def key(self) -> Key:
        """The attachment that it is about."""
        return Key(self.network.name, self.environment["CNI_CONTAINERID"], self.environment["CNI_IFNAME"])

    @property
    def node(self) -> str:
        """The node that it comes from: as the configuration names it, or the executable."""
        configured = self.network.ipam.node if self.network.ipam is not None else ""
        return configured or self.environment.get("IPAMD_NODE", "")

    @property
    def started(self) -> int | None:
        """When the executable was started, in nanoseconds since the epoch; None if it did not say."""
        text = self.environment.get("IPAMD_STARTED", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def is_in_own_netns(self) -> bool:
        """Whether CNI_NETNS is the executable's own network namespace, and nobody allowed that."""
        override = self.environment.get("CNI_NETNS_OVERRIDE", "").upper()
        return self.environment.get("IPAMD_OWN_NETNS") == "1" and override not in ALLOWING

    @property
    def plan(self) -> Plan:
        """What the configuration comes down to. Raises CniError."""
        return plan_of(self.network, read_arguments(self.environment.get("CNI_ARGS", "")))


class Plugin:
    """The commands, over one service.

    What was added less than `grace` seconds ago is never collected. `heard` gets the list of every GC, and `called` the
    node of every call.
    """

    def __init__(self, service: Service, grace: float, heard: Heard, called: Callable[[str], None]) -> None:
        self._service = service
        self._grace = grace
        self._heard = heard
        self._called = called
        self._sources = Sources(service, Networks(service.pools))
        self._tombstones = Tombstones()
        self._commands: Mapping[str, Callable[[Request, IsThere], Awaitable[str]]] = {
            "ADD": self._add,
            "DEL": self._delete,
            "CHECK": self._check,
            "GC": self._collect,
            "STATUS": self._status,
        }

    async def answer(self, call: Call, is_there: IsThere) -> Outcome:
        """Carry out a call, and return what is to be printed."""
        version = ""
        try:
            version = check(call).version
            command = self._commands[call.environment["CNI_COMMAND"]]
            request = Request(call.environment, read_network(call.stdin))
            self._called(request.node)
            return Outcome(0, await command(request, is_there))
        except CniError as error:
            return refused(version, error)
        except IpamError as error:
            return refused(version, refusal(error))

    async def _add(self, request: Request, is_there: IsThere) -> str:
        """Have what the configuration says leased to the attachment, and show it."""
        check_netns(request)
        plan = request.plan
        dns = read_dns(plan)
        added = await self._service.store.update(partial(self._add_in, request=request, plan=plan))
        if added.is_new and not is_there():  # nobody has heard of it: it was killed, and may never be deleted
            await self._service.store.update(partial(self._undo_in, key=request.key, revision=added.revision))
        return show_result(request.network.version, added.given, plan.routes, dns)

    def _add_in(self, tx: Tx, request: Request, plan: Plan) -> Added:
        key = request.key
        if self._tombstones.has_overtaken(key, request.started, tx.now):
            raise CniError(Code.TRY_AGAIN_LATER, f"{key.name} was deleted after this ADD began")
        pod = pod_of(read_arguments(request.environment.get("CNI_ARGS", "")))
        return add(tx, self._sources, Asker(key, pod, request.node), plan, request.network.version)

    def _undo_in(self, tx: Tx, key: Key, revision: int) -> None:
        """Release an attachment, unless it was asked for again since that revision."""
        stored = tx.get(ATTACHMENT, key.network, key.name)
        if stored is not None and stored.revision == revision:
            attachments.detach(tx, self._service, key)

    async def _delete(self, request: Request, _is_there: IsThere) -> str:
        """Release what the attachment has, which may be nothing. The `ipam` object need not be right for that."""
        await self._service.store.update(partial(self._delete_in, request=request))
        check_netns(request)
        return ""

    def _delete_in(self, tx: Tx, request: Request) -> None:
        self._tombstones.bury(request.key, request.started, tx.now)
        attachments.detach(tx, self._service, request.key)

    async def _check(self, request: Request, _is_there: IsThere) -> str:
        """See that the attachment has the very addresses of the result that it was given, no more and no fewer."""
        held = self._service.store.view(partial(addresses_of, key=request.key))
        if held is None:
            container = request.key.container
            raise CniError(Code.LOST, f"ipamd: Failed to find address added by container {container}")
        previous = request.network.previous
        if previous is not None:
            static = {str(each.address) for each in request.plan.static}
            given = {str(each) for each in previous.addresses} - static
            check_addresses(request.key, held, given)
        return ""

    async def _collect(self, request: Request, _is_there: IsThere) -> str:
        """Release what the node has of the network, but for the attachments that are named and those just added."""
        named = request.network.valid if request.network.valid is not None else request.network.valid_legacy
        if named is None:
            message = "GC needs cni.dev/valid-attachments, which may be empty: nothing was released"
            raise CniError(Code.INVALID_CONFIG, message)
        network = request.network.name
        valid = frozenset(Key(network, each.container, each.ifname) for each in named)
        await self._service.store.update(partial(self._collect_in, request=request, valid=valid))
        self._heard(network, request.node, frozenset(key.name for key in valid))
        return ""

    def _collect_in(self, tx: Tx, request: Request, valid: frozenset[Key]) -> None:
        gone_nodes.clear(tx, request.node)
        for stored in tx.list(ATTACHMENT, request.network.name):
            key, record = key_of(stored), attachments.read_record(stored)
            is_old = record.added + self._grace <= tx.now
            if key not in valid and record.node == request.node and is_old:
                attachments.detach(tx, self._service, key, COLLECTED)

    async def _status(self, request: Request, _is_there: IsThere) -> str:
        """Say whether an ADD would find addresses now."""
        plan, pools = request.plan, self._service.pools
        try:
            for ranges in plan.sets:
                space = self._sources.networks.find(ranges)
                if space is not None:
                    check_room([space], Wish(pool=space.pool.name, within=ranges.spans))
            if not plan.sets and not plan.static:
                for wish, spaces in wishes_of_pools(pools, plan.pools, request.node):
                    check_room(spaces, wish)
        except IpamError as error:
            raise CniError(Code.UNAVAILABLE, error.detail, error.title) from None
        return ""


def refused(version: str, error: CniError) -> Outcome:
    """The outcome of a call that an error ends."""
    return Outcome(1, show_error(version, error), int(error.code))


def check_room(spaces: Sequence[Space], wish: Wish) -> None:
    """Raise an IpamError if none of the pools could grant the wish."""
    for space in spaces[:-1]:
        with suppress(IpamError):
            space.choose(wish, Random(0))
            return
    spaces[-1].choose(wish, Random(0))


def check_netns(request: Request) -> None:
    """Raise CniError if the container's network namespace is that of the executable."""
    if request.is_in_own_netns:
        message = "plugin's netns and netns from CNI_NETNS should not be the same"
        raise CniError(Code.INVALID_NETNS, message)


def read_dns(plan: Plan) -> Dns:
    """What the container's resolver is to use: the file that is named, or what the configuration says itself."""
    if not plan.resolv_conf:
        return plan.dns
    try:
        return read_resolv_conf(Path(plan.resolv_conf).read_text(errors="replace"))
    except OSError as error:
        raise CniError(Code.IO_FAILURE, f"open {plan.resolv_conf}: {error.strerror}") from None


def addresses_of(view: View, key: Key) -> set[str] | None:
    """The addresses that are leased to an attachment; None if one of its leases, or itself, is not there."""
    record = attachments.find(view, key)
    if record is None:
        return None
    leases = attachments.leases_of(view, key, record)
    return {lease.address for lease in leases} if len(leases) == len(record.leases) else None


def check_addresses(key: Key, held: Collection[str], given: Collection[str]) -> None:
    """Raise CniError unless these are the same."""
    if set(held) != set(given):
        details = f"ipamd has {', '.join(sorted(held))}; the result had {', '.join(sorted(given))}"
        raise CniError(Code.LOST, f"{key.name} has other addresses than it was given", details)
