"""Unix sockets that a daemon listens on at a path, for its owner alone.

Strategy: what a daemon that was killed has left at the path is told from one that listens by calling it.
"""

import socket
from contextlib import suppress
from pathlib import Path

from ipamd.errors import StartError

OWNER_ONLY = 0o600


def bind(path: Path) -> socket.socket:
    """A socket bound to the path, in place of one that nobody listens on any more. Raises OSError, StartError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as other:
        try:
            other.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise StartError(f"cannot listen on {path}: another process does")
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(str(path))
        path.chmod(OWNER_ONLY)  # before anybody can connect: it does not listen yet
    except OSError:
        bound.close()
        raise
    return bound
