"""autopath: walk the client's search path here, so that the client need not ask for one name after the other.

Syntax:
    autopath [ZONES...] RESOLV-CONF|@PLUGIN {
        namespace_of_name     # clients that are no known pods are in the namespace that they ask below; kdns only
    }

A name below the first domain of the search path is looked for below each of its domains, then bare. The first that is
there is the answer, with an alias in front that leads from the name that was asked to it; if none is there, the answer
is the first denial. The search path is a resolv.conf's, or a plugin's that knows each client's.

Most names of a walk are denied, and all in the same way (chain.Alike): once that is known, the chain below is not asked
for such a name any more, unless its denial is to be the answer. An answer behind nothing but such denials may be
repeated as it might be without a walk, where the search path is every client's.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from kdns.chain import Alike, Handler, Keep, Member, Reply, Request, SearchPath, Step, nameblind
from kdns.corefile import Args, Directive
from kdns.errors import NoAnswer, StartError
from kdns.metrics import Metrics
from kdns.reach import Reach
from kdns.transport import resolvconf
from kdns.wire import build, codes, names, records
from kdns.wire.names import MAX_NAME, ROOT, Name
from kdns.wire.question import Question

# RCODEs that in CoreDNS mean "nothing was written": a template that gives one counts as having nothing to say here.
UNWRITTEN = frozenset({codes.FORMERR, codes.SERVFAIL, codes.NOTIMP, codes.REFUSED})


@runtime_checkable
class Searcher(Protocol):
    """A plugin that knows where clients look for names."""

    def search_path(self, request: Request, by_name: bool) -> SearchPath:
        """Where this client looks; `by_name`: see `namespace_of_name`."""


class Settings(NamedTuple):
    """What the directive says: the names that it is for; a fixed search path; the plugin that is to be asked."""

    zones: tuple[Name, ...]
    search: tuple[Name, ...] = ()
    plugin: str = ""
    by_name: bool = False


class _Denial(NamedTuple):
    """Names that are denied alike, and the kind that those are of that are."""

    alike: Alike
    kind: Hashable


@nameblind
class Autopath:
    """The walker of one server block."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._searcher: Searcher | None = None
        self._denials: dict[str, _Denial] = {}  # by listener, whose label is in what they count
        self._successes = metrics.family("autopath_success_total")

    def meet(self, peers: Mapping[str, object]) -> None:
        """Find the plugin to ask. StartError if it knows of no search paths; one that is not there is not missed."""
        peer = peers.get(self._settings.plugin)
        if isinstance(peer, Searcher):
            self._searcher = peer
        elif callable(peer):
            reason = f"{self._settings.plugin} does not implement the AutoPather interface"
            raise StartError(f"plugin/autopath: {reason}")

    def reach(self) -> list[Reach]:
        """Its zones."""
        return [Reach(self._settings.zones)]

    def step(self) -> Step:
        """Whatever is not in its zones it hands on."""
        return Step(self._settings.zones)

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below for the first name of the walk that is there, or for the name that was asked.

        What went wrong for a reason ends the walk: a name that could not be asked for may be there.
        """
        asked, path = request.question, self._path(request)
        first: Reply | NoAnswer | Name | None = None
        denied, keys = 0, path.keys
        for name in _walk(asked.qname, path.domains):
            denial = self._denial(request, name)
            if denial is not None:
                denied += 1
                keys = None if keys is None else (*keys, *denial.names)
                first = first or name
                continue
            found = await self._asked(request, name, denied, rest)
            if isinstance(found, Reply) and found.rcode != codes.NXDOMAIN:
                self._successes.add((request.server,))
                reply = found if name.lower() == asked.key else _aliased(asked.qname, found)
                return _kept(reply, keys, self._tally(request, denied))
            first, denied, keys = first or found, 0, None
            self._learn(request, name, found)
        if isinstance(first, Name):
            self._count_denied(request, denied - 1)  # the chain counts it itself
            first = await _tried(request.asking(first), rest)
        else:
            self._count_denied(request, denied)
        if isinstance(first, NoAnswer):
            raise first
        return first.keeping(None) if first else _kept(await rest(request), keys)

    async def _asked(self, request: Request, name: Name, denied: int, rest: Handler) -> Reply | NoAnswer:
        """The chain is asked for a name, behind so many that it need not be asked for."""
        self._count_denied(request, denied)
        return await _tried(request.asking(name), rest)

    def _denial(self, request: Request, name: Name) -> Member | None:
        """How the chain below would deny a name, if it would just as the one that was learnt from: it is counted so."""
        denial = self._denials.get(request.server)
        if denial is None or not name.lower().endswith(denial.alike.zone):
            return None
        member = denial.alike.find(_about(request, name))
        return member if member is not None and member.kind == denial.kind else None

    def _tally(self, request: Request, denied: int) -> Callable[[int], None]:
        """What counts the repetitions of a walk with so many denials and an answer."""
        server = request.server
        tallies = self._denials[server].alike.tallies if denied else ()

        def tally(times: int) -> None:
            self._successes.add((server,), times)
            for each in tallies:
                each(times * denied)

        return tally

    def _count_denied(self, request: Request, times: int) -> None:
        """Count so many names as the chain would count them."""
        if times:
            for tally in self._denials[request.server].alike.tallies:
                tally(times)

    def _learn(self, request: Request, name: Name, found: Reply | NoAnswer) -> None:
        if isinstance(found, Reply) and found.keep is not None and found.keep.alike is not None:
            member = found.keep.alike.find(_about(request, name))
            if member is not None and not member.answer:
                self._denials[request.server] = _Denial(found.keep.alike, member.kind)

    def _path(self, request: Request) -> SearchPath:
        settings = self._settings
        if not any(names.is_below(request.question.key, zone) for zone in settings.zones):
            return SearchPath()
        if self._searcher is None:
            return SearchPath(settings.search)
        return self._searcher.search_path(request, settings.by_name)


def setup(args: Args) -> Autopath:
    """The walker of one server block; of several directives the last counts. ConfigError in CoreDNS's words."""
    settings = Settings(())
    for directive in args.directives:
        settings = _read(args, directive, settings)
    return Autopath(settings, args.metrics)


