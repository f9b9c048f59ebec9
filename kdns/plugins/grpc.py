"""grpc: ask other servers over gRPC.

Syntax:
    grpc FROM TO... {
        except NAMES...                     # names below FROM that are not forwarded
        tls [CA | CERT KEY | CERT KEY CA]   # encrypt; without a CA the system's are trusted
        tls_servername NAME                 # of the upstreams' certificate; encrypts too
        policy random|round_robin|sequential                    # random
        fallthrough [ZONES...]              # hand names that the upstreams do not know, or fail at, to the next plugin
    }

TO is an IP address with or without port (53; 443 after grpc://), unix:///PATH, or a file like /etc/resolv.conf; at
most 15. The upstreams are asked one after the other until one has replied, within 5 seconds in all.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import SystemRandom

import grpc

from kdns.chain import Handler, Reply, Request
from kdns.corefile import Args, Directive, Fall, Line
from kdns.corefile.keys import named
from kdns.errors import SERVFAIL, NoAnswer, NoNext, UpstreamError, WireError, WrongReply
from kdns.forwarding.credentials import client_context
from kdns.metrics import Metrics
from kdns.reach import Reach
from kdns.transport import policy
from kdns.transport.address import Address, nameservers, parse
from kdns.transport.grpc import Grpc, credentials
from kdns.wire import codes, names, query, records
from kdns.wire.names import Name
from kdns.wire.records import Message

MOST = 15  # TO arguments
DEADLINE = 5.0  # seconds that a query may take in all
SPAN = "query"  # what *trace* calls a call
NEVER = Fall()
SIZES = {"tls_servername": 1, "policy": 1}
SCHEMES = ("dns", "grpc", "unix")
ORDERS: dict[str, Callable[[], policy.Policy[Grpc]]] = {
    "random": lambda: policy.random(SystemRandom()),
    "round_robin": policy.round_robin,
    "sequential": lambda: policy.sequential,
}
_FLAGS = codes.AA | codes.TC | codes.RA | codes.AD  # what a reply keeps of its upstream's header


@dataclass(frozen=True)
class Settings:
    """What the directive says."""

    origin: Name
    addresses: tuple[Address, ...] = ()
    excepted: tuple[Name, ...] = ()
    files: tuple[Path, ...] | None = None  # of `tls`
    server_name: str = ""
    policy: str = "random"
    fall: Fall = NEVER


class GrpcForward:
    """The forwarder of one server block."""

    divisible = False  # gRPC does not outlive a fork

    def __init__(self, settings: Settings, credentials: grpc.ChannelCredentials | None, metrics: Metrics) -> None:
        self._settings = settings
        self._credentials = credentials
        self._metrics = metrics
        self._order = ORDERS[settings.policy]()
        self._upstreams: tuple[Grpc, ...] = ()  # from `start` on

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply of the first upstream that gives one; NoAnswer if none does."""
        settings, key = self._settings, request.question.key
        if not self._matches(key):
            return await rest(request)
        try:
            reply = await self._ask(request)
        except NoAnswer as failure:
            return await self._beyond(request, rest, failure)
        if reply.rcode == codes.NXDOMAIN and settings.fall.through(key):
            return await self._beyond(request, rest, reply)
        return reply

    def reach(self) -> list[Reach]:
        """What it forwards; all of that ends here but for what falls through."""
        origin, spared = self._settings.origin, (*self._settings.excepted, *(self._settings.fall.zones or ()))
        return [Reach((origin,), (origin,), spared)]

    async def start(self) -> None:
        """Make the upstreams."""
        self._upstreams = tuple(Grpc(address, self._credentials) for address in self._settings.addresses)

    async def close(self) -> None:
        """Close the connections."""
        for upstream in self._upstreams:
            await upstream.close()

    def _matches(self, key: Name) -> bool:
        origin = self._settings.origin
        is_ours = names.is_below(key, origin)
        return is_ours and (key == origin or not any(names.is_below(key, zone) for zone in self._settings.excepted))

    async def _beyond(self, request: Request, rest: Handler, otherwise: Reply | NoAnswer) -> Reply:
        """What the next plugin replies, if the name falls through to one."""
        if self._settings.fall.through(request.question.key):
            try:
                return await rest(request)
            except NoNext:
                pass
        if isinstance(otherwise, NoAnswer):
            raise otherwise
        return otherwise

    async def _ask(self, request: Request) -> Reply:
        deadline = time.monotonic() + DEADLINE
        reason = "no healthy gRPC proxies"
        for upstream in self._order(self._upstreams):
            try:
                message = await self._exchange(upstream, request, deadline)
            except WrongReply:
                return Reply(codes.FORMERR, by="grpc")
            except (UpstreamError, WireError) as error:
                reason = str(error)
                continue
            if message is None:
                return Reply(codes.NXDOMAIN, by="grpc")
            sections = message.answer, message.authority, message.additional
            return Reply(message.rcode, *sections, flags=message.flags & _FLAGS, edns=message.edns, by="grpc")
        raise NoAnswer(SERVFAIL, reason)

    async def _exchange(self, upstream: Grpc, request: Request, deadline: float) -> Message | None:
        began = time.monotonic()
        try:
            octets = await upstream.exchange(request.question, deadline)
        finally:
            if request.trace is not None:
                request.trace.note(SPAN, int((time.monotonic() - began) * 1e9), {"peer.address": upstream.to})
        if octets is None:
            return None
        message = records.read_message(octets)
        self._metrics.family("grpc_requests_total").add((upstream.to,))
        self._metrics.family("grpc_responses_total").add((codes.rcode_name(message.rcode), upstream.to))
        self._metrics.histogram("grpc_request_duration_seconds").observe((upstream.to,), time.monotonic() - began)
        if not query.answers(octets, request.question):
            raise WrongReply(f"{upstream.to}: reply to another question")
        return message


