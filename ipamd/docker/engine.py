"""What the Docker Engine says of its networks and containers, over its own socket.

Strategy: two lists are read, networks and containers, and of a container that is new or changed also what it is called:
its aliases are only told one by one. A daemon that is away, or starts, has seen nothing; that is never taken for an
empty list. Its events say when to look again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from ipamd.docker.adopting import Seen
from ipamd.docker.messages import GLOBAL, LOCAL, PoolRequest
from ipamd.docker.names import Named
from ipamd.docker.networks import pool_id, read_pool, sub_pool_of
from ipamd.errors import DockerError, Invalid
from ipamd.ranges import read_address

LOG = logging.getLogger(__name__)

TIMEOUT = 20.0  # seconds for a reply
FOREVER = aiohttp.ClientTimeout(None)
RETRY = 1.0  # seconds until the events of a daemon that is away are asked for again
BASE = "http://docker"  # nobody looks the name up: it all goes to the socket
EVENTS = '/events?filters={"type":["network","container"],"event":["connect","disconnect","start","rename","destroy"]}'
ENDED = ("exited", "dead")
NO_DRIVER = ("", "default", "null")  # networks of these have no addresses of ours
T = TypeVar("T")
FAILURES = (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError, UnicodeDecodeError)


class Sighting(NamedTuple):
    """What there was: of every PoolID what has addresses, and what the containers are called."""

    pools: Mapping[str, Seen]
    named: tuple[Named, ...]

    @property
    def networks(self) -> frozenset[str]:
        """The networks that have containers."""
        return frozenset(each.network for each in self.named)


class Subnet(Struct, frozen=True, rename="pascal"):
    """A pool of a network."""

    subnet: str = ""
    ip_range: str = msgspec.field(name="IPRange", default="")
    gateway: str = ""
    auxiliary_addresses: dict[str, str] | None = None


class Ipam(Struct, frozen=True, rename="pascal"):
    """Where a network's addresses come from."""

    driver: str = ""
    options: dict[str, str] | None = None
    config: tuple[Subnet, ...] | None = None


class Network(Struct, frozen=True, rename="pascal"):
    """A network, as `GET /networks` lists it."""

    name: str
    id: str
    scope: str = "local"
    ipam: Ipam = msgspec.field(name="IPAM", default=Ipam())

    @property
    def pools(self) -> dict[str, tuple[Subnet, PoolRequest]]:
        """Its pools by PoolID, and how the driver was asked for them. Docker shows a subnet as its user wrote it.

        A network of many hosts is of another address space.
        """
        space, found = LOCAL if self.scope == "local" else GLOBAL, {}
        for each in self.ipam.config or ():
            with suppress(DockerError):  # what is no CIDR was not asked of this driver
                cidr = read_pool(each.subnet)
                identifier = pool_id(space, str(cidr), sub_pool_of(cidr, each.ip_range))
                asked = PoolRequest(space, each.subnet, each.ip_range, self.ipam.options, cidr.family == 6)
                found[identifier] = (each, asked)
        return found


class Attached(Struct, frozen=True, rename="pascal"):
    """A container in a network."""

    network_id: str = msgspec.field(name="NetworkID", default="")
    endpoint_id: str = msgspec.field(name="EndpointID", default="")
    ip_address: str = msgspec.field(name="IPAddress", default="")
    ipv6_address: str = msgspec.field(name="GlobalIPv6Address", default="")
    mac_address: str = ""
    aliases: tuple[str, ...] | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """What it has there."""
        return tuple(filter(None, (self.ip_address, self.ipv6_address)))


class Settings(Struct, frozen=True, rename="pascal"):
    """The networks of a container."""

    networks: dict[str, Attached] | None = None

    @property
    def attached(self) -> list[Attached]:
        """All of them."""
        return [*(self.networks or {}).values()]


class Container(Struct, frozen=True, rename="pascal"):
    """A container, as `GET /containers/json` lists it."""

    id: str
    names: tuple[str, ...] = ()
    state: str = ""
    network_settings: Settings = Settings()

    @property
    def attached(self) -> list[Attached]:
        """Where it is. After a crash of the daemon a container that has ended is still shown with what it had."""
        return [] if self.state in ENDED else self.network_settings.attached


class Told(Struct, frozen=True, rename="pascal"):
    """A container as `GET /containers/ID/json` tells it, as far as the list does not."""

    network_settings: Settings = Settings()


