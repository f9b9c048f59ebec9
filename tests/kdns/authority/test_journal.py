"""Journals of zones, on real files: whole, cut short, damaged, in use."""

import fcntl
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.authority.journal import MAGIC, Journal
from kdns.errors import StartError
from tests.kdns.asking import records

ZONE = records("example.org. 60 IN SOA ns.example.org. h.example.org. 1 2 3 4 5\nexample.org. 60 IN NS ns.example.org.")
CHANGES = [records(f"host{number}.example.org. 60 IN A 192.0.2.{number}") for number in range(3)]


def written(path: Path) -> list[int]:
    """A journal with three changes; the file's size after each entry."""
    journal = Journal.create(path, ZONE)
    sizes = [journal.size]
    for change in CHANGES:
        journal.append(change)
        sizes.append(journal.size)
    journal.close()
    return sizes


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    sizes = written(tmp_path / "journal")
    journal, entries = Journal.open(tmp_path / "journal")
    assert entries == [ZONE, *CHANGES]
    assert (journal.size, journal.first) == (sizes[-1], sizes[0])
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600
    journal.close()


def test_an_entry_cut_short_was_told_to_nobody_and_the_next_one_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    sizes = written(path)
    octets = path.read_bytes()
    for end in range(sizes[2] + 1, sizes[3]):
        path.write_bytes(octets[:end])
        journal, entries = Journal.open(path)
        assert entries == [ZONE, *CHANGES[:2]]
        journal.append(CHANGES[0])
        journal.close()
        journal, entries = Journal.open(path)
        assert entries == [ZONE, *CHANGES[:2], CHANGES[0]]
        journal.close()


def test_room_that_was_never_written_to_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path)
    path.write_bytes(path.read_bytes() + bytes(4096))
    journal, entries = Journal.open(path)
    assert entries == [ZONE, *CHANGES]
    assert path.stat().st_size == journal.size
    journal.close()


@given(st.data())
def test_an_octet_changed_is_damage_unless_it_is_the_last_entry(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    sizes = written(path)
    octets = bytearray(path.read_bytes())
    at = data.draw(st.integers(sizes[0] + 8, sizes[1] - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(octets)
    with pytest.raises(StartError, match=f"is damaged at octet {sizes[0]}"):
        Journal.open(path)


@pytest.mark.parametrize("octets", [b"", b"something else", MAGIC, MAGIC + b"\0\0\0\5"])
def test_a_file_that_has_no_zone_is_refused(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "journal").write_bytes(octets)
    with pytest.raises(StartError, match=r"^database "):
        Journal.open(tmp_path / "journal")


def test_one_process_has_a_journal_also_when_it_was_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal.create(path, ZONE)
    journal.append(CHANGES[0])
    made = journal.remade(ZONE + CHANGES[0])
    with pytest.raises(StartError, match="in use by another process"):
        Journal.open(path)
    made.close()
    again, entries = Journal.open(path)
    assert entries == [ZONE + CHANGES[0]]
    again.close()


def test_a_journal_that_another_process_is_about_to_begin_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.new"
    with path.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError) as raised:
            Journal.create(tmp_path / "journal", ZONE)
    assert raised.value.filename == str(path)


@contextmanager
def one_descriptor_more() -> Iterator[None]:
    """Within it one more file can be opened; a directory has to be opened to have what is in it on disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_ = os.open("/", os.O_RDONLY)
    os.close(next_)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_ + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_journal_made_anew_promises_nothing_until_its_name_is_on_disk(tmp_path: Path) -> None:
    made = Journal.create(tmp_path / "journal", ZONE)
    with one_descriptor_more():
        remade = made.remade(ZONE)
        with (tmp_path / "other").open("w"), pytest.raises(OSError, match="Too many open files"):
            remade.append(CHANGES[0])
        remade.append(CHANGES[1])
    remade.close()

    reopened, entries = Journal.open(tmp_path / "journal")
    reopened.close()
    assert entries == [ZONE, CHANGES[1]]


def test_a_journal_whose_name_cannot_be_put_on_disk_is_not_begun(tmp_path: Path) -> None:
    with one_descriptor_more(), pytest.raises(OSError, match="Too many open files"):
        Journal.create(tmp_path / "journal", ZONE)


def test_a_journal_that_no_start_would_find_promises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal.create(path, ZONE)
    path.unlink()
    with pytest.raises(OSError, match=r"[Ss]tale"):
        journal.append(CHANGES[0])
    journal.close()


def test_what_another_process_is_just_writing_is_left_alone(tmp_path: Path) -> None:
    beside = Journal.create(tmp_path / "journal.new", ZONE)
    with pytest.raises(BlockingIOError):
        Journal.create(tmp_path / "journal", CHANGES[0])
    beside.append(CHANGES[1])
    beside.close()
    again, entries = Journal.open(tmp_path / "journal.new")
    assert entries == [ZONE, CHANGES[1]]
    again.close()


def test_a_directory_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Journal.create(tmp_path / "gone" / "journal", ZONE)
    with pytest.raises(FileNotFoundError):
        Journal.open(tmp_path / "journal")
