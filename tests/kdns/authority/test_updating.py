"""Zones that clients change, with real journals."""

import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.authority.journal import Journal
from kdns.authority.updating import Limits, Writable, begun, faults, restored, size_of
from kdns.errors import StartError
from kdns.wire import codes, names
from kdns.wire.records import RR
from tests.kdns.asking import records
from tests.kdns.zones import updating, zone

ORIGIN = names.parse("example.org.")
LIMITS = Limits()


def add(writable: Writable, text: str, limits: Limits = LIMITS) -> int:
    return writable.update((), records(text), lambda name, kind: True, limits).rcode


def a(number: int) -> str:
    return f"host{number}.example.org. 60 IN A 192.0.2.{number % 256}"


def contents(writable: Writable) -> list[RR]:
    return sorted(writable.zone.records())


def test_a_zone_is_restored_with_its_changes_and_the_differences(tmp_path: Path) -> None:
    first = begun(tmp_path / "journal", zone(""))
    assert [add(first, a(number)) for number in range(3)] == [codes.NOERROR] * 3
    first.let_go()
    again = restored(tmp_path / "journal", ORIGIN)
    assert contents(again) == contents(first)
    assert again.zone.serial == 10
    assert again.differences(8) == first.differences(8)
    assert again.differences(6) is None
    again.let_go()


def test_a_journal_longer_than_its_zone_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdns.authority.updating.SLACK", 0)
    writable = begun(tmp_path / "journal", zone(""))
    for number in range(20):
        assert add(writable, a(number)) == codes.NOERROR
    journal_size = (tmp_path / "journal").stat().st_size
    assert journal_size < 4 * sum(map(len, writable.zone.records()))
    writable.let_go()
    again = restored(tmp_path / "journal", ORIGIN)
    assert contents(again) == contents(writable)
    again.let_go()


def test_what_cannot_be_written_is_not_done(tmp_path: Path) -> None:
    writable = begun(tmp_path / "journal", zone(""))
    size = (tmp_path / "journal").stat().st_size
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))  # a full disk
        with pytest.raises(OSError, match="large"):
            add(writable, a(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert writable.zone.serial == 7
    assert (tmp_path / "journal").stat().st_size == size
    assert add(writable, a(2)) == codes.NOERROR
    writable.let_go()
    again = restored(tmp_path / "journal", ORIGIN)
    assert contents(again) == contents(writable)
    again.let_go()


@pytest.mark.parametrize("limits", [LIMITS._replace(records=3), LIMITS._replace(octets=150), LIMITS._replace(update=1)])
def test_what_exceeds_a_limit_is_refused_whole(limits: Limits) -> None:
    writable = Writable(zone(""))
    assert add(writable, f"{a(1)}\n{a(2)}", limits) == codes.REFUSED
    assert writable.zone.serial == 7


def test_an_update_is_processed_in_the_order_of_the_rfc() -> None:
    writable = Writable(zone(""))
    unmet = records("ns.example.org. 0 IN A 192.0.2.1")
    outside = records("www.example.com. 60 IN A 192.0.2.1")

    def process(wanted: tuple[RR, ...], *, may: bool) -> int:
        return writable.update(wanted, outside, lambda name, kind: may, LIMITS).rcode

    assert process(unmet, may=False) == 8  # NXRRSET: the prerequisites first
    assert process((), may=False) == codes.REFUSED
    assert process((), may=True) == 10  # NOTZONE


def test_a_database_of_another_zone_or_of_no_zone_is_refused(tmp_path: Path) -> None:
    begun(tmp_path / "other", zone("", "example.com.")).let_go()
    with pytest.raises(StartError, match="another zone than example"):
        restored(tmp_path / "other", ORIGIN)
    Journal.create(tmp_path / "none", records(a(1))).close()
    with pytest.raises(StartError, match="is damaged"):
        restored(tmp_path / "none", ORIGIN)
    journal = Journal.create(tmp_path / "gap", tuple(zone("").records())[:-1])
    journal.append((*tuple(zone("", apex="$TTL 1\n@ SOA ns h 9 1 1 1 1\n").records())[:1], *zone("").records()))
    journal.close()
    with pytest.raises(StartError, match="is damaged"):
        restored(tmp_path / "gap", ORIGIN)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("", None),
        ("www ZONEMD 1 1 1 " + "00" * 48, "DNSSEC"),
        ("www CNAME ns\nwww A 192.0.2.1", "beside its CNAME"),
        ("www.example.com. A 192.0.2.1", "outside of the zone"),
    ],
)
def test_zones_that_updates_would_break_are_told(lines: str, fault: str | None) -> None:
    found = faults(zone(lines))
    assert found is None if fault is None else fault in str(found)


def test_a_zone_needs_a_serial_and_name_servers() -> None:
    assert faults(zone("", apex="$TTL 1\n@ SOA ns h 0 1 1 1 1\n@ NS ns\n"))
    assert faults(zone("", apex="$TTL 1\n@ SOA ns h 1 1 1 1 1\n"))


CHANGES = st.sampled_from([
    "www.example.org. 60 IN A 192.0.2.1", "www.example.org. 5 IN A 192.0.2.1", "WWW.example.org. 60 IN A 192.0.2.2",
    "www.example.org. 60 IN CNAME ns.example.org.", "a.www.example.org. 60 IN TXT x y", "www.example.org. ANY ANY",
    "a.www.example.org. NONE TXT x y", "example.org. 60 IN NS Other.example.org.", "example.org. ANY NS",
    "example.org. 60 IN SOA a.example.org. b.example.org. 99 1 1 1 1",
])  # fmt: skip


@given(st.lists(st.lists(CHANGES, max_size=4), max_size=6))
def test_the_size_that_is_kept_is_the_size_that_is_counted(updates: list[list[str]]) -> None:
    writable = Writable(zone(""))
    for lines in updates:
        assert writable.update((), [*map(updating, lines)], lambda name, kind: True, LIMITS).rcode == codes.NOERROR
        assert writable.size == size_of(writable.zone)
