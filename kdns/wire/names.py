"""Domain names in wire form: `b"\\x03www\\x07example\\x03org\\x00"`, uncompressed, root `b"\\x00"`.

A length octet is at most 63, below ord("A"), so `bytes.lower` is RFC 4343 case folding and equality, hash and dict
lookup of names run in C. Dots and escapes exist only in `parse` and `show`. A key is always a lower-cased name.
"""

import re
from collections.abc import Iterator, Mapping

from kdns.errors import WireError

Name = bytes

ROOT: Name = b"\x00"
NOTHING: Mapping[bytes, Name] = {}
MAX_NAME, MAX_LABEL = 255, 63  # octets (RFC 1035 section 2.3.4)
MAX_POINTERS = 126  # a name may be made of: as many as it may have labels but one (RFC 9267 section 2)

_PLAIN = re.compile(rb"[A-Za-z0-9_\-*/=+@~!#%^&{}\[\]<>,:?|`']*\Z")
_SPECIAL = frozenset(b'."\\;()$@')


def parse(text: str) -> Name:
    """The wire form of a name in presentation format, with or without the last dot; `""` and `.` are the root.

    `\\DDD` and `\\X` are escapes (RFC 1035 section 5.1); other characters stand for their UTF-8 octets.
    Raises WireError for an empty or over-long label, an over-long name, a broken escape.
    """
    if text in ("", "."):
        return ROOT
    labels = _unescape(text) if "\\" in text else text.removesuffix(".").encode().split(b".")
    wire = bytearray()
    for label in labels:
        if not 0 < len(label) <= MAX_LABEL:
            raise WireError(f"label of {len(label)} octets in {text!r}: 1 to 63 are allowed")
        wire.append(len(label))
        wire += label
    wire.append(0)
    if len(wire) > MAX_NAME:
        raise WireError(f"name of {len(wire)} octets: at most {MAX_NAME} are allowed")
    return bytes(wire)


def show(name: Name) -> str:
    """Presentation format, absolute (with the last dot), escaped so that `parse(show(n)) == n`."""
    if name == ROOT:
        return "."
    return "".join(f"{_escape(label)}." for label in labels(name))


def labels(name: Name) -> list[bytes]:
    """The labels from left to right, without the root's empty one."""
    found = []
    at = 0
    while length := name[at]:
        found.append(name[at + 1 : at + 1 + length])
        at += 1 + length
    return found


def join(parts: list[bytes], suffix: Name = ROOT) -> Name:
    """Labels (1 to 63 octets each, unchecked) put in front of a name."""
    return b"".join([bytes((len(part),)) + part for part in parts]) + suffix


def ancestors(name: Name) -> Iterator[Name]:
    """The name itself, then each parent, the root last: CoreDNS's label walk."""
    at = 0
    while length := name[at]:
        yield name[at:]
        at += 1 + length
    yield ROOT


def is_below(name: Name, zone: Name) -> bool:
    """Whether a key is `zone` or ends in it on a label boundary (both lower-cased)."""
    if not name.endswith(zone):
        return False
    if zone == ROOT:
        return True
    cut = len(name) - len(zone)
    at = 0
    while at < cut:
        at += 1 + name[at]
    return at == cut


def end_of(message: bytes, at: int) -> int:
    """The offset behind an uncompressed name that starts at `at`. WireError for a pointer or an overrun."""
    start = at
    try:
        while 0 < (length := message[at]) <= MAX_LABEL:
            at += 1 + length
    except IndexError:
        raise WireError("name runs past the end of the message") from None
    if length:
        raise WireError(f"compression pointer or unknown label type {length:#x} where none may be")
    if at + 1 - start > MAX_NAME:
        raise WireError("name of more than 255 octets")
    return at + 1


def read(message: bytes, at: int, known: Mapping[bytes, Name] = NOTHING) -> tuple[Name, int]:
    """The (decompressed) name at `at` and the offset behind it.

    Pointers must go strictly backwards, and be no more than MAX_POINTERS, which bounds the work (RFC 9267 section 2).
    WireError for anything else. `known` are names that pointers (their two octets) were found to lead to.
    """
    try:
        return _follow(message, at, known)
    except IndexError:
        raise WireError("name runs past the end of the message") from None


def _follow(message: bytes, at: int, known: Mapping[bytes, Name]) -> tuple[Name, int]:
    name, after, start, pointers = b"", 0, at, 0
    while True:
        while 0 < (length := message[at]) < 64:
            at += 1 + length
        name += message[start:at]
        if not length:
            break
        if length < 0xC0:
            raise WireError(f"unknown label type {length:#x}")
        after = after or at + 2
        target = (length & 0x3F) << 8 | message[at + 1]
        if target >= start:
            raise WireError("compression pointer does not go backwards")
        if known and (rest := known.get(message[at : at + 2])):
            name += rest[:-1]
            break
        if len(name) >= MAX_NAME:
            break
        pointers += 1
        if pointers > MAX_POINTERS:
            raise WireError("too many compression pointers")
        at = start = target
    if len(name) >= MAX_NAME:
        raise WireError("name of more than 255 octets")
    return name + ROOT, after or at + 1


def _escape(label: bytes) -> str:
    if _PLAIN.match(label) and b"@" not in label:
        return label.decode("ascii")
    return "".join(
        f"\\{chr(octet)}" if octet in _SPECIAL else chr(octet) if 0x20 < octet < 0x7F else f"\\{octet:03d}"
        for octet in label
    )


def _unescape(text: str) -> list[bytes]:
    found = [bytearray()]
    rest = iter(text)
    for char in rest:
        if char == ".":
            found.append(bytearray())
        elif char != "\\":
            found[-1] += char.encode()
        elif (escaped := next(rest, "")).isdigit():
            code = escaped + next(rest, "") + next(rest, "")
            if not (len(code) == 3 and code.isascii() and code.isdigit() and int(code) <= 255):
                raise WireError(f"broken escape \\{code} in {text!r}: three digits up to 255 are needed")
            found[-1].append(int(code))
        elif escaped:
            found[-1] += escaped.encode()
        else:
            raise WireError(f"backslash at the end of {text!r}")
    if not found[-1]:
        found.pop()
    return [bytes(label) for label in found]
