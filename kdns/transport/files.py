"""Files replaced as a whole: whenever the process or the machine dies, there is the old one or the new."""

import os
from collections.abc import Iterable
from pathlib import Path

OWNER_ONLY = 0o600


def put(path: Path, pieces: Iterable[bytes], mode: int = OWNER_ONLY, *, beside: str = "") -> None:
    """Put these octets in the place of a file, with these permissions whatever the umask; they are on disk then.

    They are written under the name `beside` (the file's own with `.new`) in the same directory, synced and renamed.
    OSError if that fails: what was there stays.
    """
    written = path.with_name(beside or f"{path.name}.new")
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "wb") as output:
        os.fchmod(output.fileno(), mode)
        output.writelines(pieces)
        output.flush()
        os.fsync(output.fileno())
    written.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
