"""Zones carried to and from NSD, Knot and BIND, and fetched by their tools."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bench.ports import free_port
from kdns.wire import codes, records
from tests.kdns.server import Kdns, exchange, query
from tests.system.nameservers import KEY, Bind, Knot, NameServer, Nsd

SERVERS = pytest.mark.parametrize("kind", [Nsd, Knot, Bind])
NAMES = 2000  # more records than a message of a transfer holds
MANY = 9000  # records of some messages
SECRET = "c2VjcmV0IG9mIHRoZSB0cmFuc2ZlciBrZXkhISE="


def master(serial: int, last: int = NAMES) -> str:
    """The zone example.test at a serial: hosts up to the last one."""
    lines = [f"$TTL 60\n@ SOA ns hostmaster {serial} 7200 1800 86400 30", "@ NS ns", "ns A 192.0.2.53", "*.wild TXT x"]
    lines += ["t TYPE65280 \\# 3 010203", "sub NS ns.sub", "ns.sub A 192.0.2.54"]
    return (
        "\n".join([*lines, *(f"host{number} A 10.0.{number // 250}.{number % 250}" for number in range(last + 1))])
        + "\n"
    )


@contextmanager
def other(
    kind: type[NameServer], directory: Path, zones: dict[str, str | None], primary: int = 9, secret: str = ""
) -> Iterator[NameServer]:
    """A running server of another make."""
    made = kind(directory, zones, primary, secret)
    try:
        yield made
    finally:
        made.stop()


def replied(port: int, text: str) -> records.Message:
    """What a server replies to `NAME TYPE` over TCP."""
    while True:
        with suppress(ConnectionResetError):  # NSD puts other processes in the place of its own when it has a new zone
            return records.read_message(exchange(query(text), ("127.0.0.1", port), tcp=True))


def serial_at(port: int) -> int | None:
    """The serial of example.test at a server; None while it has none."""
    reply = replied(port, "example.test. SOA")
    return records.soa_serial(reply.answer[0]) if reply.rcode == codes.NOERROR and reply.answer else None


def until_serial(port: int, serial: int) -> None:
    """Wait until a server has the zone at this serial."""
    while serial_at(port) != serial:
        continue


def fetched(tool: str, port: int, kind: str) -> list[str]:
    """The records that a tool fetches, one a line, blanks between their parts."""
    command = [tool, "@127.0.0.1", "-p", str(port), "example.test", kind, "+nocomments", "+nostats", "+nocmd", "+tcp"]
    if tool == "kdig":
        command = [tool, "@127.0.0.1", "-p", str(port), "-t", kind, "example.test", "+tcp", "+noheader", "+nostats"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return [" ".join(line.split()) for line in printed.splitlines() if line and not line.startswith(";")]


def primary(directory: Path, kdns: Callable[[str], Kdns], to: str) -> Kdns:
    """A kdns with example.test at serial 5 that looks at its file again and again, and tells `to` of changes."""
    (directory / "db").write_text(master(5))
    lines = f"file {directory}/db {{\n reload 100ms\n}}\ntransfer {{\n to {to}\n}}"
    return kdns(f"example.test:@PORT@ {{\nbind 127.0.0.1\n{lines}\n}}\n")


@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_a_zone_is_fetched_whole_and_as_one_soa_where_nothing_is_new(
    tool: str, tmp_path: Path, kdns: Callable[[str], Kdns]
) -> None:
    server = primary(tmp_path, kdns, "*")
    first, *between, last = fetched(tool, server.port, "AXFR")
    assert first == last == "example.test. 60 IN SOA ns.example.test. hostmaster.example.test. 5 7200 1800 86400 30"
    assert len(between) == 7 + NAMES
    assert f"host{NAMES}.example.test. 60 IN A 10.0.8.0" in between
    assert fetched(tool, server.port, "IXFR=5") == [first]
    assert len(fetched(tool, server.port, "IXFR=3")) == len(between) + 2


@SERVERS
def test_secondaries_are_told_and_fetch_what_is_new(
    kind: type[NameServer], tmp_path: Path, kdns: Callable[[str], Kdns]
) -> None:
    port = free_port()
    with other(kind, tmp_path / "other", {"example.test": None}, port) as secondary:
        (tmp_path / "db").write_text(master(1))
        corefile = "example.test:%d {\nbind 127.0.0.1\nfile %s {\nreload 100ms\n}\ntransfer {\nto 127.0.0.1:%d\n}\n}\n"
        kdns(corefile % (port, tmp_path / "db", secondary.port))
        until_serial(secondary.port, 1)
        (tmp_path / "new").write_text(master(2, NAMES + 1))
        (tmp_path / "new").replace(tmp_path / "db")
        until_serial(secondary.port, 2)
        assert exchange(query(f"host{NAMES + 1}.example.test. A"), ("127.0.0.1", secondary.port), tcp=True)[3] == 0
        assert sorted(fetched("dig", secondary.port, "AXFR")[1:-1]) == sorted(fetched("dig", port, "AXFR")[1:-1])


@SERVERS
def test_secondaries_with_the_key_fetch_a_zone_in_many_signed_messages_and_then_what_is_new(
    kind: type[NameServer], tmp_path: Path, kdns: Callable[[str], Kdns]
) -> None:
    port = free_port()
    with other(kind, tmp_path / "other", {"example.test": None}, port, SECRET) as secondary:
        (tmp_path / "db").write_text(master(1, MANY))
        key = f"tsig {{\nsecret {KEY} {SECRET}\nrequire AXFR IXFR\n}}"
        lines = f"file {tmp_path}/db {{\nreload 100ms\n}}\ntransfer {{\nto * 127.0.0.1:{secondary.port}\n}}"
        kdns(f"example.test:{port} {{\nbind 127.0.0.1\n{key}\n{lines}\n}}\n")
        until_serial(secondary.port, 1)
        (tmp_path / "new").write_text(master(2, MANY + 1))
        (tmp_path / "new").replace(tmp_path / "db")
        until_serial(secondary.port, 2)
        newest = replied(secondary.port, f"host{MANY + 1}.example.test. A")
    assert len(newest.answer) == 1
    unsigned = records.read_message(exchange(query("example.test. AXFR"), ("127.0.0.1", port), tcp=True))
    assert unsigned.rcode == codes.REFUSED


@SERVERS
def test_a_secondary_fetches_a_zone_from_them(
    kind: type[NameServer], tmp_path: Path, kdns: Callable[[str], Kdns]
) -> None:
    with other(kind, tmp_path / "other", {"example.test": master(1)}) as server:
        lines = f"secondary {{\n transfer from 127.0.0.1:{server.port}\n}}\ntransfer {{\n to *\n}}"
        ours = kdns(f"example.test:@PORT@ {{\nbind 127.0.0.1\n{lines}\n}}\n")
        ours.wait_for("Transferred: example.test.")
        assert ours.answers("a.wild.example.test. TXT") == ['a.wild.example.test. 60 IN TXT "x"']
        assert sorted(fetched("dig", ours.port, "AXFR")[1:-1]) == sorted(fetched("dig", server.port, "AXFR")[1:-1])


@pytest.mark.parametrize("kind", [Knot, Bind])
def test_a_notify_brings_the_differences_of_a_zone(
    kind: type[NameServer], tmp_path: Path, kdns: Callable[[str], Kdns]
) -> None:
    port = free_port()
    with other(kind, tmp_path / "other", {"example.test": master(1)}, port) as server:
        lines = f"secondary {{\n transfer from 127.0.0.1:{server.port}\n}}"
        ours = kdns(f"example.test:{port} {{\nbind 127.0.0.1\n{lines}\n}}\n")
        ours.wait_for("Transferred: example.test.")
        server.write("example.test", master(2, NAMES + 1).replace("host1 A", "moved A"))
        assert isinstance(server, Knot | Bind)
        server.reload()
        ours.wait_for("Notify from 127.0.0.1 for example.test.: checking transfer")
        ours.wait_for("Transferred: example.test.", times=2)
        ours.port = port
        assert ours.answers("moved.example.test. A") == ["moved.example.test. 60 IN A 10.0.0.1"]
        assert ours.ask("host1.example.test. A").rcode == codes.NXDOMAIN
        assert ours.answers(f"host{NAMES + 1}.example.test. A")
