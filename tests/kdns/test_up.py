"""`kdns up` as a process: what it says when a daemon does not come up, and how it ends."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.ports import free_port


def started(directory: Path, **ports: int) -> "subprocess.Popen[str]":
    given = {"dns": free_port(), "http": free_port(), "admin": free_port()} | ports
    words = [word for name, port in given.items() for word in (f"--{name}-port", str(port))]
    command = [sys.executable, "-m", "kdns", "up", "--dir", str(directory), "--upstream", "127.0.0.9", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_also_where_the_shell_had_it_ignored(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts what is put in the background
    process = started(tmp_path)
    signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    while "Ctrl-C" not in process.stdout.readline():
        assert process.poll() is None

    process.send_signal(number)
    said, _ = process.communicate(timeout=20)

    assert process.returncode == 0
    assert said == "\nStopping kdns, then ipamd. What was leased is kept.\n"
    assert "Traceback" not in (tmp_path / "kdns.log").read_text() + (tmp_path / "ipamd.log").read_text()


@pytest.mark.parametrize("port", ["http", "dns", "admin"])
def test_a_port_that_is_taken_is_named_before_anything_starts(tmp_path: Path, port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        process = started(tmp_path, **{port: taken})
        said, complaint = process.communicate(timeout=20)

    assert (process.returncode, said) == (1, "")
    assert complaint == f"port {taken} is in use, perhaps by another `kdns up`: choose one with --{port}-port\n"
    assert not list(tmp_path.iterdir())


def test_a_daemon_that_does_not_come_up_is_heard(tmp_path: Path) -> None:
    (tmp_path / "ipamd.sqlite").write_text("not a database, but long enough to be taken for one" * 20)
    process = started(tmp_path)
    said, complaint = process.communicate(timeout=20)

    assert (process.returncode, said) == (1, "")
    assert "ipamd ended. " in complaint
    assert "Traceback" not in complaint