def setup(args: Args) -> GrpcForward:
    """The forwarder of one server block. ConfigError in CoreDNS's words."""
    directive = args.once()
    if len(directive.words) < 2:
        raise directive.wrong_count()
    origin = named(directive.words[0])
    if not origin:
        raise directive.error(f"unable to normalize '{directive.words[0]}'")
    settings = Settings(origin[0])
    addresses = [found for text in directive.words[1:] for found in _addresses(directive, text)]
    for line in directive.properties(SIZES):
        settings = _with(settings, line, args)
    if len(addresses) > MOST:
        raise directive.error(f"more than {MOST} TOs configured: {len(addresses)}")
    named_ones = tuple(address._replace(server_name=settings.server_name) for address in addresses)
    return GrpcForward(replace(settings, addresses=named_ones), _credentials(directive, settings), args.metrics)


def _with(settings: Settings, line: Line, args: Args) -> Settings:
    match line.name:
        case "except":
            found = tuple(zone for word in line.expect(1, len(line.args) or 1) for zone in named(word))
            return replace(settings, excepted=settings.excepted + found)
        case "tls":
            return replace(settings, files=tuple(args.directory / word for word in line.expect(0, 3)))
        case "tls_servername":
            return replace(settings, server_name=line.expect(1)[0])
        case "policy":
            (word,) = line.expect(1)
            if word not in ORDERS:
                raise line.error(f"unknown policy '{word}'")
            return replace(settings, policy=word)
        case "fallthrough":
            return replace(settings, fall=args.fallthrough(line))
    raise line.error(f"unknown property '{line.name}'")


def _addresses(directive: Directive, text: str) -> Sequence[Address]:
    """What a TO argument stands for."""
    scheme, _, path = text.partition("://")
    if scheme.lower() == "unix":
        return [Address("unix", path, 0)]
    try:
        address = parse(text)
        if not address.is_resolved:
            return [*nameservers(Path(text).read_text(errors="replace"))]
    except (ValueError, OSError) as fault:
        raise directive.error(f'not an IP address or file "{text}": {fault}') from None
    if address.scheme not in SCHEMES:
        raise directive.error(f"'{address.scheme}' is not supported as a destination protocol in grpc: {text}")
    return [address]


def _credentials(directive: Directive, settings: Settings) -> grpc.ChannelCredentials | None:
    """What encrypted connections are made with, or None where nothing says that they are to be encrypted."""
    if settings.files is None and not settings.server_name:
        return None
    files = settings.files or ()
    client_context(directive, files)  # so that a file that is no certificate is told of now
    return credentials(files)
