"""The forward directive as values. The syntax stands at the head of kdns/plugins/forward.py.

One function a property, in a table; each takes a line and gives the settings with what the line says. Errors are in
CoreDNS's words.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from kdns.corefile import Args, Directive, Line, duration
from kdns.corefile.keys import named
from kdns.corefile.numbers import integer, unsigned
from kdns.errors import WireError
from kdns.forwarding.credentials import client_context
from kdns.forwarding.targets import read_targets
from kdns.transport.address import Address, is_ip, split
from kdns.transport.https import with_alpn
from kdns.transport.upstream import Manner
from kdns.wire import codes, names
from kdns.wire.names import Name

POLICIES = ("random", "round_robin", "sequential")
METHODS = ("POST", "GET")
PLAIN = Manner()


@dataclass(frozen=True)
class Settings:
    """What one forward directive says. Times in seconds; `addresses` may still be host names."""

    origin: Name = names.ROOT
    addresses: tuple[Address, ...] = ()
    excepted: tuple[Name, ...] = ()
    policy: str = "random"
    force_tcp: bool = False
    prefer_udp: bool = False
    next_rcodes: frozenset[int] = frozenset()
    next_on_nodata: bool = False
    failover: frozenset[int] = frozenset()
    failfast: bool = False
    max_fails: int = 2
    attempts: int | None = None  # None: twice the number of upstreams
    max_concurrent: int = 0
    read_timeout: float = 2.0
    resolvers: tuple[str, ...] = ()
    server_name: str = ""
    tls_files: tuple[str, ...] | None = None
    manner: Manner = PLAIN


SIZES = dict.fromkeys(
    (
        "policy",
        "max_fails",
        "max_connect_attempts",
        "max_concurrent",
        "read_timeout",
        "expire",
        "max_age",
        "max_idle_conns",
        "source_address",
        "tls_servername",
        "doh_method",
    ),
    1,
)


def read(args: Args, directive: Directive) -> Settings:
    """The settings of one occurrence of the directive. ConfigError if it cannot be served."""
    if len(directive.words) < 2:
        raise directive.wrong_count()
    origin = _origin(args, directive)
    settings = Settings(origin=origin)
    for line in directive.properties(SIZES):
        settings = _property(line)(line, settings)
    limits = settings.manner.limits
    if 0 < limits.max_age < limits.expire:
        text = f"max_age ({limits.max_age:g}s) must not be less than expire ({limits.expire:g}s)"
        raise directive.error(text)
    addresses = read_targets(directive, settings.server_name)
    return _with_tls(replace(settings, addresses=addresses), args, directive)


def _origin(args: Args, directive: Directive) -> Name:
    text = directive.words[0]
    found = named(text)
    if not found:
        raise directive.error(f"unable to normalize '{text}'")
    if len(found) > 1:
        only = f"expands to multiple zones. Using only '{names.show(found[0])}'."
        args.warn(f"Unsupported CIDR notation: '{text}' {only}")
    return found[0]


def _with_tls(settings: Settings, args: Args, directive: Directive) -> Settings:
    """The settings with a TLS context, if an upstream needs one or the directive names certificates."""
    files = settings.tls_files
    if files is None and all(address.scheme == "dns" for address in settings.addresses):
        return settings
    paths = [args.directory / file for file in files or ()]
    context, either = client_context(directive, paths), with_alpn(client_context(directive, paths))
    return replace(settings, manner=replace(settings.manner, tls=context, either=either))


def _property(line: Line) -> Callable[[Line, Settings], Settings]:
    known = _PROPERTIES.get(line.name)
    if known is None:
        raise line.error(f"unknown property '{line.name}'")
    return known


def _one(line: Line) -> str:
    return line.expect(1)[0]


def _many(line: Line) -> tuple[str, ...]:
    if not line.args:
        raise line.wrong_count()
    return line.args


def _seconds(line: Line) -> float:
    return line.read(_one(line), duration)


def _natural_seconds(line: Line) -> float:
    found = _seconds(line)
    if found < 0:
        raise line.error(f"{line.name} can't be negative: {line.args[0]}")
    return found


def _unsigned(line: Line) -> int:
    return line.read(_one(line), partial(unsigned, bits=32))


def _natural(line: Line) -> int:
    found = line.read(_one(line), integer)
    if found < 0:
        raise line.error(f"{line.name} can't be negative: {found}")
    return found


def _rcodes(line: Line) -> frozenset[int]:
    try:
        return frozenset(codes.rcode_number(text) for text in _many(line))
    except KeyError as unknown:
        wrong = next(text for text in line.args if text.upper() == unknown.args[0])
        raise line.error(f"{wrong} is not a valid rcode") from None


def _except(line: Line, settings: Settings) -> Settings:
    found = tuple(zone for text in _many(line) for zone in named(text))
    return replace(settings, excepted=settings.excepted + found)


def _health_check(line: Line, settings: Settings) -> Settings:
    interval = _natural_seconds(line._replace(words=line.words[:2]))
    health = replace(settings.manner.health, interval=interval, domain=names.ROOT)
    words = list(line.args[1:])
    while words:
        option = words.pop(0)
        if option == "no_rec":
            health = replace(health, recursion=False)
        elif option == "domain":
            if not words:
                raise line.wrong_count()
            health = replace(health, domain=_health_domain(line, words.pop(0)))
        else:
            raise line.error(f"health_check: unknown option {option}")
    return _with_manner(settings, replace(settings.manner, health=health))


def _health_domain(line: Line, text: str) -> Name:
    try:
        return names.parse(text).lower()
    except WireError:
        raise line.error(f"health_check: invalid domain name {text}") from None


def _policy(line: Line, settings: Settings) -> Settings:
    if _one(line) not in POLICIES:
        raise line.error(f"unknown policy '{line.args[0]}'")
    return replace(settings, policy=line.args[0])


def _read_timeout(line: Line, settings: Settings) -> Settings:
    found = _seconds(line)
    if found <= 0:
        raise line.error(f"read_timeout must be positive: {line.args[0]}")
    return replace(settings, read_timeout=found)


def _failover(line: Line, settings: Settings) -> Settings:
    found = _rcodes(line)
    if codes.NOERROR in found:
        raise line.error("NoError cannot be used in failover")
    return replace(settings, failover=settings.failover | found)


def _force_tcp(line: Line, settings: Settings) -> Settings:
    line.expect(0)
    health = replace(settings.manner.health, tcp=True)
    return replace(_with_manner(settings, replace(settings.manner, health=health)), force_tcp=True)


def _source_address(line: Line, settings: Settings) -> Settings:
    if not is_ip(_one(line)):
        raise line.error(f"invalid IP address: {line.args[0]}")
    return _with_manner(settings, replace(settings.manner, source=line.args[0]))


def _resolver(line: Line, settings: Settings) -> Settings:
    for text in _many(line):
        if not _is_resolver(text):
            raise line.error(f'resolver must be an IP address or IP:port: "{text}"')
    return replace(settings, resolvers=line.args)


def _is_resolver(text: str) -> bool:
    try:
        return is_ip(split(text)[0])
    except ValueError:
        return False


def _doh_method(line: Line, settings: Settings) -> Settings:
    if _one(line) not in METHODS:
        raise line.error(f"doh_method must be either {METHODS[0]} or {METHODS[1]}")
    return _with_manner(settings, replace(settings.manner, method=line.args[0]))


def _prefer_udp(line: Line, settings: Settings) -> Settings:
    line.expect(0)
    return replace(settings, prefer_udp=True)


def _next_on_nodata(line: Line, settings: Settings) -> Settings:
    line.expect(0)
    return replace(settings, next_on_nodata=True)


def _failfast(line: Line, settings: Settings) -> Settings:
    line.expect(0)
    return replace(settings, failfast=True)


def _expire(line: Line, settings: Settings) -> Settings:
    limits = settings.manner.limits._replace(expire=_natural_seconds(line))
    return _with_manner(settings, replace(settings.manner, limits=limits))


def _max_age(line: Line, settings: Settings) -> Settings:
    limits = settings.manner.limits._replace(max_age=_natural_seconds(line))
    return _with_manner(settings, replace(settings.manner, limits=limits))


def _max_idle_conns(line: Line, settings: Settings) -> Settings:
    limits = settings.manner.limits._replace(max_idle=_natural(line))
    return _with_manner(settings, replace(settings.manner, limits=limits))


def _with_manner(settings: Settings, manner: Manner) -> Settings:
    return replace(settings, manner=manner)


_PROPERTIES: dict[str, Callable[[Line, Settings], Settings]] = {
    "except": _except,
    "force_tcp": _force_tcp,
    "prefer_udp": _prefer_udp,
    "policy": _policy,
    "next": lambda line, settings: replace(settings, next_rcodes=settings.next_rcodes | _rcodes(line)),
    "next_on_nodata": _next_on_nodata,
    "failover": _failover,
    "failfast_all_unhealthy_upstreams": _failfast,
    "max_fails": lambda line, settings: replace(settings, max_fails=_unsigned(line)),
    "max_connect_attempts": lambda line, settings: replace(settings, attempts=_unsigned(line)),
    "max_concurrent": lambda line, settings: replace(settings, max_concurrent=_natural(line)),
    "health_check": _health_check,
    "read_timeout": _read_timeout,
    "expire": _expire,
    "max_age": _max_age,
    "max_idle_conns": _max_idle_conns,
    "source_address": _source_address,
    "tls": lambda line, settings: replace(settings, tls_files=line.expect(0, 3)),
    "tls_servername": lambda line, settings: replace(settings, server_name=_one(line)),
    "doh_method": _doh_method,
    "resolver": _resolver,
}
