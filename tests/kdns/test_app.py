"""The process: flags, start, reload, stop, as an operator sees them."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from bench.ports import free_port
from kdns import VERSION
from kdns.app import App, Options
from kdns.corefile import ServerBlock
from kdns.wire import codes
from kdns.wire.frame import Frames, framed
from tests.kdns.server import Kdns, exchange, query

Start = Callable[..., Kdns]

HOSTS = ".:@PORT@ {\n bind 127.0.0.1\n hosts {\n  %s a.example\n }\n}\n"


def run(*words: str, cwd: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kdns", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=cwd, input=stdin, check=False)


def test_answers_over_udp_and_tcp_and_prints_coredns_banner(kdns: Start) -> None:
    server = kdns(
        "b.example:@PORT@ a.example.:@PORT@ {\n bind 127.0.0.1\n whoami\n}\n10.0.0.0/24:@PORT@ {\n bind 127.0.0.1\n}\n"
    )
    lines = server.output.read_text().splitlines()

    for tcp in (False, True):
        reply = server.ask("x.a.example. A", tcp=tcp)
        assert (reply.rcode, len(reply.additional)) == (codes.NOERROR, 2)
    assert server.ask("x.c.example. A").rcode == codes.REFUSED
    assert server.ask("1.0.0.10.in-addr.arpa. PTR").rcode == codes.REFUSED  # a block without plugins
    zones = ["0.0.10.in-addr.arpa.", "a.example.", "b.example."]
    assert lines[:3] == [f"{zone}:{server.port} on 127.0.0.1" for zone in zones]
    assert lines[3] == f"kdns-{VERSION}"


def test_serves_every_address_of_both_families_unless_bound(kdns: Start) -> None:
    server = kdns(".:@PORT@ {\n whoami\n}\n")
    assert server.ask("x. A", address="127.0.0.2").rcode == codes.NOERROR
    assert server.ask("x. A", address="::1").rcode == codes.NOERROR


def test_the_version_and_the_plugins_are_told_at_once() -> None:
    told = run("-version")
    assert (told.returncode, told.stdout.splitlines()[0]) == (0, f"kdns-{VERSION}")
    plugins = run("--plugins").stdout.split()
    assert plugins == sorted(plugins)
    assert {"cache", "errors", "forward", "kubernetes", "whoami"} <= set(plugins)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["-conf", "nowhere"], 1, "open nowhere: no such file or directory"),
        (["-conf", "/tmp", "x", "y"], 1, "extra command line arguments: [x y]"),
        (["-what"], 2, "flag provided but not defined: -what"),
        (["-dns.port", "x"], 2, "invalid int value: 'x'"),
    ],
)
def test_says_what_is_wrong_with_the_command_line(words: list[str], status: int, said: str) -> None:
    ended = run(*words)
    assert (ended.returncode, said in ended.stderr) == (status, True)


@pytest.mark.parametrize(
    ("corefile", "said"),
    [
        (".:53 {\n  whoami\n  foox\n}\n", "Corefile:3 - Error during parsing: Unknown directive 'foox'"),
        (".:53 {\n  whoami\n", "Corefile:2 - Syntax error: Unexpected token 'whoami', expecting '}'"),
        (".:53 {\n cache\n cache\n}\n", "plugin/cache: "),
        (".:53 {\n}\n.:53 {\n}\n", "cannot serve dns://.:53 - it is already defined"),
        (".:53 {\n route53 x:y\n}\n", "route53 needs Amazon Route 53"),
    ],
)
def test_refuses_a_corefile_with_file_and_line(tmp_path: Path, corefile: str, said: str) -> None:
    (tmp_path / "Corefile").write_text(corefile)
    ended = run(cwd=tmp_path)
    assert ended.returncode == 1
    assert said in ended.stderr


def test_the_plan_of_a_corefile_is_printed_and_nothing_started(tmp_path: Path) -> None:
    (tmp_path / "Corefile").write_text(".:53 {\n forward . 192.0.2.1\n whoami\n}\n")
    told = run("plan", cwd=tmp_path)
    assert told.returncode == 0
    assert told.stdout.splitlines() == [
        ".:53    Corefile:1",
        "  listens on dns://:53",
        "  a query meets  forward       Corefile:2",
        "                 whoami        Corefile:3",
        "",
        "warning: Corefile:3 - whoami is never reached: forward (Corefile:2) lets nothing in . through",
    ]


def test_a_corefile_that_cannot_be_served_has_no_plan(tmp_path: Path) -> None:
    told = run("plan", "-conf", "stdin", cwd=tmp_path, stdin=". {\n foox\n}\n")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == "stdin:2 - Error during parsing: Unknown directive 'foox'\n"


def test_what_is_never_reached_is_warned_of_at_the_start(kdns: Start) -> None:
    server = kdns(".:@PORT@ {\n bind 127.0.0.1\n forward . 192.0.2.1\n whoami\n}\n")
    place = server.corefile
    expected = f"[WARNING] {place}:4 - whoami is never reached: forward ({place}:3) lets nothing in . through\n"
    assert expected in server.output.read_text()


def test_reads_a_corefile_from_a_pipe_and_says_when_the_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("-conf", "stdin", stdin=f".:{port} {{\n bind 127.0.0.1\n whoami\n}}\n")
    assert ended.returncode == 1
    assert f"listen tcp 127.0.0.1:{port}: bind: address already in use" in ended.stderr


def test_without_a_corefile_it_serves_whoami_and_logs(tmp_path: Path) -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "kdns", "-dns.port", str(port), "-pidfile", "pid"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == f".:{port}\n"
        process.stdout.readline(), process.stdout.readline()
        assert (tmp_path / "pid").read_text() == f"{process.pid}\n"
        exchange(query("x.example. A", 7), ("127.0.0.1", port))
        assert ' - 7 "A IN x.example. udp 27 false 512" NOERROR qr,aa,rd ' in process.stdout.readline()
        process.terminate()


def test_a_query_that_no_plugin_answers_is_logged_with_the_last_plugin_s_name(kdns: Start) -> None:
    server = kdns(".:@PORT@ {\n bind 127.0.0.1\n cache\n errors\n reload\n}\n")
    assert server.ask("x. A").rcode == codes.SERVFAIL
    server.wait_for("[ERROR] plugin/errors: 2 x. A: plugin/cache: no next plugin found\n")


def test_ends_when_told_to(kdns: Start) -> None:
    server = kdns(".:@PORT@ {\n bind 127.0.0.1\n whoami\n}\n")
    server.signal(signal.SIGTERM)
    assert server.stop() == 0
    assert "[INFO] SIGTERM: Shutting down servers then terminating" in server.output.read_text()


def test_a_signal_reloads_the_corefile_and_a_bad_one_leaves_the_old(kdns: Start) -> None:
    server = kdns(HOSTS % "192.0.2.1")
    assert server.answers("a.example. A") == ["a.example. 3600 IN A 192.0.2.1"]

    server.write(HOSTS % "192.0.2.2")
    server.signal(signal.SIGUSR1)
    server.wait_for("[INFO] Reloading complete")
    assert server.answers("a.example. A") == ["a.example. 3600 IN A 192.0.2.2"]

    server.write(".:@PORT@ {\n bind 127.0.0.1\n nonsense\n}\n")
    server.signal(signal.SIGUSR1)
    said = server.wait_for("[ERROR] Restart failed: ")
    assert f"{server.corefile}:3 - Error during parsing: Unknown directive 'nonsense'" in said
    assert server.answers("a.example. A") == ["a.example. 3600 IN A 192.0.2.2"]


def test_a_reload_that_cannot_listen_changes_nothing(kdns: Start) -> None:
    server = kdns(HOSTS % "192.0.2.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server.write((HOSTS % "192.0.2.2") + f".:{taken.getsockname()[1]} {{\n bind 127.0.0.1\n whoami\n}}\n")
        server.signal(signal.SIGUSR1)
        server.wait_for("address already in use")
    assert server.answers("a.example. A") == ["a.example. 3600 IN A 192.0.2.1"]


async def test_a_reload_that_fails_in_a_way_that_nobody_foresaw_is_told_and_the_next_one_may_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = App(Options())
    broken = [ServerBlock((), {"whoami": ()})]  # no parser makes this
    assert not await app._reload(broken, by_signal=True)
    assert await app._reload([], by_signal=True)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "[INFO] Reloading"
    assert said[1].startswith("[ERROR] Restart failed: IndexError(")
    assert said[2:] == ["[INFO] Reloading", "[INFO] Reloading complete"]


def test_a_reload_opens_and_closes_listeners(kdns: Start) -> None:
    server = kdns(HOSTS % "192.0.2.1")
    other = free_port()
    server.write(f".:{other} {{\n bind 127.0.0.1\n whoami\n}}\n")
    server.signal(signal.SIGUSR1)
    server.wait_for("[INFO] Reloading complete")

    assert exchange(query("x. A"), ("127.0.0.1", other))
    with pytest.raises(ConnectionRefusedError):
        server.ask("a.example. A", tcp=True)


def test_no_query_is_lost_while_reloading(kdns: Start) -> None:
    server = kdns(HOSTS % "192.0.2.1")
    over = Event()
    lost: list[Exception] = []
    seen: set[bytes] = set()

    def client(tcp: bool) -> None:
        while not over.is_set():
            try:
                seen.add(exchange(query("a.example. A"), ("127.0.0.1", server.port), tcp=tcp)[-4:])
            except OSError as fault:
                lost.append(fault)

    clients = [Thread(target=client, args=(tcp,)) for tcp in (False, False, True)]
    for each in clients:
        each.start()
    for number in range(2, 7):
        server.write(HOSTS % f"192.0.2.{number}")
        server.signal(signal.SIGUSR1)
        server.wait_for("[INFO] Reloading complete", times=number - 1)
    over.set()
    for each in clients:
        each.join()

    assert lost == []
    assert len(seen) > 1


def test_the_listeners_take_their_settings_from_the_corefile(kdns: Start) -> None:
    server = kdns(".:@PORT@ {\n bind 127.0.0.1\n timeouts {\n  maxtcpqueries 1\n }\n multisocket 3\n whoami\n}\n")
    for _ in range(20):
        assert server.ask("x. A").rcode == codes.NOERROR
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(framed(query("x. A")) * 2)
        replies = b""
        while octets := connection.recv(65535):
            replies += octets
    assert len(Frames().feed(replies)) == 1
