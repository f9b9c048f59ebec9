"""Master files (RFC 1035 section 5): from text to records, one by one, however long the file is. Pure.

The reader cuts lines into words, keeps what one record inherits from the one before (owner, TTL, class) and knows
$ORIGIN, $TTL, $INCLUDE and $GENERATE. The RDATA of the types that zones are full of is made right here; that of all
others, unknown types included (RFC 3597), by dnspython. Characters beyond ASCII stand for their UTF-8 octets.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from struct import Struct
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rdata

from kdns.errors import WireError, ZoneError
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone.generation import generated

MOST_INCLUDED = 7  # files within files, as CoreDNS has it
MAX_TTL = 2**32 - 1  # seconds

Open = Callable[[str], Iterable[str]]  # a file's lines; OSError if it cannot be read

_PLAIN = re.compile(r"[^\"\\();]*\Z")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[()]|;.*|(?:\\.|[^\s()";])+|"', re.DOTALL)
_LABEL = re.compile(r"[!-\-/-\[\]-~]{1,63}\Z")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}\Z")  # what passes needs no IPv4Address, the slowest part of a record
_ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)
_BEFORE_VALUE = re.compile(r'(?<==) (?=")')  # between a parameter and its value in quotes, cut to two words
_WITH_PARAMETERS = (codes.SVCB, codes.HTTPS)  # RFC 9460 section 2.1: `alpn="h2,h3"`
_DURATION = re.compile(r"(?:\d+[smhdwSMHDW]?)+\Z", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SOA_TIMES = Struct("!IIIII")
_FAULTS = (ValueError, KeyError, IndexError, OverflowError, WireError, dns.exception.DNSException, TypeError)


class Entry(NamedTuple):
    """One entry of a file: its first line's number, whether that begins with a blank, its words (quotes kept)."""

    line: int
    is_indented: bool
    words: list[str]


def read(path: str, origin: Name, open_file: Open) -> Iterator[RR]:
    """The records of a master file, in order, names absolute by `origin` or $ORIGIN.

    ZoneError, with file and line, at the first mistake, also for a file that cannot be read.
    """
    return _Reader(path, origin, open_file).records()


def entries(lines: Iterable[str], path: str) -> Iterator[Entry]:
    """Lines as entries: parentheses joined, comments gone, empty ones left out. ZoneError for what does not end."""
    words: list[str] = []
    depth = start = 0
    is_indented = False
    for number, line in enumerate(lines, 1):
        if not depth:
            start, is_indented, words = number, line[:1] in (" ", "\t"), []
        if _PLAIN.match(line):
            words += line.split()
        else:
            try:
                depth = _cut(line, words, depth)
            except ValueError as fault:
                raise ZoneError(f"{path}:{number}: {fault}") from None
        if words and not depth:
            yield Entry(start, is_indented, words)
    if depth:
        raise ZoneError(f"{path}:{start}: the parenthesis is not closed")


def seconds(text: str) -> int:
    """A TTL or another time: `3600`, `1h30m` (seconds). ValueError for anything else, or more than 32 bits."""
    if not _DURATION.match(text):
        raise ValueError(f"not a time in seconds: {text!r}")
    parts = re.findall(r"(\d+)([a-z]?)", text.lower())
    total = sum(int(count) * _UNITS[unit or "s"] for count, unit in parts)
    if total > MAX_TTL:
        raise ValueError(f"more than 32 bits of seconds: {text!r}")
    return total


