"""Properties that several plugins with zones have."""

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from kdns.corefile import Line, duration
from kdns.corefile.hostport import split
from kdns.transport.address import Address
from kdns.zone import keys
from kdns.zone.keys import Key

PORT = 53


def reload_of(line: Line) -> float:
    """The seconds of `reload DURATION`, 0 for never. ConfigError for anything else."""
    if not line.args:
        raise line.error("reload duration value is expected")
    seconds = line.read(line.args[0], duration)
    if seconds < 0:
        raise line.error("invalid duration")
    return seconds


def keys_of(line: Line, directory: Path) -> list[Key]:
    """The keys of `key file KEY...`, whose files are relative to a directory. ConfigError for what cannot be read."""
    source, *files = line.expect(2, len(line.words))
    if source != "file":
        raise line.error(f"keys can not be read from '{source}'")
    return [keys.from_files(str(directory / file), _read, line.error) for file in files]


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


def _read(path: str) -> str:
    return Path(path).read_text()
