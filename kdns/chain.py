"""The plugin's shape: Request in, Reply out, and how plugins are linked to a chain.

A plugin is a callable `async (request, rest) -> Reply`. It answers itself, or awaits `rest(request)` and gives that
back, or another value in its place. Returning means "a reply was written"; raising NoAnswer means "none was, send an
empty one with this RCODE". Values are never changed in place, so nothing is copied to be safe.

What else a plugin can do it says by having a method; the server looks for these once, at start:

    inherit(old, peers)  before that: may take over what a plugin of the configuration before knows; whether it did
    meet(peers)        once, when the whole block is set up: its plugins by directive name
    pages()            pages for the admin HTTP listeners
    async start()      awaited before the listeners answer; raises StartError
    async run()        a loop, from start until the configuration is replaced or the server stops
    async serving()    awaited when the listeners answer
    async lameduck()   awaited at shutdown (not at reload) while everything still answers
    async close()      awaited when the configuration is replaced or the server stops
    ready() -> bool    for the ready plugin
    dynamic_zones()    the zones that its clients may change (UPDATE): no plugin in front of it keeps answers from these
    transfer(zone, serial)  all records of a zone, for the transfer plugin; None of a zone that it does not have
    watch(name, plugin)  a plugin behind it, to be linked in that one's place
    labels(request)    what it knows about a query, label to text, for the metadata plugin
    share(tell)        given what to call with octets that tell other processes of this server what has changed, and
                       gives the number of these
    take(change)       such octets: in other processes, which call none of its `start`, `run` and `close`
    divisible = False  for a plugin that only one process can have
    step()             what it does about questions that it hands on, for the short way (a Step), if that is all
    follow(forget)     given what to call with the index keys that just changed, in the same step as the change

**The memo.** A Reply whose `keep` is set may be sent again, as it stands, to whoever sends the same packet, until one
of the names in `keep` changes or its time is up. A plugin whose result depends on nothing but the request's packet and
the reply from below says so with `@repeatable`; `link` takes `keep` from whatever passes any other plugin, so a plugin
that looks at the client, the clock or chance is right by default.

**Names alike.** A plugin that answers many names by one rule may say so as well (`Keep.alike`): then the reply is a
stencil, by which names never asked before are answered without the chain. Whatever passes a plugin loses that unless
the plugin says with `@nameblind` that it looks at the question's name in no way that would tell such names apart.

**The short way.** Most questions that an upstream is asked are handed on by every plugin, and then the reply is looked
at. Plugins that all say so by `step` are spared the coroutines: see kdns.passage.
"""

from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from kdns.errors import SERVFAIL, NoNext
from kdns.tracing import Trace, Within
from kdns.wire import codes, names
from kdns.wire.edns import Edns
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import RR
from kdns.wire.tsig import Signer

FOREVER = float("inf")


class Client(NamedTuple):
    """Who asked, and how: source and destination of the packet and the transport's protocol label."""

    address: str
    port: int
    proto: str = "udp"  # udp or tcp, as the metrics' label says it; DoT, DoH and gRPC are tcp, DoQ is udp
    local_address: str = ""
    local_port: int = 0
    is_stream: bool = False  # of a `proto` that says udp: messages of any length come through (DoQ)
    within: Within | None = None  # where in a trace of the client's a query over HTTP happens

    @property
    def takes_all(self) -> bool:
        """Whether messages of any length, and several of them, reach the client."""
        return self.is_stream or self.proto != "udp"

    @property
    def is_ipv6(self) -> bool:
        """Whether the client's address is an IPv6 one."""
        return ":" in self.address


class Member(NamedTuple):
    """What one of the names alike is answered: its answer section, and the index keys that this was made from.

    Names whose `kind` is the same, and whose answers are as long, have replies that differ in nothing else.
    """

    kind: Hashable
    answer: tuple[RR, ...]
    names: tuple[Name, ...]


class Alike(NamedTuple):
    """The names at or below `zone` (lower-cased) are answered by one rule.

    `find` tells what a question (lower-cased, class and type as in the one that was replied to; its ID, flags and EDNS
    mean nothing) is answered, None of a name that the rule is not about. Each of `tallies` is called with the number of
    times that a name was answered so.
    """

    zone: Name
    find: Callable[[Question], Member | None]
    tallies: tuple[Callable[[int], None], ...] = ()


