"""sign: when zones are signed, where they go, what is said of it."""

import asyncio
import time
from pathlib import Path

import pytest

from kdns.errors import ConfigError
from kdns.plugins import sign
from tests.kdns.asking import args
from tests.kdns.zone import signed

ZONE = """\
$TTL 300
@   IN SOA ns admin 1 7200 1800 86400 60
    IN NS  ns
ns  IN A   192.0.2.53
www IN A   192.0.2.1
"""
DAY = 86400
NOW = 1_900_000_000


class Place:
    """A folder with a zone and its key, and what the plugin says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stem = signed.made(folder, "ECDSAP256SHA256", "-f", "KSK")
        self.target = folder / "db.example.org.signed"
        self.said: list[str] = []
        self.signed = asyncio.Event()
        (folder / "db.zone").write_text(ZONE)

    def plugin(self, now: float, *lines: str) -> sign.Signs:
        block = "\n".join([f"key file {self.stem.name}", "directory .", *lines])
        made = sign.setup(
            args(
                f"sign db.zone {{\n{block}\n}}",
                zones="example.org",
                directory=self.folder,
                log=self.hear,
            )
        )
        return sign.Signs(made._signers, lambda: now, made._log)

    def hear(self, level: str, line: str) -> None:
        self.said.append(f"{level} {line}")
        if line.startswith("Successfully"):
            self.signed.set()

    async def look(self, now: float) -> list[str]:
        """What is said when the plugin looks at a time."""
        self.said.clear()
        plugin = self.plugin(now)
        for signer in plugin._signers:
            await plugin.look(signer)
        return self.said


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_zone_is_signed_once_and_again_in_time(place: Place) -> None:
    tag = int(place.stem.name.rpartition("+")[2])
    missing, done = await place.look(NOW)
    assert missing.startswith('INFO Signing "example.org." because ')
    assert done == (
        f'INFO Successfully signed zone "example.org." in "{place.target}" with key tags "{tag}" and {NOW} SOA serial'
    )
    assert place.target.read_text().split()[6] == str(NOW)
    assert place.target.stat().st_mode & 0o777 == 0o644

    skipped = f'INFO Skipping signing zone "example.org." in "{place.target}": signatures are valid'
    assert await place.look(NOW + 5 * DAY) == [skipped]
    again, done = await place.look(NOW + 6 * DAY)
    assert "inception was " in again
    assert f"{NOW + 6 * DAY} SOA serial" in done
    assert sorted(path.suffix for path in place.folder.iterdir() if not path.name.startswith("K")) == [
        ".signed",
        ".zone",
    ]


async def test_the_signed_zone_can_be_read_by_other_servers_and_nothing_else_is_left(place: Place) -> None:
    before = {*place.folder.iterdir()}
    await place.look(NOW)
    assert place.target.stat().st_mode & 0o777 == 0o644
    assert {*place.folder.iterdir()} - before == {place.target}


async def test_other_tools_verify_what_is_written(place: Place) -> None:
    await place.look(time.time())
    verifying = await asyncio.create_subprocess_exec("ldns-verify-zone", str(place.target))
    assert await verifying.wait() == 0


async def test_a_zone_that_cannot_be_read_or_written_is_told_of(place: Place) -> None:
    (place.folder / "db.zone").write_text("broken")
    assert 'WARNING Error signing "example.org." with key tags' in (await place.look(NOW))[1]
    (place.folder / "db.zone").unlink()
    assert 'WARNING Error signing "example.org." with key tags' in (await place.look(NOW))[1]
    assert not place.target.exists()


async def test_goes_on_looking(place: Place) -> None:
    running = asyncio.create_task(place.plugin(NOW).run())
    async with asyncio.timeout(10):
        await place.signed.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sign", "Wrong argument count or unexpected line ending after 'sign'"),
        ("sign db {\n key\n}", "Wrong argument count or unexpected line ending after 'key'"),
        ("sign db {\n key directory x\n}", "keys can not be read from 'directory'"),
        ("sign db {\n key file missing\n}", "missing.key: no such file or directory"),
        ("sign db {\n directory a b\n}", 'can only be one argument after "directory"'),
        ("sign db {\n whatever\n}", "unknown property 'whatever'"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        sign.setup(args(text))


def test_only_keys_for_keys_will_do(place: Place) -> None:
    zsk = signed.made(place.folder)
    with pytest.raises(ConfigError, match="is not a CSK/KSK"):
        place.plugin(NOW, f"key file {zsk.name}")
