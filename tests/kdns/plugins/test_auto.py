"""The auto plugin, with a real directory."""

import os
from pathlib import Path

import pytest

from kdns.chain import Keep
from kdns.errors import ConfigError
from kdns.plugins import auto
from kdns.wire import names
from tests.kdns.asking import args, ask
from tests.kdns.zonefiles import BELOW, Started, started, write

ORG = names.parse("org.")


def addresses(served: Started, asked: str) -> list[str]:
    return [line.split()[-1] for line in served.answer(asked)]


async def test_serves_what_it_finds_in_the_directory_and_below(tmp_path: Path) -> None:
    write(tmp_path / "db.example.org", "www A 192.0.2.1")
    write(tmp_path / "sub" / "db.example.com", "www A 192.0.2.2")
    write(tmp_path / "notes.txt", "www A 192.0.2.3")
    async with started(auto.setup, tmp_path, f"auto {{\n directory {tmp_path}\n}}") as served:
        assert addresses(served, "www.example.org. A") == ["192.0.2.1"]
        assert addresses(served, "www.example.com. A") == ["192.0.2.2"]
        assert ask(served.plugin, "www.example.net. A", BELOW).by == "below"
    assert f"INFO Inserting zone `example.org.' from: {tmp_path}/db.example.org" in served.said


async def test_a_link_to_the_directory_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "real" / "db.example.org", "www A 192.0.2.1")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    async with started(auto.setup, tmp_path, "auto {\n directory link\n}") as served:
        assert addresses(served, "www.example.org. A") == ["192.0.2.1"]


async def test_looks_only_at_questions_for_its_zones(tmp_path: Path) -> None:
    write(tmp_path / "db.example.org", "www A 192.0.2.1")
    write(tmp_path / "db.example.com", "www A 192.0.2.1")
    async with started(auto.setup, tmp_path, "auto org {\n directory .\n}") as served:
        assert addresses(served, "www.example.org. A") == ["192.0.2.1"]
        assert ask(served.plugin, "www.example.com. A", BELOW).by == "below"


async def test_the_origin_is_made_of_the_name_by_a_template(tmp_path: Path) -> None:
    write(tmp_path / "example.zone", "www A 192.0.2.1")
    async with started(auto.setup, tmp_path, r"auto {" + "\n directory . (.*)\\.zone {1}.org\n}") as served:
        assert addresses(served, "www.example.org. A") == ["192.0.2.1"]


async def test_files_come_change_and_go(tmp_path: Path) -> None:
    async with started(auto.setup, tmp_path, "auto org {\n directory .\n reload 10ms\n}") as served:
        assert ask(served.plugin, "www.example.org. A", BELOW).keep == Keep((ORG,))
        write(tmp_path / "db.example.org", "www A 192.0.2.1")
        await served.until_said("Inserting zone `example.org.'")
        assert (ORG,) in served.forgotten
        assert addresses(served, "www.example.org. A") == ["192.0.2.1"]
        write(tmp_path / "db.example.org", "www A 192.0.2.2", 8)
        await served.until_said("Successfully reloaded")
        assert addresses(served, "www.example.org. A") == ["192.0.2.2"]
        (tmp_path / "db.example.org").unlink()
        await served.until_said("Deleting zone `example.org.'")
        assert ask(served.plugin, "www.example.org. A", BELOW).by == "below"


async def test_a_bad_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "db.example.org").write_text("nonsense\n")
    (tmp_path / "db.a..b").write_text("")
    async with started(auto.setup, tmp_path, "auto {\n directory .\n}") as served:
        assert any(line.startswith("WARNING Parse zone `example.org.': ") for line in served.said)
        assert any("label of 0 octets" in line for line in served.said)
        assert ask(served.plugin, "www.example.org. A", BELOW).by == "below"


async def test_links_that_lead_nowhere_keep_no_zone_from_being_served(tmp_path: Path) -> None:
    write(tmp_path / "db.example.org", "www A 192.0.2.1")
    (tmp_path / "db.example.com").symlink_to("db.example.com")
    (tmp_path / "db.example.net").symlink_to("gone")
    async with started(auto.setup, tmp_path, "auto {\n directory .\n}") as served:
        assert addresses(served, "www.example.org. A") == ["192.0.2.1"]
        assert any(line.startswith("WARNING Parse zone `example.com.': ") for line in served.said)
        assert any(line.startswith("WARNING Parse zone `example.net.': ") for line in served.said)


async def test_a_pipe_is_no_zone_file(tmp_path: Path) -> None:
    write(tmp_path / "db.example.org", "www A 192.0.2.1")
    os.mkfifo(tmp_path / "db.example.com")
    async with started(auto.setup, tmp_path, "auto {\n directory .\n}") as served:
        assert addresses(served, "www.example.org. A") == ["192.0.2.1"]


async def test_of_two_files_for_a_zone_the_first_counts(tmp_path: Path) -> None:
    write(tmp_path / "a" / "db.example.org", "www A 192.0.2.1")
    write(tmp_path / "b" / "db.example.org", "www A 192.0.2.2")
    async with started(auto.setup, tmp_path, "auto {\n directory .\n}") as served:
        assert addresses(served, "www.example.org. A") == ["192.0.2.1"]
        first, second = f'"{tmp_path}/a/db.example.org"', f'"{tmp_path}/b/db.example.org"'
        warned = f'WARNING Multiple zone files match origin "example.org.": using {first} instead of {second}'
        assert warned in served.said


async def test_a_directory_that_is_not_there_yet_is_warned_of(tmp_path: Path) -> None:
    async with started(auto.setup, tmp_path, "auto {\n directory later\n}") as served:
        assert served.said[0] == f"WARNING Directory does not exist: {tmp_path}/later"


@pytest.mark.parametrize(
    ("directory", "reason"), [("file/zones", "not a directory"), ("link", "too many levels of symbolic links")]
)
def test_a_directory_that_can_never_be_read_is_refused(tmp_path: Path, directory: str, reason: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("link")

    with pytest.raises(ConfigError, match=f"Unable to access root path '{tmp_path}/{directory}': {reason}"):
        auto.setup(args(f"auto {{\n directory {tmp_path}/{directory}\n}}"))


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("directory", "Wrong argument count"),
        ("directory . (.*)", "Wrong argument count"),
        ("directory . (.*) {1} more", "Wrong argument count"),
        ("directory . * {1}", "error parsing regexp"),
        ("directory . db {1}", "Need at least one sub expression"),
        ("no_reload", "unknown property 'no_reload'"),
        ("reload -1s", "invalid duration"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(lines: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        auto.setup(args(f"auto {{\n {lines}\n}}"))


def test_what_it_has_no_file_for_goes_on() -> None:
    (reach,) = auto.setup(args("auto org {\n upstream\n}")).reach()
    assert (reach.zones, reach.ends) == ((ORG,), ())
