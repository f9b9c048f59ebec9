"""dnstap: tell collectors of every query and reply, and of every exchange with an upstream.

Syntax:
    dnstap [listen] SOCKET [full] [WRITEBUFFER] [QUEUE] {
        identity NAME         # who tells it; the host's name
        version TEXT          # kdns and its version
        extra TEXT            # with the placeholders of log, metadata too
        skipverify            # TLS with whoever is there, certificate or not
        tls CERT KEY [CA]     # of `listen tls://...`; with CA, collectors have to show a certificate of it
    }

SOCKET is the path of a Unix socket, with unix:// before it or not, or tcp://HOST:PORT or tls://HOST:PORT. We connect to
it, or with `listen` wait there for collectors. `full`: with the DNS messages themselves. WRITEBUFFER, in MiB (1 to
1024; 1), is the system's, of TCP; QUEUE, in 10,000 messages (1 to 4096; 1), is how many may wait for a slow collector.
"""

import asyncio
import platform
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

from kdns import VERSION, tapping
from kdns.chain import Handler, Reply, Request
from kdns.corefile import Args, Directive, Line
from kdns.corefile.numbers import integer
from kdns.placeholders import Part, Seen, filled, parse_format
from kdns.tapping import CONTENT_TYPE, SECOND, Sender
from kdns.transport.address import split
from kdns.transport.tap import Incoming, Outgoing, Place
from kdns.transport.upstream import Exchange

MIB = 1 << 20
MESSAGES = 10_000
SIZES = {"identity": 1, "version": 1, "extra": 1, "skipverify": 0}
MOST_MIB, MOST_MESSAGES = 1024, 4096


class Tap(NamedTuple):
    """One directive: how its messages look, and where they go."""

    sender: Sender
    extra: tuple[Part, ...]
    sink: Outgoing | Incoming

    def put(self, request: Request, message: Any) -> None:
        """Send a message that has to do with a query."""
        self.sink.put(tapping.payload(self.sender, message, filled(self.extra, Seen(request, None, None))))


@runtime_checkable
class Tapped(Protocol):
    """A plugin that asks upstreams and can tell of it."""

    def tap(self, tell: Callable[[Request, Exchange], None]) -> None:
        """Tell of each exchange from now on."""


