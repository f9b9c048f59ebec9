"""What a name in a cluster zone asks for: the grammar of Kubernetes' DNS names as CoreDNS reads it.

    svc | pod                                   like the apex: there, without records
    NS.svc                                      a namespace
    SVC.NS.svc                                  a service
    EP.SVC.NS.svc                               an endpoint of it
    _PORT._PROTO.SVC.NS.svc                     a port of it (the underscores may be missing)
    ZONE....pin|prefer._zone.SVC.NS.svc         its endpoints in a topology zone (with `zonal`)
    1-2-3-4.NS.pod                              a pod by its address

There are no wildcards. Names are read from the key's octets; the parts are slices of it.
"""

from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from kdns.cluster.entries import Address, Label
from kdns.wire import names
from kdns.wire.names import Name

SVC, POD = b"\x03svc", b"\x03pod"
ANY: Label = b"\0"

_IN_ADDR, _IP6 = b"\x07in-addr\x04arpa\0", b"\x03ip6\x04arpa\0"
_POLICIES = {b"\x03pin": True, b"\x06prefer": False}


class Asked(NamedTuple):
    """A parsed name. Labels with their length octet; b"" where the name has no such part.

    `branch` is SVC, POD, or b"" for the apex and the two branches themselves. `topology` is a zone's name in lower
    case, and `pin` whether only endpoints in it are wanted.
    """

    branch: bytes = b""
    namespace: Label = b""
    name: Label = b""
    endpoint: Label = b""
    port: Label = ANY
    protocol: Label = ANY
    topology: bytes = b""
    pin: bool = False

    @property
    def service(self) -> bytes:
        """The key of the service in the index."""
        return self.name + self.namespace

    @property
    def is_port(self) -> bool:
        """Whether a port or protocol was asked for."""
        return self.port != ANY or self.protocol != ANY


def read(key: Name, zone: Name, *, zonal: bool = False) -> Asked | None:
    """What a key at or below `zone` asks for; None where the grammar has no such name (NXDOMAIN)."""
    labels = [bytes((len(part),)) + part for part in names.labels(key[: len(key) - len(zone)] + names.ROOT)]
    if not labels:
        return Asked()
    branch = labels.pop()
    if branch not in (SVC, POD):
        return None
    if not labels:
        return Asked()
    namespace = labels.pop()
    name = labels.pop() if labels else b""
    asked = Asked(branch, namespace, name)
    if not labels:
        return asked
    if len(labels) == 1:
        return asked._replace(endpoint=labels[0])
    if len(labels) == 2:
        return asked._replace(port=_bare(labels[0]), protocol=_bare(labels[1]))
    if zonal and branch == SVC and labels[-1] == b"\x05_zone" and labels[-2] in _POLICIES:
        topology = b".".join(label[1:] for label in labels[:-2])
        return asked._replace(topology=topology, pin=_POLICIES[labels[-2]])
    return None


def dashed_address(label: Label) -> Address | None:
    """The address that a pod's label spells: three single dashes are dots of IPv4, otherwise dashes are colons."""
    text = label[1:]
    is_ipv4 = text.count(b"-") == 3 and b"--" not in text
    return _address(text.replace(b"-", b"." if is_ipv4 else b":"))


def dotted_pod(key: Name, zone: Name) -> tuple[Address, Label] | None:
    """The address and namespace of `10.244.0.1.NS.pod` or `10.244.0.1.NS.svc`: an IPv4 address in dots."""
    labels = names.labels(key[: len(key) - len(zone)] + names.ROOT)
    if len(labels) != 6 or labels[-1] not in (b"pod", b"svc"):
        return None
    address = _address(b".".join(labels[:4]))
    return None if address is None else (address, bytes((len(labels[4]),)) + labels[4])


def is_reverse(zone: Name) -> bool:
    """Whether a zone (lower-cased) is one of reverse names."""
    return zone.endswith((_IN_ADDR, _IP6))


def reverse_address(key: Name) -> Address | None:
    """The address that a whole reverse name stands for (RFC 1035 section 3.5, RFC 3596 section 2.5), or None."""
    if key.endswith(_IN_ADDR):
        return _address(b".".join(reversed(names.labels(key[: -len(_IN_ADDR)] + names.ROOT))))
    if key.endswith(_IP6):
        digits = names.labels(key[: -len(_IP6)] + names.ROOT)
        if len(digits) == 32 and all(len(digit) == 1 for digit in digits):
            joined = b"".join(reversed(digits))
            return _address(b":".join(joined[at : at + 4] for at in range(0, 32, 4)))
    return None


def _bare(label: Label) -> Label:
    return bytes((len(label) - 2,)) + label[2:] if label[1:2] == b"_" else label


def _address(text: bytes) -> Address | None:
    try:
        shown = text.decode("ascii")
        return IPv6Address(shown).packed if ":" in shown else IPv4Address(shown).packed
    except (AddressValueError, UnicodeDecodeError):
        return None
