"""Files replaced as a whole."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdns.transport import files


@pytest.fixture
def _umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize(("modes", "mode"), [((), 0o600), ((0o644,), 0o644)])
def test_a_file_has_the_octets_and_permissions_that_were_asked_for(
    tmp_path: Path, modes: tuple[int, ...], mode: int
) -> None:
    place = tmp_path / "zone"
    place.write_bytes(b"what was there before, and was longer")
    files.put(place, [b"one ", b"two"], *modes)
    assert place.read_bytes() == b"one two"
    assert place.stat().st_mode & 0o777 == mode
    assert [*tmp_path.iterdir()] == [place]


@pytest.mark.parametrize(("beside", "name"), [("", "zone.new"), ("unready", "unready")])
def test_what_was_there_stays_until_the_last_octet_is_written(tmp_path: Path, beside: str, name: str) -> None:
    place = tmp_path / "zone"
    place.write_bytes(b"before")

    def pieces() -> Iterator[bytes]:
        yield b"after"
        assert place.read_bytes() == b"before"
        assert {*tmp_path.iterdir()} == {place, tmp_path / name}

    files.put(place, pieces(), beside=beside)
    assert place.read_bytes() == b"after"


def test_a_directory_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.put(tmp_path / "none" / "zone", [b""])
