"""Connections that are more than a server can take, and those that end before they begin."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.ports import free_port
from kdns.wire import codes
from tests.kdns.server import PATIENCE, Kdns

FILES = 64


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Kdns]:
    """A kdns that may have few files open, and takes its time with clients."""
    upstream = free_port()
    made = Kdns(
        tmp_path,
        ".:@PORT@ {\n bind 127.0.0.1\n timeouts {\n  read 1h\n }\n whoami\n"
        f" forward example.net 127.0.0.1:{upstream}\n}}\n.:{upstream} {{\n bind 127.0.0.1\n whoami\n}}\n",
    )
    made.prefix = ["prlimit", f"--nofile={FILES}:{FILES}"]
    made.start()
    yield made
    assert made.stop() == 0
    assert "Traceback" not in made.output.read_text()


def test_a_server_without_files_left_answers_who_is_there_and_takes_others_when_some_have_gone(server: Kdns) -> None:
    with ExitStack() as stack:
        for _ in range(2 * FILES):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE))
        assert server.ask("x. A").rcode == codes.NOERROR
        assert server.ask("www.example.net. A").rcode == codes.NOERROR
    assert server.ask("x. A", tcp=True).rcode == codes.NOERROR


def test_clients_that_reset_their_connection_at_once_do_no_harm(server: Kdns) -> None:
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", server.port)) as gone:
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert server.ask("x. A", tcp=True).rcode == codes.NOERROR