class _Reader:
    """What one file inherits from line to line."""

    def __init__(self, path: str, origin: Name, open_file: Open, depth: int = 0) -> None:
        self._path = path
        self._open = open_file
        self._depth = depth
        self._origin = origin
        self._owner: Name | None = None
        self._parent = "", names.ROOT  # of an absolute name, as text and name
        self._ttl: int | None = None  # of $TTL, or of the record before
        self._ttl_is_fixed = False  # by $TTL
        self._directives = {
            "$ORIGIN": self._set_origin, "$TTL": self._set_ttl, "$INCLUDE": self._include, "$GENERATE": self._generate,
        }  # fmt: skip

    def records(self) -> Iterator[RR]:
        line = 0
        try:
            for entry in entries(self._open(self._path), self._path):
                line = entry.line
                directive = self._directives.get(entry.words[0].upper()) if entry.words[0][0] == "$" else None
                if directive is None:
                    yield self._record(entry.is_indented, entry.words)
                else:
                    yield from directive(entry.words[1:])
        except OSError as fault:
            raise ZoneError(f"{self._path}: {fault.strerror or fault}") from None
        except _FAULTS as fault:
            raise ZoneError(f"{self._path}:{line}: {_said(fault)}") from None

    def _set_origin(self, words: list[str]) -> Iterable[RR]:
        (text,) = words
        self._origin = self._name(text)
        return ()

    def _set_ttl(self, words: list[str]) -> Iterable[RR]:
        (text,) = words
        self._ttl, self._ttl_is_fixed = seconds(text), True
        return ()

    def _include(self, words: list[str]) -> Iterator[RR]:
        """Another file's records; its $ORIGIN and owners end with it."""
        path, origin = words[0].strip('"'), self._name(words[1]) if words[1:] else self._origin
        if self._depth == MOST_INCLUDED:
            raise ValueError("too deeply nested $INCLUDE")
        inner = _Reader(str(PurePath(self._path).parent / path), origin, self._open, self._depth + 1)
        inner._ttl, inner._ttl_is_fixed = self._ttl, self._ttl_is_fixed
        yield from inner.records()

    def _generate(self, words: list[str]) -> Iterator[RR]:
        for line in generated(words):
            yield self._record(False, line)

    def _record(self, is_indented: bool, words: list[str]) -> RR:
        at = 0
        if not is_indented:
            self._owner = self._name(words[0])
            at = 1
        if self._owner is None:
            raise ValueError("there is no owner before this record")
        ttl: int | None = None
        rclass = codes.IN
        while (kind := _KINDS.get(word := words[at])) is None:
            at += 1
            if word.upper() in _CLASSES or word[:5].upper() == "CLASS":
                rclass = codes.class_number(word)
            elif ttl is None and word[0].isdigit():
                ttl = seconds(word)
            else:
                kind = codes.type_number(word)
                at -= 1
                break
        rdata = self._rdata(kind, words[at + 1 :], rclass)
        if ttl is None:
            ttl = self._inherited(kind, rdata)
        elif not self._ttl_is_fixed:
            self._ttl = ttl
        return records.make(self._owner, kind, ttl, rdata, rclass)

    def _inherited(self, kind: int, rdata: bytes) -> int:
        """The TTL of a record that gives none; an SOA without one has its minimum (RFC 2308 section 4)."""
        if self._ttl is None and kind == codes.SOA:
            self._ttl = int.from_bytes(rdata[-4:], "big")
        if self._ttl is None:
            raise ValueError("there is no TTL, and none before it")
        return self._ttl

    def _rdata(self, kind: int, words: list[str], rclass: int) -> bytes:
        make = _ALL_MAKERS.get(kind) if rclass == codes.IN and words[:1] != ["\\#"] else None
        if make is not None:
            return make(self._name, *words)
        origin = dns.name.from_wire(self._origin, 0)[0]
        text = " ".join(words)
        if kind in _WITH_PARAMETERS:
            text = _BEFORE_VALUE.sub("", text)
        made = dns.rdata.from_text(
            codes.class_name(rclass), codes.type_name(_LIKE.get(kind, kind)), text, origin, relativize=False
        ).to_wire()
        assert made is not None  # without a file to write to, the octets are returned
        return made

    def _name(self, text: str) -> Name:
        if text == "@":
            return self._origin
        if text[-1:] == "." and text[-2:-1] != "\\":
            whole = self._absolute(text)
        else:
            is_one_label = _LABEL.match(text)  # most are: this costs a quarter of `parse`
            whole = (bytes((len(text),)) + text.encode() if is_one_label else names.parse(text)[:-1]) + self._origin
        if len(whole) > names.MAX_NAME:
            raise ValueError(f"name of {len(whole)} octets: at most {names.MAX_NAME} are allowed")
        return whole

    def _absolute(self, text: str) -> Name:
        """A name with its last dot; mostly one has the parent of the one before."""
        label, _, parent = text.partition(".")
        if not _LABEL.match(label) or parent == ".":  # two dots are a mistake
            return names.parse(text)
        if parent != self._parent[0]:
            self._parent = parent, names.parse(parent)
        return bytes((len(label),)) + label.encode() + self._parent[1]


