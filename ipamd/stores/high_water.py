"""How far a store has come, noted beside it, so that an old copy of it is noticed when one is put in its place.

Strategy: `PATH.seen` has the identity of the store and the revision of its last commit. It is written after every
commit, and synced with the disk once a second: what it says was durable in the store before, so it is never ahead of
the very store that it stands beside. A copy that is behind it would give again what was given after it was made.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

from ipamd.errors import StartError
from ipamd.stores.sqlite_file import beside

SYNC = 1.0  # seconds between two syncs; only a failure of the machine loses what was noted since
FORM = "{identity} {revision:020d}\n"


class Seen(NamedTuple):
    """What was noted last."""

    identity: str
    revision: int


class HighWater:
    """The file beside the store at `path`."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises StartError."""
        self.path = beside(path, ".seen")
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.seen = read_seen(os.pread(self._file, 256, 0))
        except OSError as error:
            raise StartError(f"cannot open {self.path}: {error.strerror}") from error
        self._synced = 0.0

    def note(self, identity: str, revision: int) -> None:
        """Note that a commit is durable. Raises OSError."""
        self.seen = Seen(identity, revision)
        os.pwrite(self._file, FORM.format(identity=identity, revision=revision).encode(), 0)
        now = time.monotonic()
        if now - self._synced >= SYNC:
            os.fdatasync(self._file)
            self._synced = now

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def why_old(self, identity: str, revision: int, was_noted: bool) -> str:
        """Why a store is an old copy of itself, as far as this file tells; empty if it is none.

        `was_noted` is whether it has ever been noted beside the store how far it had come.
        """
        if self.seen is None:
            return f"{self.path}, which tells how far it had come, is missing" if was_noted else ""
        if self.seen.identity != identity:
            return f"{self.path} is of another store, which stood here before"
        if self.seen.revision > revision:
            return f"it is of revision {revision}, and revision {self.seen.revision} had been reached"
        return ""


def read_seen(octets: bytes) -> Seen | None:
    """What the file says; None if that is nothing."""
    identity, _, revision = octets.decode(errors="replace").strip().partition(" ")
    return Seen(identity, int(revision)) if revision.isascii() and revision.isdigit() else None
