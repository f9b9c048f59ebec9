"""The lines that a server prints at its start for what it serves, in CoreDNS's form: pure."""

import re
from collections.abc import Iterable, Iterator

_PREFERRED = re.compile(r"([A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+")  # RFC 1035 section 2.3.1, as an absolute name
_REVERSE = (".in-addr.arpa.", ".ip6.arpa.")


def zone_lines(scheme: str, address: str, port: int, zones: Iterable[str]) -> Iterator[str]:
    """A line for each zone of a listener, by name; before it a warning if its name is an unusual one.

    `scheme` is what stands before the zone, `tls://` or nothing; `address` is "" for all addresses; `zones` are texts.
    """
    bound = f" on {address}" if address else ""
    for zone in sorted(zones):
        if not is_preferred(zone):
            yield f'Warning: Domain "{zone}" does not follow RFC1035 preferred syntax'
        yield f"{scheme}{zone}:{port}{bound}"


def is_preferred(zone: str) -> bool:
    """Whether a zone's name keeps to the preferred syntax of RFC 1035; the root and reverse zones count as if."""
    return zone == "." or zone.endswith(_REVERSE) or _PREFERRED.fullmatch(zone) is not None
