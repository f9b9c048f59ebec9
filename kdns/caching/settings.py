"""The cache directive as values. The syntax stands at the head of kdns/plugins/cache.py."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from kdns.corefile import Args, Directive, Line, duration
from kdns.corefile.numbers import integer
from kdns.errors import WireError
from kdns.wire import names
from kdns.wire.names import Name

MAX_SERVFAIL = 300.0  # seconds (RFC 2308 section 7.1)
MAX_RECHECK = 300.0  # seconds
MAX_TTL = 0xFFFFFFFF  # seconds: a TTL has 32 bits


@dataclass(frozen=True)
class Shelf:
    """The bounds of one of the two stores: elements, and seconds that a TTL is lowered or raised to."""

    capacity: int = 10000
    most: int = 3600
    least: int = 5


SUCCESS, DENIAL = Shelf(), Shelf(most=1800)


@dataclass(frozen=True)
class Settings:
    """What the directive says. Times in seconds; zones as keys."""

    zones: tuple[Name, ...]
    success: Shelf = SUCCESS
    denial: Shelf = DENIAL
    servfail: float = 5.0
    prefetch: int = 0  # hits that make an element worth fetching ahead; 0: none is
    gap: float = 60.0
    percentage: int = 10
    stale: float = 0.0  # how long stale elements may be served; 0: not at all
    verify: bool = False
    verify_timeout: float = 0.0  # 0: as long as the upstreams take
    stale_ttl: int = 0
    recheck: float = 0.0
    prefer_positive: bool = False
    except_success: tuple[Name, ...] = ()
    except_denial: tuple[Name, ...] = ()
    keep_ttl: bool = False


def read(args: Args) -> Settings:
    """The settings of a server block's one cache directive. ConfigError in CoreDNS's words."""
    directive = args.once()
    lifetime = _lifetime(directive.words)
    settings = Settings(args.origins(directive.words if lifetime is None else directive.words[1:]))
    if lifetime is not None:
        _positive(lifetime, directive)
        settings = replace(settings, success=Shelf(most=lifetime), denial=Shelf(most=lifetime))
    for line in directive.lines:
        settings = _property(line)(line, settings)
    _check_policy(directive)
    return settings


def _lifetime(words: tuple[str, ...]) -> int | None:
    """The TTL, if the first word is a number; otherwise it is a zone."""
    try:
        return integer(words[0]) if words else None
    except ValueError:
        return None


def _positive(seconds: int, place: Line | Directive) -> None:
    if seconds <= 0:
        raise place.error(f"cache TTL can not be zero or negative: {seconds}")


def _property(line: Line) -> Callable[[Line, Settings], Settings]:
    known = _PROPERTIES.get(line.name)
    if known is None:
        raise line._replace(words=line.words[:1]).wrong_count()
    return known


def _check_policy(directive: Directive) -> None:
    found = [line.name for line in directive.lines]
    if found.count("serve_stale_policy") > 1:
        raise directive.error("serve_stale_policy can only be specified once")
    if "serve_stale_policy" in found and "serve_stale" not in found:
        raise directive.error("serve_stale_policy requires serve_stale")


def _shelf(line: Line, shelf: Shelf) -> Shelf:
    if not line.args:
        raise line.wrong_count()
    capacity, most, least = line.read(line.args[0], integer), shelf.most, shelf.least
    if len(line.args) > 1:
        most = line.read(line.args[1], integer)
        _positive(most, line)
    if len(line.args) > 2:
        least = line.read(line.args[2], integer)
        if least < 0:
            raise line.error(f"cache min TTL can not be negative: {least}")
    return Shelf(capacity, min(most, MAX_TTL), min(least, MAX_TTL))


def _success(line: Line, settings: Settings) -> Settings:
    return replace(settings, success=_shelf(line, settings.success))


def _denial(line: Line, settings: Settings) -> Settings:
    return replace(settings, denial=_shelf(line, settings.denial))


def _prefetch(line: Line, settings: Settings) -> Settings:
    words = line.expect(1, 3)
    amount = line.read(words[0], integer)
    if amount < 0:
        raise line.error(f"prefetch amount should be positive: {amount}")
    gap = line.read(words[1], duration) if len(words) > 1 else settings.gap
    percentage = _percentage(line, words[2]) if len(words) > 2 else settings.percentage
    return replace(settings, prefetch=amount, gap=gap, percentage=percentage)


def _percentage(line: Line, text: str) -> int:
    if not text.endswith("%"):
        raise line.error(f"last character of percentage should be `%`, but is: '{text[-1:]}'")
    found = line.read(text[:-1], integer)
    if not 10 <= found <= 90:
        raise line.error(f"percentage should fall in range [10, 90]: {found}")
    return found


def _serve_stale(line: Line, settings: Settings) -> Settings:
    words = line.expect(0, 5)
    stale = line.read(words[0], duration) if words else 3600.0
    if stale < 0:
        raise line.error("invalid negative duration for serve_stale")
    mode = words[1].lower() if len(words) > 1 else "immediate"
    if mode not in ("immediate", "verify"):
        raise line.error(f"invalid value for serve_stale refresh mode: {mode}")
    rest = list(words[2:])
    timeout = 0.0
    if mode == "verify" and rest:
        timeout = _verify_timeout(line, rest.pop(0))
    if len(rest) > 2:
        raise line.wrong_count()
    return replace(
        settings,
        stale=stale,
        verify=mode == "verify",
        verify_timeout=timeout,
        stale_ttl=_stale_ttl(line, rest[0]) if rest else 0,
        recheck=_recheck(line, rest[1]) if len(rest) > 1 else 0.0,
    )


def _verify_timeout(line: Line, text: str) -> float:
    found = line.read(text, duration, "invalid serve_stale verify timeout: ")
    if found < 0:
        raise line.error("invalid negative timeout for serve_stale verify")
    return found


def _stale_ttl(line: Line, text: str) -> int:
    found = line.read(text, duration, "invalid serve_stale response TTL: ")
    if found < 0:
        raise line.error("invalid negative response TTL for serve_stale")
    if found != int(found):
        raise line.error("serve_stale response TTL must be a whole number of seconds")
    if found > MAX_TTL:
        raise line.error("serve_stale response TTL exceeds the DNS TTL range")
    return int(found)


def _recheck(line: Line, text: str) -> float:
    found = line.read(text, duration, "invalid serve_stale failure recheck: ")
    if found < 0:
        raise line.error("invalid negative failure recheck for serve_stale")
    if found > MAX_RECHECK:
        raise line.error("serve_stale failure recheck cannot exceed 5 minutes")
    return found


def _policy(line: Line, settings: Settings) -> Settings:
    (policy,) = line.expect(1)
    if policy.lower() != "prefer_positive":
        raise line.error(f"invalid serve_stale_policy: {policy}")
    return replace(settings, prefer_positive=True)


def _servfail(line: Line, settings: Settings) -> Settings:
    (text,) = line.expect(1)
    found = line.read(text, duration)
    if found < 0:
        raise line.error("invalid negative ttl for servfail")
    if found > MAX_SERVFAIL:
        raise line.error("caching SERVFAIL responses over 5 minutes is not permitted")
    return replace(settings, servfail=found)


def _disable(line: Line, settings: Settings) -> Settings:
    if not line.args:
        raise line.wrong_count()
    zones = tuple(_zone(line, text) for text in line.args[1:]) or (names.ROOT,)
    match line.args[0]:
        case "success":
            return replace(settings, except_success=zones)
        case "denial":
            return replace(settings, except_denial=zones)
    raise line.error('cache type for disable must be "success" or "denial"')


def _zone(line: Line, text: str) -> Name:
    try:
        return names.parse(text).lower()
    except WireError:
        raise line.error(f"invalid disabled zone: {text}") from None


def _keepttl(line: Line, settings: Settings) -> Settings:
    line.expect(0)
    return replace(settings, keep_ttl=True)


_PROPERTIES: dict[str, Callable[[Line, Settings], Settings]] = {
    "success": _success,
    "denial": _denial,
    "prefetch": _prefetch,
    "serve_stale": _serve_stale,
    "serve_stale_policy": _policy,
    "servfail": _servfail,
    "disable": _disable,
    "keepttl": _keepttl,
}
