"""Properties that several plugins with zones have."""

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

from kdns.corefile import Line, duration
from kdns.corefile.hostport import split
from kdns.transport.address import Address

PORT = 53


def reload_of(line: Line) -> float:
    """The seconds of `reload DURATION`, 0 for never. ConfigError for anything else."""
    if not line.args:
        raise line.error("reload duration value is expected")
    seconds = line.read(line.args[0], duration)
    if seconds < 0:
        raise line.error("invalid duration")
    return seconds


def addresses_of(line: Line, words: tuple[str, ...]) -> Iterator[Address]:
    """Other servers, `ADDRESS[:PORT]` each. ConfigError, in CoreDNS's words, for what is no IP address."""
    for word in words:
        host, port = word, str(PORT)
        with suppress(ValueError):  # no port
            host, port = split(word)
        try:
            ip_address(host)
            yield Address("dns", host, int(port))
        except ValueError:
            raise line.error(f"must specify an IP address: `{host}'") from None
