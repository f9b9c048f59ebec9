"""proxyproto: take the clients' addresses from proxies that speak the PROXY protocol, version 1 or 2.

Syntax:
    proxyproto {
        allow CIDR...                              # proxies whose headers are believed; without it, all
        default use|ignore|reject|skip             # of the others: ignore
        udp_session_tracking DURATION [SESSIONS]   # of proxies that send the header alone and first; 10240 sessions
    }

`use` believes a header, `ignore` takes it off, `reject` refuses what has one, `skip` takes everything for DNS. The
listeners look at these values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network

from kdns.corefile import Args, Line, duration
from kdns.corefile.networks import Networks
from kdns.corefile.numbers import integer
from kdns.transport.proxied import Mode, Proxying, Sessions

MOST_SESSIONS = 10_240


@dataclass
class _Settings:
    """What the lines say, one after the other; `default` None: nothing."""

    allowed: list[str]
    default: Mode | None = None
    ttl: float = 0.0
    sessions: int = MOST_SESSIONS


class Trust:
    """How headers are taken that come from an address."""

    def __init__(self, allowed: Networks, default: Mode | None) -> None:
        self._allowed = allowed
        self._otherwise = default or (Mode.IGNORE if allowed else Mode.USE)

    def mode(self, address: str) -> Mode:
        """For a peer's address; an IPv6 one may have a zone."""
        return Mode.USE if address.partition("%")[0] in self._allowed else self._otherwise


@dataclass(frozen=True)
class Proxyproto:
    """The proxies in front of a server block's listeners; sessions last `ttl` seconds, if that is positive."""

    trust: Trust
    warn: Callable[[str], None]
    ttl: float
    sessions: int

    def proxying(self) -> Proxying:
        """What a socket does about them."""
        return Proxying(self.trust.mode, self.warn, Sessions(self.ttl, self.sessions))


def setup(args: Args) -> Proxyproto:
    """The proxies of one server block. ConfigError for what is no network, mode, duration or number."""
    settings = _Settings([])
    for directive in args.directives:
        directive.expect(0)
        for line in directive.lines:
            _read(line, settings)
    trust = Trust(Networks(settings.allowed), settings.default)
    return Proxyproto(trust, args.warn, settings.ttl, settings.sessions)


def _read(line: Line, settings: _Settings) -> None:
    match line.name:
        case "allow":
            settings.allowed += [_network(line, word) for word in line.args]
        case "default":
            settings.default = _mode(line)
        case "udp_session_tracking":
            words = line.expect(1, 2)
            settings.ttl = _ttl(line, words[0])
            settings.sessions = _sessions(line, words[1]) if len(words) > 1 else settings.sessions
        case _:
            raise line.error(f"unknown option '{line.name}'")


def _network(line: Line, word: str) -> str:
    """A CIDR as it stands; an address alone is none."""
    try:
        ip_network(word, strict=False)
    except ValueError:
        raise line.error(f"{word}: invalid CIDR address: {word}") from None
    if "/" not in word:
        raise line.error(f"{word}: invalid CIDR address: {word}")
    return word


def _mode(line: Line) -> Mode:
    (word,) = line.expect(1)
    try:
        return Mode(word.lower())
    except ValueError:
        raise line.wrong_count() from None


def _ttl(line: Line, word: str) -> float:
    return line.read(word, duration, f'udp_session_tracking: invalid duration "{word}": ')


def _sessions(line: Line, word: str) -> int:
    try:
        most = integer(word)
    except ValueError:
        most = 0
    if most <= 0:
        raise line.error(f'udp_session_tracking: invalid max sessions "{word}": must be a positive integer')
    return most
