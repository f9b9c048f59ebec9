"""acl: who may ask what.

Syntax:
    acl [ZONES...] {
        allow|block|filter|drop [type QTYPE...] [net ADDRESS|CIDR...]     # `*` stands for all, as does leaving it out
    }

Directives whose zones hold the name are tried in order, in each the lines in order. The first line that fits type and
client decides, and ends the search: allow passes the query on, block answers REFUSED, filter NOERROR with nothing, both
with an Extended DNS Error (RFC 8914), and drop does not answer. What no line fits is allowed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kdns.chain import Client, Handler, Plugin, Reply, Request
from kdns.corefile import Args, Directive, Line
from kdns.corefile.networks import Networks
from kdns.errors import Dropped
from kdns.metrics import Metrics
from kdns.reach import Reach
from kdns.wire import codes, edns, names
from kdns.wire.edns import Edns
from kdns.wire.names import Name

SIZE = 4096  # octets: the UDP size that a reply states to a client that stated none

BLOCKED, FILTERED = 15, 17  # INFO-CODEs of Extended DNS Errors (RFC 8914 sections 4.16 and 4.18)

_WRITTEN = {"block": (codes.REFUSED, BLOCKED), "filter": (codes.NOERROR, FILTERED)}
_COUNTED = {"block": "blocked", "filter": "filtered", "drop": "dropped"}

# Types go by these very words, as in CoreDNS; `None` (type 0) is how it keeps "all types", and can be written so, too.
_TYPES = {name: number for number, name in codes.TYPES.items()}

EVERYWHERE = Networks(("0.0.0.0/0", "::/0"))


@dataclass(frozen=True)
class Policy:
    """One line: what happens to the types (None: all) that clients of the networks ask for."""

    action: str
    types: frozenset[int] | None
    nets: Networks


@dataclass(frozen=True)
class Rule:
    """One directive."""

    zones: tuple[Name, ...]
    policies: tuple[Policy, ...]


class Acl:
    """The plugin of one server block."""

    def __init__(self, rules: Sequence[Rule], metrics: Metrics, log: Callable[[str, str], None]) -> None:
        self._rules = rules
        self._families = {action: metrics.family(f"acl_{name}_requests_total") for action, name in _COUNTED.items()}
        self._allowed = metrics.family("acl_allowed_requests_total")
        self._log = log

    def reach(self) -> list[Reach]:
        """The zones of each directive."""
        return [Reach(rule.zones) for rule in self._rules]

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below to those who may ask."""
        action, zone = self._decision(request)
        if action == "allow":
            self._allowed.add((request.server, request.view))
            return await rest(request)
        self._families[action].add((request.server, names.show(zone), request.view))
        if action == "drop":
            raise Dropped
        rcode, error = _WRITTEN[action]
        options = edns.pack_options([(edns.EDE, error.to_bytes(2, "big"))])
        return Reply(rcode, edns=Edns(SIZE, options, edns.DO), by="acl")

    def _decision(self, request: Request) -> tuple[str, Name]:
        """What happens to the query, and by which zone of the Corefile."""
        asked = request.question
        for rule in self._rules:
            zone = next((above for above in names.ancestors(asked.key) if above in rule.zones), None)
            if zone is None:
                continue
            action = self._action(rule.policies, asked.qtype, request.client)
            if action is not None:
                return action, zone
        return "allow", names.ROOT

    def _action(self, policies: Sequence[Policy], qtype: int, client: Client) -> str | None:
        address = client.address.partition("%")[0]
        try:
            return next(
                (
                    policy.action
                    for policy in policies
                    if (policy.types is None or qtype in policy.types) and address in policy.nets
                ),
                None,
            )
        except ValueError:
            self._log("ERROR", f"Blocking request. Unable to parse source address: {client.address}")
            return "block"


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for unknown actions and types, and for what is no network."""
    rules = [Rule(args.origins(directive.words), _policies(directive)) for directive in args.directives]
    return Acl(rules, args.metrics, args.log)


def _policies(directive: Directive) -> tuple[Policy, ...]:
    return tuple(map(_policy, directive.lines))


def _policy(line: Line) -> Policy:
    action = line.name.lower()
    if action not in ("allow", *_COUNTED):
        raise line.error(f"unexpected token \"{line.name}\"; expect 'allow', 'block', 'filter' or 'drop'")
    sections = _sections(line)
    types = [word for name, words in sections if name == "type" for word in words]
    nets = [word for name, words in sections if name == "net" for word in words]
    return Policy(action, _types(line, types or ["*"]), _nets(line, nets or ["*"]))


def _sections(line: Line) -> list[tuple[str, list[str]]]:
    """Each `type` and `net` with the words behind it, as far as the first `*`: what stands behind that is not read."""
    sections: list[tuple[str, list[str]]] = []
    for word in line.args:
        if word.lower() in ("type", "net"):
            sections.append((word.lower(), []))
        elif not sections:
            raise line.error(f"unexpected token \"{word}\"; expect 'type | net'")
        elif "*" not in sections[-1][1]:
            sections[-1][1].append(word)
    for name, words in sections:
        if not words:
            raise line.error(f'no token specified in "{name}" section')
    return sections


def _types(line: Line, words: Sequence[str]) -> frozenset[int] | None:
    for word in words:
        if word != "*" and word not in _TYPES:
            raise line.error(f'unexpected token "{word}"; expect legal QTYPE')
    return None if "*" in words or "None" in words else frozenset(map(_TYPES.__getitem__, words))


def _nets(line: Line, words: Sequence[str]) -> Networks:
    for word in words:
        try:
            Networks([] if word == "*" else [word])
        except ValueError:
            raise line.error(f'illegal CIDR notation "{word}"') from None
    return EVERYWHERE if "*" in words else Networks(words)
