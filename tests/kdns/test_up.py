"""`kdns up` as a process: what it says when a daemon does not come up, and how it ends."""

import shlex
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
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


@pytest.mark.parametrize("names", [["http"], ["dns"], ["admin"], ["http", "dns", "admin"]])
def test_ports_that_are_taken_are_all_named_before_anything_starts_with_what_to_type(
    tmp_path: Path, names: list[str]
) -> None:
    with ExitStack() as held:
        holders = {name: held.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
        taken = {name: holder.getsockname()[1] for name, holder in holders.items()}
        process = started(tmp_path, **taken)
        said, complaint = process.communicate(timeout=20)

        assert (process.returncode, said) == (1, "")
        first, command = complaint.splitlines()
        named = " and ".join(map(str, taken.values()))
        verb = "ports {} are" if len(names) > 1 else "port {} is"
        assert first == f"{verb.format(named)} in use, perhaps by another `kdns up`; for one beside it:"
        assert not list(tmp_path.iterdir())

        program, *words = shlex.split(command)
        assert program.endswith("kdns")
        second = subprocess.Popen([sys.executable, "-m", "kdns", *words], stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        while "Ctrl-C" not in second.stdout.readline():
            assert second.poll() is None
        second.send_signal(signal.SIGINT)
        second.communicate(timeout=20)
    assert second.returncode == 0
    assert tmp_path.with_name(f"{tmp_path.name}-2").is_dir()


def test_a_daemon_that_does_not_come_up_is_heard(tmp_path: Path) -> None:
    (tmp_path / "ipamd.sqlite").write_text("not a database, but long enough to be taken for one" * 20)
    process = started(tmp_path)
    said, complaint = process.communicate(timeout=20)

    assert (process.returncode, said) == (1, "")
    assert "ipamd ended. " in complaint
    assert "Traceback" not in complaint
