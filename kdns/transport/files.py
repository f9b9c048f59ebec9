"""Files replaced as a whole: whenever the process or the machine dies, there is the old one or the new."""

import os
from collections.abc import Iterable
from pathlib import Path

OWNER_ONLY = 0o600


def put(path: Path, pieces: Iterable[bytes]) -> None:
    """Put these octets in the place of a file, which only its owner can read; they are on disk then.

    They are written beside it (`.new`), synced and renamed. OSError if that fails: what was there stays.
    """
    beside = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "wb") as output:
        output.writelines(pieces)
        output.flush()
        os.fsync(output.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
