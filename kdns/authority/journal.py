"""A zone's journal: its records as they were at one time and every change since, on disk before anybody is told.

The file begins with a line that says what it is. Entries follow: length, CRC-32, and records in wire form one behind
the other; the first entry is the whole zone, each other one a difference as IXFR has it. An entry is appended and
synced before `append` returns, so what a kill or a power cut leaves is an entry cut short at the end at most, of which
nobody was told: it is cut off. Anything else that does not add up is damage, and is refused. A journal is made anew
beside the old one and renamed over it, so there is always a whole one. One process has it, by a lock on the file.
"""

import errno
import fcntl
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from struct import Struct

from kdns.errors import StartError, WireError
from kdns.wire import records
from kdns.wire.records import RR

MAGIC = b"kdns zone journal 1\n"
_HEAD = Struct("!II")  # octets of the entry, their CRC-32


class Journal:
    """An open journal. `size`: octets of the file; `first`: of those, what the whole zone takes."""

    def __init__(self, path: Path, file: int, size: int, first: int) -> None:
        self._path = path
        self._file = file
        self._is_settled = True  # its name would outlive a power cut
        self.size = size
        self.first = first

    @classmethod
    def create(cls, path: Path, rrs: Iterable[RR]) -> "Journal":
        """A journal that begins with these records, in the place of any before. OSError if it cannot be written."""
        made = cls._placed(path, rrs)
        try:
            made._settle()
        except OSError:
            made.close()
            raise
        return made

    @classmethod
    def _placed(cls, path: Path, rrs: Iterable[RR]) -> "Journal":
        beside = path.with_name(path.name + ".new")
        octets = MAGIC + _entry(rrs)
        file = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)  # only now: another process may just be writing it
            _write(file, octets, 0)
            os.fsync(file)
            beside.rename(path)
        except OSError as fault:
            os.close(file)
            fault.filename = fault.filename or str(beside)  # a full disk and a lock have no names
            raise
        made = cls(path, file, len(octets), len(octets))
        made._is_settled = False
        return made

    @classmethod
    def open(cls, path: Path) -> tuple["Journal", list[tuple[RR, ...]]]:
        """The journal that is there, and its entries. FileNotFoundError without one; StartError for a damaged one, or
        one that another process has.
        """
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            octets = path.read_bytes()
            ends, entries = _read(path, octets)
            if ends[-1] < len(octets):
                os.ftruncate(file, ends[-1])
                os.fsync(file)
        except BlockingIOError:
            os.close(file)
            raise StartError(f"database {path} is in use by another process") from None
        except (OSError, StartError):
            os.close(file)
            raise
        return cls(path, file, ends[-1], ends[0]), entries

    def append(self, rrs: Iterable[RR]) -> None:
        """Write one change, for good. OSError if that fails; then the file is as it was before.

        A file without a name is one that no start would find: nothing more is promised on it.
        """
        self._settle()
        if not os.fstat(self._file).st_nlink:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        octets = _entry(rrs)
        try:
            os.ftruncate(self._file, self.size)  # should the step below once have failed as well
            _write(self._file, octets, self.size)
            os.fsync(self._file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
            raise
        self.size += len(octets)

    def remade(self, rrs: Iterable[RR]) -> "Journal":
        """A journal that begins with these records, in the place of this one. OSError if it cannot be written.

        Should only its name not be on disk yet, the next `append` sees to that before it promises anything.
        """
        made = self._placed(self._path, rrs)
        with suppress(OSError):
            made._settle()
        self.close()
        return made

    def close(self) -> None:
        """Let others have it."""
        os.close(self._file)

    def _settle(self) -> None:
        if not self._is_settled:
            _sync_directory(self._path.parent)
            self._is_settled = True


def _entry(rrs: Iterable[RR]) -> bytes:
    octets = b"".join(rrs)
    return _HEAD.pack(len(octets), zlib.crc32(octets)) + octets


def _read(path: Path, octets: bytes) -> tuple[list[int], list[tuple[RR, ...]]]:
    """Where the whole entries end, and what they have."""
    if not octets.startswith(MAGIC):
        raise StartError(f"database {path} is no journal of a zone")
    ends: list[int] = []
    entries: list[tuple[RR, ...]] = []
    at = len(MAGIC)
    while at + _HEAD.size <= len(octets):
        length, crc = _HEAD.unpack_from(octets, at)
        end = at + _HEAD.size + length
        entry = octets[at + _HEAD.size : end]
        if not length or end > len(octets) or (end == len(octets) and zlib.crc32(entry) != crc):
            break
        if zlib.crc32(entry) != crc:
            raise StartError(f"database {path} is damaged at octet {at}")
        try:
            entries.append(tuple(_records(entry)))
        except WireError as fault:
            raise StartError(f"database {path} is damaged at octet {at}: {fault}") from None
        ends.append(end)
        at = end
    if not ends:
        raise StartError(f"database {path} is damaged: it has no zone")
    return ends, entries


def _records(octets: bytes) -> Iterator[RR]:
    at = 0
    while at < len(octets):
        rr, at = records.read_record(octets, at)
        yield rr


def _write(file: int, octets: bytes, at: int) -> None:
    while octets:
        written = os.pwrite(file, octets, at)
        octets, at = octets[written:], at + written


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
