"""Where an upstream is: the TO arguments of a Corefile as addresses.

    10.0.0.1   10.0.0.1:5353   [2001:db8::1]:53   dns://10.0.0.1   tls://10.0.0.1%name.example:853   https://10.0.0.1

The name may stand behind the port as well.

What is neither an IP address nor a resolv.conf-like file is a host name, to be resolved at start. Nothing here does
I/O: what stands in files is given as text.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

PORTS = {"dns": 53, "tls": 853, "https": 443, "grpc": 443, "quic": 853, "unix": 0}


class Address(NamedTuple):
    """One place to send queries to. `host` is an IP address or, before it is resolved, a host name."""

    scheme: str
    host: str
    port: int
    server_name: str = ""  # the name that its certificate must have, from `%NAME`

    def __str__(self) -> str:
        return join(self.host, self.port)

    @property
    def is_resolved(self) -> bool:
        """Whether `host` is an IP address."""
        return is_ip(self.host)


def parse(text: str) -> Address:
    """The address that a TO argument spells. ValueError if its port is none or nothing is left for the host."""
    scheme, found, rest = text.partition("://")
    scheme, rest = (scheme.lower(), rest) if found else ("dns", text)
    bare, percent, name = rest.rpartition("%")
    if percent and ":" not in name and "]" not in name:  # behind the port, or without one
        host, port = split(bare)
    else:
        host, port = split(rest)
        host, _, name = host.partition("%")
    if not host:
        raise ValueError(f'invalid address: "{text}"')
    return Address(scheme, host, PORTS.get(scheme, 53) if port is None else port, name)


def split(text: str) -> tuple[str, int | None]:
    """Host and port of `HOST`, `HOST:PORT`, `[IPv6]:PORT` or a bare IPv6 address. ValueError for a bad port."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, _port(rest.removeprefix(":")) if rest else None
    bare, percent, name = text.partition("%")
    if percent:
        name, colon, port = name.partition(":")
        return f"{bare}%{name}", _port(port) if colon else None
    host, colon, port = text.rpartition(":")
    if not colon or ":" in host:
        return text, None
    return host, _port(port)


def join(host: str, port: int) -> str:
    """`HOST:PORT`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_ip(text: str) -> bool:
    """Whether this is an IP address (without zone)."""
    try:
        return bool(ip_address(text).packed) and "%" not in text
    except ValueError:
        return False


def nameservers(resolv_conf: str) -> Iterator[Address]:
    """The servers that the text of a resolv.conf names, in order; what is no IP address is passed over."""
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and is_ip(host := words[1].partition("%")[0]):
            yield Address("dns", host, PORTS["dns"])


def unique(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """The addresses without those whose host and port came before."""
    seen: dict[str, Address] = {}
    for address in addresses:
        seen.setdefault(str(address), address)
    return tuple(seen.values())


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 0xFFFF):
        raise ValueError(f"invalid port {text}")
    return int(text)
