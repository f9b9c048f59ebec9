"""The keeper of a snapshot: real files, a process that is killed while it writes, disks that refuse."""

import asyncio
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from shutil import rmtree

import pytest

from kdns.transport.keeper import EVERY, Keeper

WRITER = """
import asyncio, sys
from pathlib import Path
from kdns.transport.keeper import Keeper

async def write() -> None:
    keeper, number = Keeper(Path(sys.argv[1]), lambda: "test", print), 0
    while True:
        number += 1
        keeper.changed.set()
        await keeper.close(lambda: [str(number).encode()] * 2000)
        print(number, flush=True)

asyncio.run(write())
"""


class Disk:
    """A file, and what a keeper of it says and waits for."""

    def __init__(self, file: Path, made_with: str = "test") -> None:
        self.said: list[str] = []
        self.slept: list[float] = []
        self.again = asyncio.Event()
        self.kept = asyncio.Event()
        self.keeper = Keeper(file, lambda: made_with, self._log, self._sleep, lambda: 1700000000.0)

    def _log(self, level: str, message: str) -> None:
        self.said.append(f"{level} {message}")

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.kept.set()
        await self.again.wait()
        self.again.clear()

    async def restored(self) -> tuple[float, list[bytes]]:
        """When the file was written, and its blocks."""
        blocks: list[bytes] = []
        moment = await self.keeper.restore(lambda block: blocks.append(bytes(block)))
        return moment, blocks

    async def keep(self, *blocks: bytes) -> None:
        """Write a file of these."""
        self.keeper.changed.set()
        await self.keeper.close(lambda: blocks)


def spoil(file: Path, how: Callable[[bytes], bytes]) -> None:
    file.write_bytes(how(file.read_bytes()))


def listed(file: Path) -> list[tuple[str, int]]:
    """The directory's files and their modes."""
    return [(each.name, stat.S_IMODE(each.stat().st_mode)) for each in file.parent.iterdir()]


def directory(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cluster.snapshot"


async def test_what_was_kept_is_restored_and_belongs_to_its_owner_alone(file: Path) -> None:
    await Disk(file).keep(b"a", b"", b"b")

    assert await Disk(file).restored() == (1700000000.0, [b"a", b"", b"b"])
    assert listed(file) == [(file.name, 0o600)]


async def test_a_first_start_has_no_snapshot_and_says_nothing(file: Path) -> None:
    disk = Disk(file)
    assert (await disk.restored(), disk.said) == ((0.0, []), [])


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (lambda octets: b"", "it is none, or of another version"),
        (lambda octets: octets.replace(b"snapshot 1", b"snapshot 0"), "it is none, or of another version"),
        (lambda octets: octets[:-1], "it is damaged"),
        (lambda octets: octets + b"more", "it is damaged"),
    ],
)
async def test_a_file_that_is_no_use_is_passed_over_with_a_word(
    file: Path, how: Callable[[bytes], bytes], reason: str
) -> None:
    await Disk(file).keep(b"a")
    spoil(file, how)
    disk = Disk(file)

    assert await disk.restored() == (0.0, [])
    assert disk.said == [f"WARNING the snapshot {file} is not used: {reason}"]


async def test_another_configuration_s_file_is_passed_over(file: Path) -> None:
    await Disk(file, "another").keep(b"a")
    disk = Disk(file)
    assert await disk.restored() == (0.0, [])
    assert disk.said == [f"WARNING the snapshot {file} is not used: it was made with another configuration"]


async def test_blocks_that_nobody_understands_are_passed_over(file: Path) -> None:
    def refuse(block: memoryview) -> None:
        raise ValueError("no rows")

    disk = Disk(file)
    await disk.keep(b"a")
    assert await disk.keeper.restore(refuse) == 0.0
    assert disk.said == [f"WARNING the snapshot {file} is not used: no rows"]


async def test_a_file_that_cannot_be_read_is_passed_over(file: Path) -> None:
    disk = Disk(directory(file))
    assert await disk.restored() == (0.0, [])
    assert disk.said == [f"WARNING the snapshot {file} is not used: Is a directory"]


async def test_it_writes_when_something_changed_and_not_more_often_than_it_may(file: Path) -> None:
    disk, known = Disk(file), [b"1"]
    asked = 0

    def rows() -> Iterable[bytes]:
        nonlocal asked
        asked += 1
        return list(known)

    disk.keeper.changed.set()
    running = asyncio.create_task(disk.keeper.run(rows))
    await disk.kept.wait()
    assert (await Disk(file).restored())[1] == [b"1"]
    known[:] = [b"2"]
    disk.keeper.changed.set()
    assert (await Disk(file).restored())[1] == [b"1"]
    disk.kept.clear()
    disk.again.set()
    await disk.kept.wait()
    assert (await Disk(file).restored())[1] == [b"2"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await disk.keeper.close(rows)
    assert (disk.slept, asked) == ([EVERY, EVERY], 2)


async def test_what_changed_last_is_written_at_the_end(file: Path) -> None:
    disk = Disk(file)
    await disk.keep(b"1")
    await disk.keeper.close(lambda: [b"2"])
    assert (await disk.restored())[1] == [b"1"]
    disk.keeper.changed.set()
    await disk.keeper.close(lambda: [b"3"])
    assert (await disk.restored())[1] == [b"3"]


async def test_a_disk_that_refuses_is_told_of_once_until_it_takes_again(tmp_path: Path) -> None:
    file = tmp_path / "later" / "snapshot"
    disk = Disk(file)
    await disk.keep(b"1")
    await disk.keep(b"1")
    refused = f"WARNING the snapshot {file} cannot be written: No such file or directory"
    assert disk.said == [refused]
    assert disk.keeper.changed.is_set()
    directory(tmp_path / "later")
    await disk.keep(b"2")
    assert (await disk.restored())[1] == [b"2"]
    rmtree(tmp_path / "later")
    await disk.keep(b"3")
    assert disk.said == [refused, refused]


def test_a_process_killed_while_it_writes_leaves_a_whole_file(file: Path) -> None:
    for kills in range(8):
        with subprocess.Popen([sys.executable, "-c", WRITER, file], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            said = [int(writer.stdout.readline()) for _ in range(1 + kills)]
            writer.kill()
            said += map(int, writer.stdout.read().split())
        disk = Disk(file)
        moment, blocks = asyncio.run(disk.restored())
        assert (moment > 0, disk.said) == (True, [])
        assert len(blocks) == 2000
        assert int(blocks[0]) in (said[-1], said[-1] + 1)
        assert set(blocks) == {blocks[0]}
