"""The sockets of one place, by its transport: what speaks DNS, DNS over TLS, HTTPS, HTTP/3, QUIC or gRPC there."""

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from kdns.answer import Answers
from kdns.block import Blocks
from kdns.errors import StartError
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.plugins.grpc_server import GrpcServer
from kdns.plugins.https import Https
from kdns.plugins.https3 import Https3
from kdns.plugins.proxyproto import Proxyproto
from kdns.plugins.quic import Quic
from kdns.plugins.shed import Shed
from kdns.plugins.tls import Tls
from kdns.transport.backlog import Backlog
from kdns.transport.certificates import VERIFY, Certificates
from kdns.transport.proxied import Proxying
from kdns.transport.sockets import Endpoint, Shares, open_tcp, open_udp
from kdns.transport.tcp import TcpListener
from kdns.transport.timeouts import Timeouts
from kdns.transport.udp import UdpListener

DEFAULT_TIMEOUTS = Timeouts()
EXTRAS = {"https": "doh", "grpc": "doh,grpc", "https3": "doh,doq", "quic": "doh,doq"}  # what pip has to install


class Place(NamedTuple):
    """A listener's address: the transport's scheme, the IP address ("" for all) and the port."""

    scheme: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{Endpoint(self.address, self.port)}"


class Behind(NamedTuple):
    """What stands behind a place: its zones' blocks, and what their directives say of the listener.

    `any_class`: whether they take other classes than IN. `sockets`: how many an address, when it is opened, and by how
    many `processes` they are read. `values` are those of the directives that only configure, the last block's first.
    """

    blocks: Blocks
    any_class: bool = False
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    sockets: int = 1
    processes: int = 1
    values: tuple[object, ...] = ()

    @property
    def has_views(self) -> bool:
        """Whether the block that answers depends on more than the name: then no answer may be kept by its packet."""
        return any(block.admits for blocks in self.blocks.values() for block in blocks)

    @property
    def takes_updates(self) -> bool:
        """Whether a block takes dynamic updates."""
        return any(block.updates for blocks in self.blocks.values() for block in blocks)

    def value(self, kind: type[Any]) -> Any:
        """The value of a type, or what holds without its directive: one without properties, or None."""
        found = next((value for value in self.values if isinstance(value, kind)), None)
        return kind() if found is None and kind not in (Tls, Shed, Proxyproto) else found

    def proxying(self) -> Proxying | None:
        """What one of its sockets does about the proxies in front of the place, if there are any."""
        found: Proxyproto | None = self.value(Proxyproto)
        return None if found is None else found.proxying()


class Server(Protocol):
    """One socket that is served."""

    async def start(self) -> None:
        """Answer from now on."""

    def adopt(self, timeouts: Timeouts, proxying: Proxying | None) -> None:
        """Give connections from now on these times, and believe these proxies."""

    def stop(self) -> None:
        """Take no more queries; what is under way is still answered."""

    def close(self) -> None:
        """Give the port back; also of one that never started."""


class Around(NamedTuple):
    """What a server needs: who answers, a new memo for each socket, where to count, sockets shared with others."""

    answers: Answers
    memo: Callable[[], Memo]
    metrics: Metrics
    shares: Shares
    clock: Callable[[], float] = time.monotonic


def opened(place: Place, behind: Behind, around: Around) -> list[Server]:
    """Servers on the sockets of a place. StartError if one cannot be opened, with the others given back."""
    servers: list[Server] = []
    try:
        for opener in _OPENERS[place.scheme]:
            servers += opener(place, behind, around)
    except StartError:
        for server in servers:
            server.close()
        raise
    return servers


def _sockets(place: Place, behind: Behind, around: Around, kind: socket.SocketKind) -> list[socket.socket]:
    """Those of a place that this process reads."""
    endpoint = Endpoint(place.address, place.port)
    if around.shares.mine or behind.processes > 1:
        return around.shares.take(str(place), kind, endpoint, behind.sockets, behind.processes)
    return (open_udp if kind == socket.SOCK_DGRAM else open_tcp)(endpoint, behind.sockets)


def _udp(place: Place, behind: Behind, around: Around) -> list[Server]:
    sockets = _sockets(place, behind, around, socket.SOCK_DGRAM)
    shed = behind.value(Shed) is not None
    return [
        UdpListener(
            sock,
            around.answers,
            around.memo(),
            around.clock,
            backlog=Backlog(_dropped(around.metrics, place)) if shed else None,
            proxying=behind.proxying(),
        )
        for sock in sockets
    ]


