"""root: where relative paths begin."""

from pathlib import Path

import pytest

from kdns.errors import ConfigError
from kdns.plugins import root
from tests.kdns.asking import args


def test_a_relative_root_is_relative_to_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "zones").mkdir()

    assert root.setup(args("root zones", directory=tmp_path)).directory == tmp_path / "zones"


def test_an_absolute_root_stands_for_itself(tmp_path: Path) -> None:
    assert root.setup(args(f"root {tmp_path}", directory=Path("/nowhere"))).directory == tmp_path


def test_of_several_roots_the_last_counts(tmp_path: Path) -> None:
    assert root.setup(args(f"root /nowhere\nroot {tmp_path}")).directory == tmp_path


def test_a_root_that_is_not_there_yet_earns_a_warning(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []

    root.setup(args("root later", directory=tmp_path, log=lambda *line: said.append(line)))

    assert said == [("WARNING", "Root path does not exist: later")]


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("root", "Wrong argument count or unexpected line ending after 'root'"),
        ("root a b", "Wrong argument count or unexpected line ending after 'b'"),
        ("root a {\n}", "Unexpected token '{', expecting argument"),
        ("root a\x00b", "unable to access root path"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        root.setup(args(directive))
