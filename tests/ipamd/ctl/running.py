"""ipamctl in a process of its own, and how it ended."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Ipamctl = Callable[..., Done]


def run(*arguments: str, server: str, stdin: str = "") -> Done:
    """Run a command against the daemon at that URL."""
    done = subprocess.run(
        [sys.executable, "-m", "ipamd.ctl", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env={"IPAMD_SERVER": server, "PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
