"""The hosts plugin, asked by hand; the file is a real one."""

import os
from pathlib import Path

import pytest

from kdns.chain import Keep, Reply
from kdns.errors import REFUSED, SERVFAIL, ConfigError, NoAnswer
from kdns.metrics import Metrics
from kdns.plugins import hosts
from kdns.wire import codes, names
from tests.kdns.asking import args, ask, records, texts

INLINE = "10.0.0.1 www.example.org\n fd00::1 www.example.org\n 10.0.0.2 *.apps.example.org"
BELOW = Reply(codes.NXDOMAIN, by="below")


def plugin(head: str = "hosts /nowhere/hosts", body: str = INLINE, **around: object) -> hosts.Hosts:
    """A hosts plugin with lines in the Corefile."""
    made = hosts.setup(args(f"{head} {{\n {body}\n}}", **around))  # type: ignore[arg-type]
    assert isinstance(made, hosts.Hosts)
    return made


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("www.example.org. A", ["www.example.org. 3600 IN A 10.0.0.1"]),
        ("WWW.Example.ORG. A", ["www.example.org. 3600 IN A 10.0.0.1"]),
        ("www.example.org. AAAA", ["www.example.org. 3600 IN AAAA fd00::1"]),
        ("shop.apps.example.org. A", ["shop.apps.example.org. 3600 IN A 10.0.0.2"]),
        ("shop.apps.example.org. AAAA", []),
        ("www.example.org. MX", []),
        ("1.0.0.10.in-addr.arpa. PTR", ["1.0.0.10.in-addr.arpa. 3600 IN PTR www.example.org."]),
    ],
)
def test_known_names_are_answered_with_authority(asked: str, answer: list[str]) -> None:
    reply = ask(plugin(), asked, BELOW)

    assert (reply.rcode, texts(reply.answer), reply.authority) == (codes.NOERROR, answer, ())
    assert reply.flags == codes.AA
    assert reply.by == "hosts"


def test_an_unknown_name_is_servfail_with_nothing_to_log() -> None:
    with pytest.raises(NoAnswer) as failure:
        ask(plugin(), "other.example.org. A", BELOW)

    assert (failure.value.rcode, failure.value.reason) == (SERVFAIL, None)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ("fallthrough", "other.example.org. A"),
        ("fallthrough example.org", "other.example.org. MX"),
        ("fallthrough\n fallthrough_unsupported", "www.example.org. MX"),
        ("no_reverse", "1.0.0.10.in-addr.arpa. PTR"),
        ("ttl 5", "9.0.0.10.in-addr.arpa. PTR"),
        ("ttl 5", "www.example.org. PTR"),
    ],
)
def test_what_is_not_for_it_goes_on(options: str, asked: str) -> None:
    assert ask(plugin(body=f"{INLINE}\n {options}"), asked, BELOW) is BELOW


def test_names_outside_the_zones_go_on() -> None:
    made = plugin("hosts /nowhere/hosts example.org", "10.0.0.1 www.example.org www.example.com")

    assert ask(made, "www.example.com. A", BELOW) is BELOW
    assert ask(made, "www.example.org. A").answer


def test_fallthrough_is_for_its_zones_only() -> None:
    with pytest.raises(NoAnswer):
        ask(plugin(body=f"{INLINE}\n fallthrough example.com"), "other.example.org. A", BELOW)


def test_the_ttl_is_what_the_corefile_says() -> None:
    reply = ask(plugin(body=f"{INLINE}\n ttl 7"), "www.example.org. A")

    assert reply.answer == records("www.example.org. 7 IN A 10.0.0.1")


async def test_the_file_is_read_at_start_and_comes_before_the_corefiles_lines(tmp_path: Path) -> None:
    metrics = Metrics()
    (tmp_path / "hosts").write_text("10.9.9.9 www.example.org\n")
    made = plugin("hosts hosts", directory=tmp_path, metrics=metrics)
    await made.start()

    assert [text.split()[-1] for text in texts(ask(made, "www.example.org. A").answer)] == ["10.9.9.9", "10.0.0.1"]
    # One address and its reverse in the file; three addresses and two reverses in the lines.
    assert metrics.family("hosts_entries").values == {(str(tmp_path / "hosts"),): 7}
    assert metrics.family("hosts_reload_timestamp_seconds").values[()] == (tmp_path / "hosts").stat().st_mtime


