"""The file plugin, with real files."""

import os
from pathlib import Path

import pytest

from kdns.errors import SERVFAIL, ConfigError, NoAnswer, StartError
from kdns.plugins import file
from kdns.wire import names
from tests.kdns.asking import args, ask
from tests.kdns.zonefiles import BELOW, Started, started, write
from tests.kdns.zones import APEX


async def test_answers_from_the_zone_of_a_file(tmp_path: Path) -> None:
    write(tmp_path / "db", "www A 192.0.2.1")
    async with started(file.setup, tmp_path, "file db", "example.org") as served:
        assert served.answer("www.example.org. A") == ["www.example.org. 60 IN A 192.0.2.1"]
        assert ask(served.plugin, "www.example.com. A", BELOW).by == "below"


async def test_one_file_may_serve_several_zones_and_several_directives_stand_in_a_block(tmp_path: Path) -> None:
    write(tmp_path / "db", "www A 192.0.2.1")
    write(tmp_path / "other", "www A 192.0.2.2")
    text = f"file {tmp_path}/db example.org example.com {{\n fallthrough example.com\n}}\nfile other example.net"
    async with started(file.setup, tmp_path, text) as served:
        found = [served.answer(f"www.example.{top}. A")[0].split()[-1] for top in ("org", "com", "net")]
        assert found == ["192.0.2.1", "192.0.2.1", "192.0.2.2"]
        assert ask(served.plugin, "gone.example.com. A", BELOW).by == "below"
        assert ask(served.plugin, "gone.example.org. A", BELOW).by == "file"


async def test_another_serial_is_served_and_forgets_what_was_made_of_the_old(tmp_path: Path) -> None:
    write(tmp_path / "db", "www A 192.0.2.1")
    async with started(file.setup, tmp_path, "file db example.org {\n reload 10ms\n}") as served:
        served.forgotten.clear()
        write(tmp_path / "db", "www A 192.0.2.2", 8)
        await served.until_said("reloaded")
        assert served.answer("www.example.org. A") == ["www.example.org. 60 IN A 192.0.2.2"]
        assert served.forgotten == [(names.parse("example.org."),)]
        where = f'"{tmp_path}/db"'
        assert served.said == [f'INFO Successfully reloaded zone "example.org." in {where} with 8 SOA serial']


async def test_a_bad_file_is_told_of_and_the_old_zone_serves_on(tmp_path: Path) -> None:
    write(tmp_path / "db", "www A 192.0.2.1")
    async with started(file.setup, tmp_path, "file db example.org {\n reload 10ms\n}") as served:
        write(tmp_path / "db", "www A nonsense", 8)
        await served.until_said('ERROR Parsing zone "example.org."')
        assert f"{tmp_path}/db:6: " in served.said[0]
        assert served.answer("www.example.org. A")
        (tmp_path / "db").unlink()
        await served.until_said('ERROR Failed to open zone "example.org."')
        assert served.answer("www.example.org. A")


async def test_by_time_of_modification_the_serial_does_not_count(tmp_path: Path) -> None:
    write(tmp_path / "db", "www A 192.0.2.1")
    async with started(file.setup, tmp_path, "file db example.org {\n reload 10ms\n reload_by_mtime\n}") as served:
        write(tmp_path / "db", "www A 192.0.2.2")
        os.utime(tmp_path / "db", (1, 1))
        await served.until_said("reloaded")
        assert served.answer("www.example.org. A") == ["www.example.org. 60 IN A 192.0.2.2"]


async def test_a_missing_file_is_waited_for(tmp_path: Path) -> None:
    async with started(file.setup, tmp_path, "file db example.org {\n reload 10ms\n}") as served:
        said = f"open {tmp_path}/db: no such file or directory"
        assert served.said == [f'WARNING Failed to open "{said}": trying again in 10ms']
        with pytest.raises(NoAnswer) as failed:
            served.answer("www.example.org. A")
        assert failed.value.rcode == SERVFAIL
        write(tmp_path / "db", "www A 192.0.2.1")
        await served.until_said("reloaded")
        assert served.answer("www.example.org. A")


@pytest.mark.parametrize(
    ("text", "content", "complaint"),
    [
        ("file db example.org {\n reload 0\n}", None, "plugin/file: open .*db: no such file"),
        ("file db example.org", APEX + "www A x", "plugin/file: failed to parse file .*db:6: "),
        (
            "file db example.org",
            "www 1 A 192.0.2.1",
            r"plugin/file: file .* has no SOA record for origin example\.org\.",
        ),
    ],
)
async def test_does_not_start_with_a_bad_file(tmp_path: Path, text: str, content: str | None, complaint: str) -> None:
    if content is not None:
        (tmp_path / "db").write_text(content)
    with pytest.raises(StartError, match=complaint):
        await Started(file.setup, tmp_path, text).plugin.start()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("file", "Wrong argument count"),
        ("file db {\n reload\n}", "reload duration value is expected"),
        ("file db {\n reload_by_mtime yes\n}", "unknown property 'yes'"),
        ("file db {\n no_reload\n}", "unknown property 'no_reload'"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        file.setup(args(text))


def test_reaches_its_zones_and_lets_go_on_what_falls_through() -> None:
    (reach,) = file.setup(args("file db example.org {\n upstream\n fallthrough a.example.org\n}")).reach()
    origin = names.parse("example.org.")
    assert (reach.zones, reach.ends, reach.spared) == ((origin,), (origin,), (names.parse("a.example.org."),))