def _read(args: Args, directive: Directive, before: Settings) -> Settings:
    """What is said so far: a plugin and a file may stand in different directives, and then the plugin is asked."""
    if not directive.words:
        raise directive.error("no resolv-conf specified")
    *zones, source = directive.words
    settings = before._replace(zones=args.origins(zones))
    for line in directive.lines:
        if line.name != "namespace_of_name":
            raise line.error(f"unknown property '{line.name}'")
        line.expect(0)
        settings = settings._replace(by_name=True)
    if source.startswith("@"):
        return settings._replace(plugin=source[1:])
    try:
        text = Path(source).read_text(errors="replace")
    except OSError as fault:
        raise directive.error(f'failed to parse "{source}": open {source}: {str(fault.strerror).lower()}') from None
    return settings._replace(search=resolvconf.search(text))


def _about(request: Request, name: Name) -> Question:
    key, asked = name.lower(), request.question
    return Question(0, 0, key, key, asked.qtype, asked.qclass)


def _walk(qname: Name, path: tuple[Name, ...]) -> Iterator[Name]:
    """The names to look for; none if the name that was asked is not below the first domain. Too long ones are not."""
    if path and qname.lower() != path[0] and names.is_below(qname.lower(), path[0]):
        base = qname[: len(qname) - len(path[0])]
        yield from (base + domain for domain in (*path, ROOT) if len(base + domain) <= MAX_NAME)


async def _tried(request: Request, rest: Handler) -> Reply | NoAnswer:
    try:
        found = await rest(request)
        return NoAnswer(found.rcode) if found.by == "template" and found.rcode in UNWRITTEN else found
    except NoAnswer as unwritten:
        if unwritten.reason is not None:
            raise
        return unwritten


def _kept(reply: Reply, keys: tuple[Name, ...] | None, *tallies: Callable[[int], None]) -> Reply:
    """A reply that may be repeated as before, unless one of `keys` changes; `keys` are None if it may not."""
    keep = reply.keep
    if keep is None or keys is None:
        return reply.keeping(None)
    names, until, counted, variants, ageing, _ = keep
    return reply.keeping(Keep((*names, *keys), until, (*counted, *tallies), variants, ageing))


def _aliased(qname: Name, reply: Reply) -> Reply:
    """A reply about another name, with an alias that leads there; one without records needs none."""
    for rr in reply.answer:
        owner = records.owner(rr)
        if owner.lower() != qname.lower():
            alias = build.to_name(qname, codes.CNAME, records.ttl(rr), owner)
            return reply._replace(answer=(alias, *reply.answer))
    return reply