async def test_a_changed_file_is_noticed_and_its_changes_are_told(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("10.9.9.9 a.example.org b.example.org\n")
    made = plugin(f"hosts {file}", "ttl 5")
    told: list[bytes] = []
    made.follow(lambda keys: told.extend(sorted(keys, key=len) and keys))  # every listener's memo reads them anew
    await made.start()
    told.clear()

    await made.start()
    assert told == []

    file.write_text("10.9.9.9 a.example.org\n10.9.9.8 b.example.org\n")
    os.utime(file, ns=(1, 1))
    await made.start()

    assert texts(ask(made, "b.example.org. A").answer) == ["b.example.org. 5 IN A 10.9.9.8"]
    changed = ["b.example.org", "9.9.9.10.in-addr.arpa", "8.9.9.10.in-addr.arpa"]
    assert set(told) == {names.parse(name) for name in changed}


async def test_a_file_that_went_away_leaves_what_it_said(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("10.9.9.9 a.example.org\n")
    made = plugin(f"hosts {file}", "ttl 5")
    await made.start()
    file.unlink()
    await made.start()

    assert ask(made, "a.example.org. A").answer


def test_an_answer_holds_until_its_names_change() -> None:
    keep = ask(plugin(), "www.example.org. A").keep
    assert keep == Keep((names.parse("www.example.org"), names.parse("*.example.org")))


def test_an_answer_from_below_holds_only_while_the_name_stays_unknown_here() -> None:
    made = plugin(body=f"{INLINE}\n fallthrough")
    below = Reply(keep=Keep((names.parse("service"),)))

    keep = ask(made, "other.example.org. A", below).keep

    assert keep is not None
    assert set(keep.names) == {names.parse(name) for name in ("service", "other.example.org", "*.example.org")}


def test_a_refusal_from_below_passes() -> None:
    with pytest.raises(NoAnswer) as failure:
        ask(plugin(body=f"{INLINE}\n fallthrough"), "other.example.org. A", NoAnswer(REFUSED))
    assert failure.value.rcode == REFUSED


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hosts\nhosts", "this plugin can only be used once per Server Block"),
        ("hosts {\n ttl\n}", "ttl needs a time in second"),
        ("hosts {\n ttl soon\n}", "ttl needs a number of second"),
        ("hosts {\n ttl 0\n}", "ttl provided is invalid"),
        ("hosts {\n ttl 65536\n}", "ttl provided is invalid"),
        ("hosts {\n reload\n}", r"reload needs a duration \(zero seconds to disable\)"),
        ("hosts {\n reload soon\n}", "invalid duration for reload 'soon'"),
        ("hosts {\n reload -1s\n}", "invalid negative duration for reload '-1s'"),
        ("hosts {\n fallthrough\n 10.0.0.1 late.example.org\n}", "unknown property '10.0.0.1'"),
        ("hosts {\n fallthrough_unsupported\n}", "fallthrough_unsupported requires fallthrough"),
        ("hosts {\n fallthrough\n fallthrough_unsupported x\n}", "Wrong argument count"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        hosts.setup(args(text))


def test_a_file_that_can_never_be_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=f"unable to access hosts file '{tmp_path}/file/hosts': not a directory"):
        hosts.setup(args("hosts file/hosts", directory=tmp_path))


def test_a_missing_file_or_a_directory_is_only_a_warning(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    hosts.setup(args("hosts gone", directory=tmp_path, log=lambda level, text: said.append((level, text))))
    hosts.setup(args(f"hosts {tmp_path}", log=lambda level, text: said.append((level, text))))

    assert said == [
        ("WARNING", f"File does not exist: {tmp_path / 'gone'}"),
        ("WARNING", f'Hosts file "{tmp_path}" is a directory'),
    ]