class Dnstap:
    """The taps of one server block. What passes here is not repeated without it."""

    def __init__(self, taps: Sequence[Tap], clock: Callable[[], int]) -> None:
        self._taps = taps
        self._is_full = any(tap.sender.is_full for tap in taps)
        self._clock = clock
        # A collector that connects to us reaches one process, and is to be told of all queries.
        self.divisible = not any(isinstance(tap.sink, Incoming) for tap in taps)

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below; a query that nobody answers has no reply to tell of."""
        at = self._clock()
        self._put(request, tapping.client_query(request, at, is_full=self._is_full))
        reply = await rest(request)
        self._put(request, tapping.client_response(request, reply, at, self._clock(), is_full=self._is_full))
        return reply

    def meet(self, peers: Mapping[str, object]) -> None:
        """Find the plugin that asks upstreams."""
        for peer in peers.values():
            if isinstance(peer, Tapped):
                peer.tap(self._exchanged)

    async def start(self) -> None:
        """Connect and listen; what is not possible is logged and tried again."""
        for tap in self._taps:
            await tap.sink.start()

    async def run(self) -> None:
        """Keep the connections."""
        async with asyncio.TaskGroup() as group:
            for tap in self._taps:
                group.create_task(tap.sink.run())

    async def close(self) -> None:
        """End the streams."""
        for tap in self._taps:
            await tap.sink.close()

    def _exchanged(self, request: Request, exchange: Exchange) -> None:
        now = self._clock()
        at = now - int(exchange.seconds * SECOND)
        proto, local, to = exchange.proto, exchange.local, (exchange.to.host, exchange.to.port)
        self._put(request, tapping.forwarder_query(request, proto, local, to, at, is_full=self._is_full))
        if exchange.reply is not None:
            self._put(request, tapping.forwarder_response(request, proto, local, to, at, now, exchange.reply))

    def _put(self, request: Request, message: Any) -> None:
        for tap in self._taps:
            tap.put(request, message)


@dataclass(frozen=True)
class Settings:
    """What one directive says."""

    listens: bool
    socket: str
    is_full: bool = False
    buffer: int = MIB  # octets
    queue: int = MESSAGES
    identity: str = platform.node()
    version: str = f"kdns-{VERSION}"
    extra: str = ""
    verifies: bool = True
    files: tuple[str, ...] = ()


def setup(args: Args) -> Dnstap:
    """The taps of one server block. ConfigError for what cannot be read; sockets are opened later."""
    return Dnstap([_tap(args, directive) for directive in args.directives], time.time_ns)


def _tap(args: Args, directive: Directive) -> Tap:
    settings = _words(directive)
    for line in directive.properties(SIZES):
        settings = _with(settings, line)
    sender = Sender(settings.identity.encode(), settings.version.encode(), settings.is_full)
    place = _place(directive, settings.socket)
    sink: Incoming | Outgoing
    if settings.listens:
        sink = Incoming(partial(_served, settings, place), CONTENT_TYPE, args.log)
    else:
        place = place._replace(tls=_trusting(settings)) if _is_tls(settings) else place
        sink = Outgoing(place, CONTENT_TYPE, settings.queue, settings.buffer, args.log)
    return Tap(sender, parse_format(settings.extra), sink)


def _words(directive: Directive) -> Settings:
    listens = directive.words[:1] == ("listen",)
    words = directive.words[1:] if listens else directive.words
    if not words:
        raise directive.error("dnstap listen requires an endpoint argument") if listens else directive.wrong_count()
    return Settings(
        listens,
        words[0],
        is_full=words[1:2] == ("full",),
        buffer=_multiple(directive, "MultipleTcpWriteBuf", words[2:3], MOST_MIB) * MIB,
        queue=_multiple(directive, "MultipleQueue", words[3:4], MOST_MESSAGES) * MESSAGES,
    )


def _multiple(directive: Directive, name: str, words: Sequence[str], most: int) -> int:
    found = directive.read(words[0], integer, f'dnstap: invalid {name} "{words[0]}": ') if words else 1
    if not 1 <= found <= most:
        raise directive.error(f"dnstap: {name} must be between 1 and {most}: {found}")
    return found


def _with(settings: Settings, line: Line) -> Settings:
    match line.name:
        case "identity":
            return replace(settings, identity=line.expect(1)[0])
        case "version":
            return replace(settings, version=line.expect(1)[0])
        case "extra":
            return replace(settings, extra=line.expect(1)[0])
        case "skipverify":
            return replace(settings, verifies=False)
        case "tls" if not settings.listens:
            raise line.error("tls directive only valid for listeners")
        case "tls":
            if len(line.args) < 2:
                raise line.error("tls requires cert and key file paths")
            return replace(settings, files=line.args[:3])
    raise line.error(f"unknown property '{line.name}'")


def _is_tls(settings: Settings) -> bool:
    return settings.socket.startswith("tls://")


def _place(directive: Directive, text: str) -> Place:
    if not text.startswith(("tcp://", "tls://")):
        return Place(path=text.removeprefix("unix://"))
    host, port = directive.read(text[6:].partition("/")[0], split, f"{text}: ")
    if port is None:
        raise directive.error(f"{text}: missing port in address")
    return Place(host=host, port=port)


def _trusting(settings: Settings) -> ssl.SSLContext:
    """A client's side of TLS."""
    context = ssl.create_default_context()
    if not settings.verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _served(settings: Settings, place: Place) -> Place:
    """Where we listen, with our side of TLS. OSError and ValueError if its files cannot be used."""
    if not _is_tls(settings):
        return place
    if not settings.files:
        raise ValueError("TLS listener requires cert and key files")
    cert, key, *authority = settings.files
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    for file in authority:
        context.load_verify_locations(file)
        context.verify_mode = ssl.CERT_REQUIRED if settings.verifies else ssl.CERT_OPTIONAL
    return place._replace(tls=context)
