"""Hosts files: lines `ADDRESS NAME...` as a table from names to addresses, and back.

A line that begins with no IP address is passed over, as is a name that is none or is outside the zones. A name whose
first label is `*` stands for any one label there; an exact name wins over it, family by family. IPv4-mapped IPv6
addresses count as IPv4. The table is built once and not changed: reading the file again makes another.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from kdns.errors import WireError
from kdns.wire import codes, names
from kdns.wire.names import Name

Address = IPv4Address | IPv6Address
_STAR = b"\x01*"


class Table(NamedTuple):
    """Addresses (packed) by type (A or AAAA) and key, wildcards among them under their own name; names by address."""

    addresses: dict[tuple[int, Name], list[bytes]]
    names: dict[Address, list[Name]]

    @property
    def entries(self) -> int:
        """How many addresses and reverse names it holds, as CoreDNS's metric counts them."""
        return sum(map(len, self.addresses.values())) + sum(map(len, self.names.values()))


def parse(text: str, zones: Sequence[Name], *, reverse: bool = True) -> Table:
    """The table of a file's text with the names that are in one of `zones` (keys). `reverse`: also names by address."""
    table = Table({}, {})
    for address, name in _entries(text, zones):
        key = (codes.A if address.version == 4 else codes.AAAA), name
        table.addresses.setdefault(key, []).append(address.packed)
        if reverse and not name.startswith(_STAR):
            table.names.setdefault(address, []).append(name)
    return table


def lookup(tables: Iterable[Table], key: Name, qtype: int) -> tuple[bytes, ...]:
    """The packed addresses of a key: those of the first table, then those of the next."""
    star = wildcard(key)
    return tuple(packed for table in tables for packed in _find(table, key, star, qtype))


def wildcard(key: Name) -> Name:
    """The name that stands for `key` by its `*`: the first label replaced. The root stays the root."""
    return _STAR + key[1 + key[0] :] if key[0] else key


def owners(tables: Iterable[Table], address: Address) -> tuple[Name, ...]:
    """The names that have an address, in the order of the files."""
    return tuple(name for table in tables for name in table.names.get(address, ()))


def changed(before: Table, after: Table) -> Iterator[Name]:
    """The keys, wildcards as they are written and reverse names, of what differs between two tables."""
    for key in before.addresses.keys() | after.addresses.keys():
        if before.addresses.get(key) != after.addresses.get(key):
            yield key[1]
    for address in before.names.keys() | after.names.keys():
        if before.names.get(address) != after.names.get(address):
            yield reverse_of(address)


def reverse_of(address: Address) -> Name:
    """The reverse name of an address (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    return names.parse(address.reverse_pointer)


def address_of(text: str) -> Address | None:
    """An IP address, a zone index (`%eth0`) cut off, IPv4-mapped IPv6 as IPv4. None for anything else."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def address_of_reverse(key: Name) -> Address | None:
    """The address that a reverse name stands for: four labels of in-addr.arpa or 32 nibbles of ip6.arpa, else None."""
    parts = [label.decode("latin-1") for label in names.labels(key)]
    if parts[-2:] == ["in-addr", "arpa"] and len(parts) == 6:
        return address_of(".".join(reversed(parts[:4])))
    if parts[-2:] == ["ip6", "arpa"] and len(parts) == 34:
        nibbles = "".join(reversed(parts[:32]))
        return address_of(":".join(nibbles[at : at + 4] for at in range(0, 32, 4)))
    return None


def _entries(text: str, zones: Sequence[Name]) -> Iterator[tuple[Address, Name]]:
    for line in text.split("\n"):
        words = line.partition("#")[0].split()
        address = address_of(words[0]) if words else None
        if address is None:
            continue
        for name in filter(None, map(_key, words[1:])):
            if any(names.is_below(name, zone) for zone in zones):
                yield address, name


def _key(text: str) -> Name | None:
    try:
        return names.parse(text).lower()
    except WireError:
        return None


def _find(table: Table, key: Name, star: Name, qtype: int) -> Sequence[bytes]:
    return table.addresses.get((qtype, key)) or table.addresses.get((qtype, star)) or ()
