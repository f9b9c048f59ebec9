"""Weight files: how often each address of a name should come first.

www.example.org         # a line with one word is a domain
192.0.2.1 3             # the lines under it: an address and its weight, 1 to 255
192.0.2.2 1
"""

from kdns.errors import WireError
from kdns.wire import names
from kdns.wire.names import Name
from kdns.zone.hosts import address_of

Weights = dict[Name, dict[bytes, int]]  # key -> packed address -> weight


def parse(text: str, file: str) -> Weights:
    """The weights that a file says. ValueError, in CoreDNS's words with the file's name, for a line that says none."""
    found: Weights = {}
    domain: dict[bytes, int] | None = None
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) == 1:
            domain = found.setdefault(_domain(words[0], file), {})
        elif len(words) == 2:
            packed, weight = _address(words[0], file), _weight(words[1], file)
            if domain is None:
                raise ValueError(f"missing domain name in weight file {file}")
            domain.setdefault(packed, weight)
        else:
            raise ValueError(f'could not parse weight line:"{line.strip()}" in weight file {file}')
    return found


def _domain(word: str, file: str) -> Name:
    if address_of(word) is None:
        try:
            return names.parse(word).lower()
        except WireError as error:
            raise ValueError(f"{error} in weight file {file}") from None
    raise ValueError(f'wrong domain name:"{word}" in weight file {file}. (Maybe a missing weight value?)')


def _address(word: str, file: str) -> bytes:
    address = address_of(word)
    if address is None:
        raise ValueError(f'wrong IP address:"{word}" in weight file {file}')
    return address.packed


def _weight(word: str, file: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 10 and 0 < int(word) < 256):
        raise ValueError(f'wrong weight value:"{word}" in weight file {file}')
    return int(word)