class Ageing(NamedTuple):
    """How a kept reply goes on counting down: all of its records have the TTL `seconds`, until `Keep.until`.

    `next(now)` then gives the TTL that they have from there on, and until when; None to ask the chain again. Replies
    with the same `next` are of the same records.
    """

    seconds: int
    next: Callable[[float], tuple[int, float] | None]


class Keep(NamedTuple):
    """When a reply may be sent again without asking the chain.

    `names` are the index keys that it was made from (a change of any of them ends it); `until` is a monotonic time in
    seconds, at which it ends, or ages; each of `tallies` is called with the number of further times that the reply was
    sent; `variants` is how many different replies should be collected and sent in turn (loadbalance's orders).
    `alike`: see the module's head.
    """

    names: tuple[Name, ...] = ()
    until: float = FOREVER
    tallies: tuple[Callable[[int], None], ...] = ()
    variants: int = 1
    ageing: Ageing | None = None
    alike: Alike | None = None

    def tallied(self, tally: Callable[[int], None], first: Callable[[int], None] | None = None) -> "Keep":
        """The same with one more tally; `first` is the one for names alike, if those count otherwise than repeats."""
        names, until, tallies, variants, ageing, alike = self
        if alike is not None:
            alike = Alike(alike.zone, alike.find, (*alike.tallies, first or tally))
        return Keep(names, until, (*tallies, tally), variants, ageing, alike)


class Reply(NamedTuple):
    """An answer as values: RCODE, header flags to set (AA, RA, AD, TC of wire.codes), and records section by section.

    The server copies ID, opcode, RD, CD and the question from the query, and adds OPT by its own rules; `edns` is an
    OPT that a plugin or an upstream gave. `cleared` are header bits to clear though the query has them (RD, CD);
    `bound` > 0 lowers the client's UDP size to so many octets. `by` names the plugin that wrote it. `signer` puts a
    transaction signature on each message. `keep`: see the module's head.
    """

    rcode: int = codes.NOERROR
    answer: tuple[RR, ...] = ()
    authority: tuple[RR, ...] = ()
    additional: tuple[RR, ...] = ()
    flags: int = 0
    edns: Edns | None = None
    cleared: int = 0
    bound: int = 0
    by: str = ""
    signer: Signer | None = None
    keep: Keep | None = None

    def keeping(self, keep: Keep | None) -> "Reply":
        """The same with another `keep`. On every packet's way, so without `_replace`, which costs thrice as much."""
        return Reply(*self[:-1], keep)

    def alone(self) -> "Reply":
        """The same as the reply to its own question only."""
        return self if self.keep is None or self.keep.alike is None else self.keeping(Keep(*self.keep[:-1]))

    def apart_from(self, zones: Iterable[Name]) -> "Reply":
        """The same, alone if names of these zones are among those that it is alike for."""
        alike = None if self.keep is None else self.keep.alike
        if alike is None or not any(names.is_below(zone, alike.zone) for zone in zones):
            return self
        return self.alone()


class Ask(Protocol):
    """An internal lookup: the same listener's chain asked, as if by the same client (CNAME targets).

    Returns a Reply whatever happens: an unwritten answer is an empty Reply with that RCODE.
    """

    def __call__(self, request: "Request", name: Name, qtype: int, /) -> Awaitable[Reply]: ...


class Request(NamedTuple):
    """A query on its way down a chain. To change it, pass `request._replace(...)` on."""

    question: Question
    client: Client
    server: str  # the listener as metrics label it: dns://:53
    zone: Name  # the zone of the server block that was chosen, lower-cased
    size: int  # octets of the query as it came
    ask: Ask
    now: float  # monotonic seconds at which the query was read
    view: str = ""  # name of the server block's view
    depth: int = 0  # how many internal lookups led here
    labels: dict[str, str] | None = None  # this query's metadata; None if nobody collects it
    signed_by: Name = b""  # the key, lower-cased, of the transaction signature that was checked; empty without one
    trace: Trace | None = None  # of a query that *trace* follows

    def about(self, question: Question) -> "Request":
        """The same request with another question; see Reply.keeping for its form."""
        return Request(question, *self[1:])

    def within(self, zone: Name, view: str) -> "Request":
        """The same request in a server block's zone and view."""
        question, client, server, _, size, ask, now, _, depth, labels, key, trace = self
        return Request(question, client, server, zone, size, ask, now, view, depth, labels, key, trace)

    def asking(self, name: Name, qtype: int | None = None) -> "Request":
        """The same request with another question name (wire form) and, if given, type."""
        id_, flags, _, _, kind, qclass, edns, authority, signed, answer = self.question
        kind = kind if qtype is None else qtype
        return self.about(Question(id_, flags, name, name.lower(), kind, qclass, edns, authority, signed, answer))


