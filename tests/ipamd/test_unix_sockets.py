"""Sockets at a path: whose they are, and in whose place."""

import socket
import stat
from pathlib import Path

import pytest

from ipamd.errors import StartError
from ipamd.unix_sockets import bind


def test_only_the_owner_of_the_daemon_may_call(tmp_path: Path) -> None:
    path = tmp_path / "made" / "daemon.sock"

    with bind(path) as bound:
        assert bound.getsockname() == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_a_killed_daemon_has_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "daemon.sock"
    bind(path).close()

    with bind(path) as bound, socket.socket(socket.AF_UNIX) as client:
        bound.listen()
        client.connect(str(path))


def test_the_path_of_a_daemon_that_listens_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "daemon.sock"

    with bind(path) as bound:
        bound.listen()
        with pytest.raises(StartError, match="another process does"):
            bind(path)


def test_a_path_that_cannot_be_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        bind(tmp_path / ("a" * 200))