def _tcp(place: Place, behind: Behind, around: Around) -> list[Server]:
    tls = _certificates(behind, (), around) if place.scheme == "tls" else None
    sockets = _sockets(place, behind, around, socket.SOCK_STREAM)
    return [
        TcpListener(
            sock,
            around.answers,
            around.memo(),
            around.clock,
            behind.timeouts,
            tls.context if tls else None,
            behind.proxying(),
        )
        for sock in sockets
    ]


def _https(place: Place, behind: Behind, around: Around) -> list[Server]:
    doh = _module("kdns.web.doh", place).Doh(_count(around.metrics, "https", place))
    return _web(place, behind, around, doh, behind.value(Https).max_connections, 250)


def _grpc(place: Place, behind: Behind, around: Around) -> list[Server]:
    limits = behind.value(GrpcServer)
    service = _module("kdns.web.dnsgrpc", place).DnsGrpc()
    return _web(place, behind, around, service, limits.max_connections, limits.max_streams)


def _web(
    place: Place, behind: Behind, around: Around, application: Any, connections: int, streams: int
) -> list[Server]:
    module = _module("kdns.web.server", place)
    protocols = (module.HTTP2,) if place.scheme == "grpc" else (module.HTTP2, module.HTTP1)
    tls = _certificates(behind, protocols, around)
    limits = module.Limits(connections, streams)
    sockets = _sockets(place, behind, around, socket.SOCK_STREAM)
    return [
        module.WebListener(
            sock,
            application,
            around.answers,
            around.memo(),
            around.clock,
            behind.timeouts,
            limits,
            tls.context if tls else None,
            behind.proxying(),
        )
        for sock in sockets
    ]


def _quic(place: Place, behind: Behind, around: Around) -> list[Server]:
    module, limits = _module("kdns.web.doq", place), behind.value(Quic)
    bounds = module.Limits(streams=limits.max_streams, queries=limits.worker_pool_size)
    return _quic_sockets(place, behind, around, module, bounds, module.DOQ, module.DoqConnection)


def _https3(place: Place, behind: Behind, around: Around) -> list[Server]:
    module, limits = _module("kdns.web.doq", place), behind.value(Https3)
    bounds = module.Limits(limits.max_connections, limits.max_streams, queries=0)
    doh = _module("kdns.web.doh", place).Doh(_count(around.metrics, "https3", place))
    connection = partial(module.H3DnsConnection, application=doh)
    return _quic_sockets(place, behind, around, module, bounds, module.H3, connection)


def _quic_sockets(
    place: Place, behind: Behind, around: Around, module: Any, limits: Any, protocol: str, connection: Any
) -> list[Server]:
    tls = _certificates(behind, (), around)
    if tls is None:
        raise StartError(f"{place}: QUIC is always encrypted: the server block needs `tls CERT KEY`")
    handshake = _module("kdns.web.handshake", place)
    verify, authorities = VERIFY[tls.files.client_auth], tls.files.ca
    clients = handshake.Clients(authorities, verify is ssl.CERT_REQUIRED) if verify else None
    configuration = handshake.Configurations(tls, protocol, behind.timeouts.idle)
    sockets = _sockets(place, behind, around, socket.SOCK_DGRAM)
    count = _count(around.metrics, "quic", place, "0x{:x}")
    return [
        module.QuicListener(
            sock,
            configuration.current,
            module.Served(around.answers, around.memo(), around.clock, limits, count, clients),
            behind.timeouts,
            connection,
            behind.proxying(),
        )
        for sock in sockets
    ]


def _certificates(behind: Behind, protocols: tuple[str, ...], around: Around) -> Certificates | None:
    """What the place shows as its certificate; None without the tls directive: then nothing is encrypted."""
    tls: Tls | None = behind.value(Tls)
    return None if tls is None else Certificates(tls.files, protocols, around.clock, tls.log)


def _module(name: str, place: Place) -> Any:
    """A module that needs libraries of an extra, loaded where a listener needs it. StartError if they are not there."""
    try:
        return import_module(name)
    except ImportError as missing:
        advice = f"pip install 'kdns[{EXTRAS[place.scheme]}]'"
        raise StartError(f"{place}: this transport needs more libraries ({missing.name}): {advice}") from None


def _count(metrics: Metrics, transport: str, place: Place, form: str = "{}") -> Callable[[int], None]:
    family = metrics.family(f"dns_{transport}_responses_total")
    return lambda status: family.add((str(place), form.format(status)))


def _dropped(metrics: Metrics, place: Place) -> Callable[[str], None]:
    family = metrics.family("shed_dropped_total")
    return lambda reason: family.add((str(place), reason))


_OPENERS: Mapping[str, tuple[Callable[[Place, Behind, Around], list[Server]], ...]] = {
    "dns": (_tcp, _udp),
    "tls": (_tcp,),
    "https": (_https,),
    "https3": (_https3,),
    "quic": (_quic,),
    "grpc": (_grpc,),
}