_ToName = Callable[[str], Name]


def _mx(to_name: _ToName, preference: str, host: str) -> bytes:
    return _number(preference, 2) + to_name(host)


def _srv(to_name: _ToName, priority: str, weight: str, port: str, target: str) -> bytes:
    return _number(priority, 2) + _number(weight, 2) + _number(port, 2) + to_name(target)


def _soa(to_name: _ToName, mname: str, rname: str, serial: str, *times: str) -> bytes:
    refresh, retry, expire, minimum = map(seconds, times)
    return to_name(mname) + to_name(rname) + _SOA_TIMES.pack(int(serial), refresh, retry, expire, minimum)


def _txt(_: _ToName, first: str, *more: str) -> bytes:
    return b"".join(bytes((len(part),)) + part for part in map(_unquoted, (first, *more)))


_MAKERS: dict[int, Callable[..., bytes]] = {
    codes.A: lambda _, text: bytes(map(int, text.split("."))) if _IPV4.match(text) else IPv4Address(text).packed,
    codes.AAAA: lambda _, text: IPv6Address(text).packed,
    codes.NS: lambda to_name, text: to_name(text),
    codes.CNAME: lambda to_name, text: to_name(text),
    codes.PTR: lambda to_name, text: to_name(text),
    codes.DNAME: lambda to_name, text: to_name(text),
    codes.MX: _mx,
    codes.SRV: _srv,
    codes.SOA: _soa,
    codes.TXT: _txt,
}
_RARE: dict[int, Callable[..., bytes]] = {  # that CoreDNS reads and dnspython does not
    **dict.fromkeys((3, 4, 7, 8, 9), _MAKERS[codes.NS]),  # MD, MF, MB, MG, MR
    **dict.fromkeys((14, 58), lambda to_name, one, other: to_name(one) + to_name(other)),  # MINFO, TALINK
    **dict.fromkeys((31, 32), lambda _, *words: bytes.fromhex("".join(words))),  # EID, NIMLOC
    **dict.fromkeys((101, 102), lambda _, number: _number(number, 4)),  # UID, GID
    100: lambda to_name, text: _txt(to_name, text),  # UINFO
    128: lambda _: b"",  # NXNAME (RFC 9824 section 3.3)
}
_LIKE = {57: codes.DNSKEY, 32768: codes.DS}  # RKEY and TA are written as these are
_ALL_MAKERS = _MAKERS | _RARE
_KINDS = {codes.type_name(kind): kind for kind in _MAKERS}
_CLASSES = frozenset(codes.CLASSES.values())


def _number(text: str, octets: int) -> bytes:
    return int(text).to_bytes(octets, "big")


def _unquoted(word: str) -> bytes:
    inner = word[1:-1] if word[0] == '"' else word
    part = _ESCAPE.sub(_escaped, inner.encode()) if "\\" in inner else inner.encode()
    if len(part) > 255:
        raise ValueError(f"character-string of {len(part)} octets: at most 255 are allowed")
    return part


def _escaped(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1]),)) if len(match[1]) == 3 else match[1]


def _cut(line: str, words: list[str], depth: int) -> int:
    """The words of a line with quotes, comments or parentheses added; how many of these are open behind it.

    ValueError for a quote that does not end or a parenthesis that did not begin.
    """
    for word in _WORD.findall(line):
        if word == "(":
            depth += 1
        elif word == ")":
            depth -= 1
        elif word == '"':
            raise ValueError("the quote is not closed")
        elif word[0] != ";":
            words.append(word)
        if depth < 0:
            raise ValueError("a parenthesis is closed that is not open")
    return depth


def _said(fault: Exception) -> str:
    """What is wrong, for people: the faults of Python's own functions are put in words."""
    with suppress(IndexError):
        if isinstance(fault, KeyError):
            return f"unknown type or class {fault.args[0]!r}"
    if isinstance(fault, TypeError | IndexError):
        return "too few or too many words for this type"
    return str(fault) or type(fault).__name__
