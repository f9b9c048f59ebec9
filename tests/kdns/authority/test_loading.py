"""Zone files read while others get their turn."""

import asyncio
from pathlib import Path

import pytest

from kdns.authority.loading import SLICE, load
from kdns.errors import ZoneError
from kdns.wire import names
from tests.kdns.zones import APEX

ORIGIN = names.parse("example.org.")


async def test_reads_a_file_and_what_it_includes(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("www A 192.0.2.1\n")
    (tmp_path / "db").write_text(APEX + "$INCLUDE more sub\n")
    zone = await load(tmp_path / "db", ORIGIN)
    assert zone is not None
    assert zone.node(names.parse("www.sub.example.org."))


async def test_a_file_with_the_same_serial_is_left_alone_and_read_no_further(tmp_path: Path) -> None:
    (tmp_path / "db").write_text(APEX + "this is no record\n")
    assert await load(tmp_path / "db", ORIGIN, 7) is None
    with pytest.raises(ZoneError):
        await load(tmp_path / "db", ORIGIN, 6)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (APEX + "x A y", r'failed to parse file ".*db" for origin example\.org\. with error .*db:6: '),
        (APEX + "x NSEC3 1 0 0 - 00", "NSEC3 zone is not supported"),
        ("www 60 A 192.0.2.1", r'file ".*db" has no SOA record for origin example\.org\.'),
        ("$INCLUDE absent", "No such file"),
    ],
)
async def test_says_what_is_wrong_with_a_file(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "db").write_text(content)
    with pytest.raises(ZoneError, match=complaint):
        await load(tmp_path / "db", ORIGIN)


async def test_others_get_their_turn_slice_by_slice(tmp_path: Path) -> None:
    slices = 20
    (tmp_path / "db").write_text(APEX + "".join(f"host{n} A 192.0.2.1\n" for n in range(SLICE * slices)))
    loading = asyncio.create_task(load(tmp_path / "db", ORIGIN))
    turns = 0
    while not loading.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= slices