class Engine:
    """The daemon behind a socket. `driver` is what it calls the IPAM driver here."""

    def __init__(self, socket: Path, driver: str) -> None:
        self._socket = socket
        self._driver = driver
        self._silence = ""  # why it does not answer; empty if it does
        self._aliases: dict[str, tuple[str, ...]] = {}  # by endpoint

    async def look(self) -> Sighting | None:
        """What there is now; None if the daemon does not say."""
        try:
            async with self._session() as session:
                containers = await fetched(session, "/containers/json?all=1", list[Container])
                networks = await fetched(session, "/networks", list[Network])
                ours = {each.id: each for each in networks if each.ipam.driver not in NO_DRIVER}
                await self._read_aliases(session, containers, ours.keys())
        except FAILURES as error:
            reason = str(error) or type(error).__name__
            if reason != self._silence:
                LOG.warning("the Docker daemon at %s does not answer: %s", self._socket, reason)
            self._silence = reason
            return None
        self._silence = ""
        return sighted(ours, containers, self._aliases, self._driver)

    async def events(self) -> AsyncIterator[None]:
        """Yield whenever something may be new, for ever."""
        while True:
            with suppress(*FAILURES):
                async for _ in self._stream():
                    yield
            await asyncio.sleep(RETRY)

    async def _stream(self) -> AsyncIterator[None]:
        """Yield for what was missed while nobody listened, and then for every event."""
        async with self._session() as session, session.get(EVENTS, timeout=FOREVER) as response:
            response.raise_for_status()
            yield
            async for _ in response.content:
                yield

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        connector = aiohttp.UnixConnector(path=str(self._socket))
        async with aiohttp.ClientSession(BASE, connector=connector, timeout=aiohttp.ClientTimeout(TIMEOUT)) as session:
            yield session

    async def _read_aliases(
        self, session: aiohttp.ClientSession, containers: Collection[Container], networks: Collection[str]
    ) -> None:
        """Know the aliases in these networks of every container that has addresses there."""
        known: dict[str, tuple[str, ...]] = {}
        for container in containers:
            present = {
                each.endpoint_id for each in container.attached if each.addresses and each.network_id in networks
            }
            if not present <= self._aliases.keys():
                told = await fetched(session, f"/containers/{container.id}/json", Told)
                known |= {each.endpoint_id: aliases(container.id, each) for each in told.network_settings.attached}
            known |= {each: self._aliases[each] for each in present & self._aliases.keys() if each not in known}
        self._aliases = known


def aliases(container: str, attached: Attached) -> tuple[str, ...]:
    """What the container of that id is called in a network beside its name; the beginning of its id is no name."""
    return tuple(each for each in attached.aliases or () if not container.startswith(each))


def sighted(
    networks: Mapping[str, Network],
    containers: Collection[Container],
    known: Mapping[str, tuple[str, ...]],
    driver: str,
) -> Sighting:
    """What the lists come to."""
    macs: dict[str, dict[str, str]] = {each.id: {} for each in networks.values()}
    named = []
    for container in containers:
        name = next((each.removeprefix("/") for each in container.names if each.count("/") == 1), container.id[:12])
        for attached in container.attached:
            network = networks.get(attached.network_id)
            if network is None or not attached.addresses:
                continue
            macs[network.id] |= dict.fromkeys(attached.addresses, attached.mac_address)
            names = dict.fromkeys((name, *known.get(attached.endpoint_id, ())))
            named.append(Named(network.name, tuple(network.pools), tuple(names), attached.addresses))
    pools: dict[str, Seen] = {}
    for network in networks.values():
        pools |= seen_of(network, macs[network.id], driver)
    return Sighting(pools, tuple(named))


def seen_of(network: Network, macs: Mapping[str, str], driver: str) -> Iterator[tuple[str, Seen]]:
    """The pools of a network, by PoolID, with those of the addresses that are of the pool's family."""
    for identifier, (subnet, request) in network.pools.items():
        of_family = {address: mac for address, mac in macs.items() if (":" in address) == (":" in subnet.subnet)}
        kept = tuple(canonical((subnet.auxiliary_addresses or {}).values()))
        yield identifier, Seen(request, network.ipam.driver == driver, subnet.gateway, kept, of_family)


def canonical(texts: Iterable[str]) -> Iterator[str]:
    """The addresses among these, in the form of RFC 5952."""
    for text in texts:
        with suppress(Invalid):
            yield str(read_address(text))


async def fetched(session: aiohttp.ClientSession, path: str, kind: type[T]) -> T:
    """A document of the daemon. Raises one of FAILURES."""
    async with session.get(path) as response:
        response.raise_for_status()
        return msgspec.json.decode(await response.read(), type=kind)