Handler = Callable[[Request], Coroutine[Any, Any, Reply]]
Plugin = Callable[[Request, Handler], Coroutine[Any, Any, Reply]]
P = TypeVar("P")


class Page(NamedTuple):
    """A page of the admin HTTP listeners: `address` is host:port as the Corefile has it, `path` like `/health`.

    `await get(query)` gives (status, content type, body); `query` has the URL's parameters, the first of each name.
    Pages of one address share a listener. Where several blocks have the same page, the first speaks for all; of pages
    marked `every` each is asked, and those that are not well (another status than 200) are told of together, the words
    of their bodies (between commas) in order and once each. `web_config`: a file that says how the address speaks TLS.
    """

    address: str
    path: str
    get: Callable[[Mapping[str, str]], Awaitable[tuple[int, str, bytes]]]
    every: bool = False
    web_config: Path | None = None


@runtime_checkable
class Dynamic(Protocol):
    """A plugin with zones that clients change (RFC 2136)."""

    def dynamic_zones(self) -> tuple[Name, ...]:
        """Their names, lower-cased."""


class Step(NamedTuple):
    """What a plugin does about a question that it hands on. Without arguments: nothing.

    `spared` are the zones (lower-cased) with whose names it does more than that. `hands_on(question)`: what it asks the
    rest in its place, or None if there is more to be done just now. `returned(request, reply)`: what it makes of what
    comes back.
    """

    spared: tuple[Name, ...] = ()
    hands_on: Callable[[Question], Question | None] | None = None
    returned: Callable[[Request, Reply], Reply] | None = None


class Departure(NamedTuple):
    """The step of a plugin that asks somebody else, of whatever name is not in `spared`.

    `depart(question, told)` says whether the question, which came over UDP, is on its way. Then `told` is called once,
    with the reply, or with None where more is to be done than to wait for it: then the plugin is to be asked itself.
    """

    depart: Callable[[Question, Callable[[Reply | None], object]], bool]
    spared: tuple[Name, ...] = ()


class SearchPath(NamedTuple):
    """Where a client looks for names: the domains in the order in which it tries them, or none.

    `keys` are the index keys that this was made from; None if another client would have another path.
    """

    domains: tuple[Name, ...] = ()
    keys: tuple[Name, ...] | None = ()


def repeatable(plugin: P) -> P:
    """Mark a plugin whose result depends on the packet and the reply from below only: see the module's head."""
    plugin.repeatable = True  # type: ignore[attr-defined]
    return plugin


def nameblind(plugin: P) -> P:
    """Mark a repeatable plugin that does not tell names alike apart either, or takes `alike` off where it does."""
    plugin.nameblind = True  # type: ignore[attr-defined]
    return repeatable(plugin)


def link(plugins: Sequence[Plugin], last: str = "") -> Handler:
    """One handler out of plugins, the first outermost. What none answers is SERVFAIL; `last` is named as the last."""
    handler = _end(last)
    for plugin in reversed(plugins):
        handler = _joined(plugin, handler)
    return handler


def no_data(soa: Iterable[RR], by: str, *, rcode: int = codes.NOERROR, keep: Keep | None = None) -> Reply:
    """An authoritative empty answer: NODATA, or NXDOMAIN if `rcode` says so, with the SOA (RFC 2308 section 2)."""
    return Reply(rcode, authority=tuple(soa), flags=codes.AA, by=by, keep=keep)


def _end(last: str) -> Handler:
    reason = f"plugin/{last}: no next plugin found" if last else "no next plugin found"

    async def end(request: Request) -> Reply:
        raise NoNext(SERVFAIL, reason)

    return end


def _joined(plugin: Plugin, rest: Handler) -> Handler:
    if getattr(plugin, "nameblind", False):
        return lambda request: plugin(request, rest)
    if getattr(plugin, "repeatable", False):

        async def alone(request: Request) -> Reply:
            return (await plugin(request, rest)).alone()

        return alone

    async def once(request: Request) -> Reply:
        reply = await plugin(request, rest)
        return reply if reply.keep is None else reply.keeping(None)

    return once
