"""A service as the store has it, and the key that it stands under. Pure."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from typing import Annotated

import msgspec
from msgspec.structs import replace

from kdns.errors import UpstreamError, WireError
from kdns.wire import codes, names
from kdns.wire.names import Name

PRIORITY, TTL = 10, 300  # where a service says none; the TTL in seconds
WILDCARDS = ("*", "any")  # labels that stand for any
LONGEST = (1 << 32) - 1  # seconds of a TTL

Fields = dict[str, object]


class Service(msgspec.Struct, frozen=True):
    """The value of a key: a host (a name or an address), a text, or both, and the fields of records made of it.

    `targetstrip`: how many labels to leave off in front of the name that its key stands for. Services of one `group`
    belong to one answer. `key` is the key's path below the prefix, from the top down.
    """

    host: str = ""
    port: int = 0
    priority: int = 0
    weight: int = 0
    text: str = ""
    mail: bool = False
    ttl: Annotated[int, msgspec.Meta(ge=0, le=LONGEST)] = 0
    targetstrip: int = 0
    group: str = ""
    key: tuple[str, ...] = ()

    @property
    def address(self) -> bytes | None:
        """The host's address, packed, if it is one; an IPv4 address that is mapped into IPv6 is one of IPv4."""
        try:
            found = ip_address(self.host)
        except ValueError:
            return None
        mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
        return (mapped or found).packed

    @property
    def kind(self) -> int:
        """What its host is: A, AAAA, CNAME for a name, or TXT where there is a text beside it, or no host."""
        address = self.address
        if address is None:
            return codes.TXT if self.text else codes.CNAME
        return codes.A if len(address) == 4 else codes.AAAA

    @property
    def target(self) -> Name:
        """The name that its host is. UpstreamError if it is none."""
        return _name(self.host)

    @property
    def own_name(self) -> Name:
        """The name that its key stands for. UpstreamError if it is none."""
        return _name(".".join(reversed(self.key)))

    def stripped(self, name: Name) -> Name:
        """A name without the labels that `targetstrip` leaves off; whole if it has no more than these."""
        labels = names.labels(name)
        return names.join(labels[self.targetstrip :]) if 0 < self.targetstrip < len(labels) else name


def read(path: Sequence[str], value: bytes, ttl: int | None) -> Service:
    """The service of a key below the prefix; `ttl` is the lease's, None without one. UpstreamError if it is none.

    Read as Go does, which writers rely on: the case of a field's name does not count, `null` is a field left out, and
    fields that are not known are passed over.
    """
    try:
        fields = msgspec.json.decode(value, type=Fields | None) or {}
        found = msgspec.convert(
            {name.lower(): said for name, said in fields.items() if said is not None and name.lower() != "key"}, Service
        )
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UpstreamError(f"/{'/'.join(path)}: {error}") from None
    known = [seconds for seconds in (ttl, found.ttl) if seconds]
    return replace(found, key=tuple(path), ttl=min(known, default=TTL), priority=found.priority or PRIORITY)


def path_of(name: Name) -> list[str]:
    """The key's path below the prefix that a name stands for."""
    return [names.show(names.join([label])).removesuffix(".") for label in reversed(names.labels(name))]


def before_wildcard(path: Sequence[str]) -> list[str] | None:
    """The path in front of its first wildcard; None if it has none."""
    first = next((at for at, label in enumerate(path) if label in WILDCARDS), None)
    return None if first is None else [*path[:first]]


def matches(key: Sequence[str], path: Sequence[str]) -> bool:
    """Whether a key is at or below a path in which wildcards stand for any label."""
    return len(key) >= len(path) and all(
        wanted in WILDCARDS or wanted == label for wanted, label in zip(path, key, strict=False)
    )


def grouped(services: Sequence[Service]) -> list[Service]:
    """The services of the group that those with the shortest keys are of, and those of none; all if these disagree."""
    if not services:
        return []
    group, depth = services[0].group, len(services[0].key)
    for service in services:
        if len(service.key) < depth:
            if not service.group:
                break
            group, depth = service.group, len(service.key)
    if not group or any(each.group not in ("", group) and len(each.key) == depth for each in services):
        return [*services]
    return [each for each in services if each.group in ("", group)]


def _name(text: str) -> Name:
    try:
        return names.parse(text)
    except WireError as error:
        raise UpstreamError(f"{text!r} is no name: {error}") from None
