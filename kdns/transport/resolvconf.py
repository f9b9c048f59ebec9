"""Where a machine looks for short names: the search list of a resolv.conf (resolv.conf(5)).

The text is given, nothing here does I/O. As in CoreDNS, `search` and `domain` replace what stood before them.
"""

from collections.abc import Iterator

from kdns.errors import WireError
from kdns.wire import names
from kdns.wire.names import Name


def search(text: str) -> tuple[Name, ...]:
    """The search list of a resolv.conf's text, lower-cased; words that are no names are passed over."""
    words: list[str] = []
    for line in text.splitlines():
        match line.split():
            case ["search", *domains]:
                words = domains
            case ["domain", *domains]:
                words = domains[:1]
    return tuple(_names(words))


def _names(words: list[str]) -> Iterator[Name]:
    for word in words:
        try:
            yield names.parse(word).lower()
        except WireError:
            continue
