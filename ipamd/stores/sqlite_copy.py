"""Copies of the file of a store: made while a daemon uses it, and put in its place while none does.

Strategy: a copy knows that it is one. Whatever was given after it was made would be given again from it, so the daemon
that is started on it allocates nothing until somebody has said that this is all right.
"""

import glob
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import apsw

from ipamd.errors import IpamError, StartError
from ipamd.stores import View
from ipamd.stores.sqlite_file import FAILURES, alone, beside, locked, reply_to
from ipamd.stores.sqlite_schema import MARK_AS_OLD


def copied(path: Path) -> BinaryIO:
    """A consistent copy of a store that may be in use, to be read. Raises StoreFull, StoreUnavailable.

    It lies beside the store, where there is room for one, and has lost its name already: nothing of it stays however
    its use ends.
    """
    try:
        with TemporaryDirectory(dir=path.parent, prefix=unfinished(path)) as place:
            target = Path(place) / "copy.sqlite"
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            try:
                connection.execute("VACUUM INTO ?", (str(target),))
            finally:
                connection.close()
            mark_as_old(target)
            return target.open("rb")
    except (OSError, *FAILURES) as failure:
        raise reply_to(failure) from failure


def forget_unfinished(path: Path) -> None:
    """Remove the copies that were not finished when their daemon was killed. The store must be locked."""
    for place in path.parent.glob(f"{glob.escape(unfinished(path))}*"):
        shutil.rmtree(place, ignore_errors=True)


def unfinished(path: Path) -> str:
    """How the directories are named in which copies of a store are made."""
    return f".{path.name}.copy-"


def restore(source: Path, path: Path) -> int:
    """Put a copy in the place of a store that is not in use, and return its revision.

    Raises StartError if the store is in use, or if the copy is none or damaged.
    """
    lock = locked(path)
    try:
        revision = alone(source, check)
        fresh = beside(path, ".new")
        shutil.copyfile(source, fresh)
        mark_as_old(fresh)
        sync(fresh)
        # What is left of the store before must not be taken for the rest of this one.
        for leftover in ("-wal", "-shm"):
            beside(path, leftover).unlink(missing_ok=True)
        fresh.replace(path)
        sync(path.parent)
    except (OSError, IpamError, *FAILURES) as failure:
        raise StartError(f"cannot put {source} in the place of {path}: {failure}") from failure
    finally:
        os.close(lock)
    return revision


def check(view: View) -> int:
    """The revision of a copy. Raises StartError if its file is damaged."""
    for flaw in view.flaws():
        if flaw.invariant == "durable":
            raise StartError(f"the copy is damaged: {flaw.detail}")
    return view.revision


def mark_as_old(path: Path) -> None:
    """Have the file say that it is a copy. Raises what SQLite raises."""
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("journal_mode", "delete")
        connection.execute(MARK_AS_OLD)
    finally:
        connection.close()


def sync(path: Path) -> None:
    """Have a file, or the names in a directory, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
