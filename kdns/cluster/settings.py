"""The properties of a `kubernetes` directive: read, checked, with CoreDNS's defaults and complaints."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kdns.cluster.address import is_reverse
from kdns.cluster.entries import label
from kdns.cluster.selector import is_selector
from kdns.cluster.zone import DISABLED, INSECURE, VERIFIED
from kdns.corefile import Args, Fall, Line, duration
from kdns.corefile.numbers import integer, real
from kdns.errors import WireError
from kdns.wire import names
from kdns.wire.names import Name

MAX_TTL = 3600  # seconds
POD_MODES = (DISABLED, VERIFIED, INSECURE)
NO_FALL = Fall()


@dataclass(frozen=True)
class Settings:
    """The properties of one directive; times in seconds, `namespaces` as labels."""

    zones: tuple[Name, ...]
    endpoint: str = ""
    tls: tuple[Path, ...] = ()
    kubeconfig: tuple[Path, str] | None = None  # and the context, "" for the current one
    namespaces: tuple[bytes, ...] = ()
    namespace_labels: str = ""
    labels: str = ""
    pods: str = DISABLED
    dotted: bool = False
    pod_names: bool = False
    ttl: int = 5
    endpoints: bool = True
    fall: Fall = NO_FALL
    ignore_empty: bool = False
    clustersets: tuple[Name, ...] = ()
    zonal: bool = False
    startup_timeout: float = 5.0
    snapshot: Path | None = None


Reader = Callable[[Settings, Args, Line], Settings]


def read(args: Args) -> Settings:
    """What the directive says. ConfigError for properties that are wrong."""
    directive = args.once()
    chosen = Settings(args.origins(directive.words))
    if all(map(is_reverse, chosen.zones)):
        raise directive.error("non-reverse zone name must be used")
    for line in directive.lines:
        if line.name not in _PROPERTIES:
            raise line.error(f"unknown property '{line.name}'")
        chosen = _PROPERTIES[line.name](chosen, args, line)
    wrong = _contradiction(chosen)
    if wrong:
        raise directive.error(wrong)
    return chosen


def _contradiction(chosen: Settings) -> str:
    if chosen.namespaces and chosen.namespace_labels:
        return "namespaces and namespace_labels cannot both be set"
    for zone in chosen.clustersets:
        if zone not in chosen.zones:
            ours = " ".join(map(names.show, chosen.zones))
            return f"is not authoritative for the multicluster zone {names.show(zone)} (authoritative zones: [{ours}])"
    if chosen.zonal and not chosen.endpoints:
        return "zonal requires the endpoint cache; remove noendpoints"
    if chosen.dotted and chosen.pods == DISABLED:
        return "dotted_pod_names requires pods insecure or verified"
    return ""


def ttl_of(line: Line) -> int:
    """The seconds of `ttl SECONDS`, 0 to MAX_TTL; further words are passed over. ConfigError for anything else."""
    found = line.read(_some(line)[0], integer)
    if not 0 <= found <= MAX_TTL:
        raise line.error(f"ttl must be in range [0, {MAX_TTL}]: {found}")
    return found


def _some(line: Line) -> tuple[str, ...]:
    return line.expect(1, len(line.words))


def _on(line: Line) -> bool:
    return not line.expect(0)


def _endpoint(chosen: Settings, args: Args, line: Line) -> Settings:
    first, *others = _some(line)
    if others:
        args.warn(f"Multiple endpoints have been deprecated, only the first specified endpoint '{first}' is used")
    return replace(chosen, endpoint=first)


def _kubeconfig(chosen: Settings, args: Args, line: Line) -> Settings:
    file, *context = line.expect(1, 2)
    return replace(chosen, kubeconfig=(Path(file), "".join(context)))


def _limit(chosen: Settings, _: Args, line: Line) -> Settings:
    (word,) = line.expect(1)
    number = line.read(word, real if line.name == "apiserver_qps" else integer, f'invalid {line.name} "{word}": ')
    if number < 0:
        raise line.error(f"{line.name} must be >= 0")
    return chosen


def _namespaces(chosen: Settings, _: Args, line: Line) -> Settings:
    try:
        return replace(chosen, namespaces=chosen.namespaces + tuple(map(label, _some(line))))
    except WireError as fault:
        raise line.error(f"not a namespace: {fault}") from None


def _selector(line: Line, what: str) -> str:
    text = " ".join(_some(line))
    if not is_selector(text):
        raise line.error(f"unable to parse {what} selector value: '{text}'")
    return text


def _pods(chosen: Settings, _: Args, line: Line) -> Settings:
    (mode,) = line.expect(1)
    if mode not in POD_MODES:
        raise line.error(f"wrong value for pods: {mode},  must be one of: {', '.join(POD_MODES)}")
    return replace(chosen, pods=mode)


def _ttl(chosen: Settings, _: Args, line: Line) -> Settings:
    return replace(chosen, ttl=ttl_of(line))


def _ignore(chosen: Settings, _: Args, line: Line) -> Settings:
    if line.args and line.args[0] != "empty_service":
        raise line.error(f"unable to parse ignore value: '{line.args[0]}'")
    return replace(chosen, ignore_empty=bool(line.args))


def _startup_timeout(chosen: Settings, _: Args, line: Line) -> Settings:
    word = _some(line)[0]
    timeout = line.read(word, duration, f"failed to parse startup_timeout: {word}, ")
    return replace(chosen, startup_timeout=timeout)


_PROPERTIES: dict[str, Reader] = {
    "endpoint": _endpoint,
    "tls": lambda chosen, args, line: replace(chosen, tls=tuple(map(Path, line.expect(3)))),
    "kubeconfig": _kubeconfig,
    "apiserver_qps": _limit,
    "apiserver_burst": _limit,
    "apiserver_max_inflight": _limit,
    "namespaces": _namespaces,
    "namespace_labels": lambda chosen, _, line: replace(chosen, namespace_labels=_selector(line, "namespace_label")),
    "labels": lambda chosen, _, line: replace(chosen, labels=_selector(line, "label")),
    "pods": _pods,
    "dotted_pod_names": lambda chosen, _, line: replace(chosen, dotted=_on(line)),
    "endpoint_pod_names": lambda chosen, _, line: replace(chosen, pod_names=_on(line)),
    "ttl": _ttl,
    "noendpoints": lambda chosen, _, line: replace(chosen, endpoints=not _on(line)),
    "fallthrough": lambda chosen, args, line: replace(chosen, fall=args.fallthrough(line)),
    "ignore": _ignore,
    "multicluster": lambda chosen, args, line: replace(
        chosen, clustersets=args.origins(line.args) if line.args else ()
    ),
    "snapshot": lambda chosen, args, line: replace(chosen, snapshot=args.directory / line.expect(1)[0]),
    "zonal": lambda chosen, _, line: replace(chosen, zonal=_on(line)),
    "startup_timeout": _startup_timeout,
}
