"""A process that becomes kdns as often as it is told to, each time in a process of its own.

Vectors want a fresh server for almost every Corefile. Starting Python and importing the server takes a hundred times
as long as starting to serve, so this process imports it once, reads orders (a line of JSON each) and forks. The child
writes everything to the UNIX socket of the order, its process ID first.
"""

import json
import os
import signal
import socket
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from kdns.__main__ import serve
from kdns.plugins import ORDER


def main() -> None:
    """Fork for every order until the input ends."""
    import_module("kdns.app")
    for name in ORDER:
        if find_spec(f"kdns.plugins.{name}"):
            import_module(f"kdns.plugins.{name}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: they are seen to end by their output
    for line in iter(sys.stdin.readline, ""):
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            sys.exit(become(**json.loads(line)))


def become(directory: str, output: str, arguments: list[str], environment: dict[str, str]) -> int:
    """Be kdns with these flags, in this directory; its exit status."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(output)
        os.dup2(stream.fileno(), 1)
        os.dup2(1, 2)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.chdir(directory)
    os.environ.update(environment)
    print(os.getpid(), flush=True)
    return serve(arguments)


if __name__ == "__main__":
    main()
