"""The file of the SQLite store: locked, opened, read by itself; and what its failures mean."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw

from ipamd.errors import IpamError, StartError, StoreFull, StoreUnavailable
from ipamd.stores import View
from ipamd.stores.sqlite_schema import MIGRATIONS, migrate
from ipamd.stores.sqlite_view import SqliteView

T = TypeVar("T")

BESIDE = (".seen", "-wal", "-shm")  # what belongs to a store beside its lock
BUSY_MS = 50  # how long to wait for somebody else who writes to the file; the event loop waits with us

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

# What SQLite raises when the file, and not the statement, is to blame. Some of these roll the transaction back.
FAILURES = (
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.NoMemError,
    apsw.PermissionsError,
)


def reply_to(failure: apsw.Error | OSError, connection: apsw.Connection | None = None) -> IpamError:
    """What the callers are told of a failure of the file; the connection on which it came knows the system's reason."""
    number = failure.errno if isinstance(failure, OSError) else 0
    if connection is not None and isinstance(failure, apsw.IOError | apsw.CantOpenError):
        number = connection.system_errno
    if isinstance(failure, apsw.FullError) or number in NO_ROOM:
        return StoreFull("the disk is full; nothing was changed")
    told = str(failure) if isinstance(failure, apsw.Error) else "a file cannot be made or read"
    reason = f" ({os.strerror(number)})" if number else ""
    return StoreUnavailable(f"the store failed, nothing was changed: {told}{reason}")


def locked(path: Path) -> int:
    """The descriptor of a lock on `PATH.lock`, which goes with the process. Raises StartError if another holds it.

    Not on the file itself: to close any descriptor of it would drop the locks that SQLite holds.
    """
    file = beside(path, ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"cannot open the store {path}: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_current = os.path.samestat(os.fstat(lock), file.stat())  # not one that a refused start took away meanwhile
    except OSError:
        is_current = False
    if not is_current:
        os.close(lock)
        raise StartError(f"the store {path} is in use by another ipamd")
    return lock


def beside(path: Path, ending: str) -> Path:
    """A file that belongs to the store at `path`."""
    return path.with_name(path.name + ending)


def not_there_yet(path: Path) -> list[Path]:
    """What opening a store, which has to be locked already, adds to the directory, and what its lock has added."""
    if path.exists():
        return []
    return [path, *(file for ending in BESIDE if not (file := beside(path, ending)).exists()), beside(path, ".lock")]


def remove(files: Iterable[Path]) -> None:
    """Take files away, those that are there."""
    for file in files:
        file.unlink(missing_ok=True)


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Raise StartError for whatever is wrong with the file of a store while it is opened."""
    try:
        yield
    except (OSError, apsw.SQLError, *FAILURES) as failure:
        raise StartError(f"cannot open the store {path}: {failure}") from failure


def opened(path: Path) -> tuple[apsw.Connection, apsw.Connection]:
    """A connection to write and one to read, of a file with the newest schema. Raises what `opening` turns to errors.

    Raises StartError for a file that has lost its end.
    """
    octets = path.stat().st_size if path.exists() else 0
    writer = apsw.Connection(str(path))
    writer.set_busy_timeout(BUSY_MS)
    writer.pragma("journal_mode", "wal")
    writer.pragma("synchronous", "full")
    check_end(writer, octets)
    migrate(writer)
    reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    reader.set_busy_timeout(BUSY_MS)
    return writer, reader


def check_end(writer: apsw.Connection, octets: int) -> None:
    """Raise CorruptError if a file of so many octets has lost its end.

    A file may be shorter than the pages that it has: after a kill the rest is in the write-ahead log. Only then is it
    looked through, which takes a second for a million leases.
    """
    if octets < writer.pragma("page_count") * writer.pragma("page_size"):
        found = writer.execute("PRAGMA quick_check(1)").get
        if found != "ok":
            raise apsw.CorruptError(f"a part of it is missing: {found.splitlines()[-1]}")


def alone(path: Path, read: Callable[[View], T]) -> T:
    """Run `read` on one committed state of a file that a daemon may be using, through a connection of its own.

    Raises StartError if the file is missing, no store, or of another schema, and StoreUnavailable if it cannot be read
    or a daemon begins to use it meanwhile.
    """
    if not path.is_file():
        raise StartError(f"there is no store {path}")
    log = beside(path, "-wal")
    at_rest = not log.exists()
    try:
        connection = reading(path, at_rest)
        try:
            version = connection.pragma("user_version")
            if version != len(MIGRATIONS):
                raise StartError(f"{path} has schema version {version}, not {len(MIGRATIONS)}: start ipamd on it first")
            with connection:
                found = read(SqliteView(connection))
        finally:
            connection.close()
    except FAILURES as failure:
        raise reply_to(failure) from failure
    if at_rest and log.exists():
        raise StoreUnavailable(f"a daemon began to use {path} while it was read; ask again")
    return found


def reading(path: Path, at_rest: bool) -> apsw.Connection:
    """A connection that reads. Who reads a file through a log, as of a store in use, leaves the log behind.

    So it is told that there is none while the file is `at_rest`. Nobody has it open then.
    """
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if at_rest else ''}"
    return apsw.Connection(address, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
