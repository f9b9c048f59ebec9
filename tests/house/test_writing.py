"""What stands in the text: names, docstrings, nothing left over, nothing shared that changes."""

import ast
import re
from pathlib import Path

import pytest

from tests.house.tree import FUNCTION, ROOT, SOURCES, TREES, classes, each_source, functions, imported

EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "base", "manager", "misc"}
PER_KLOC = {"type: ignore": 1, "noqa": 1, r"\bAny\b": 3}  # at most so many a thousand lines, over all
MACHINE = re.compile(r"(?<![\w./~-])/(?:root|work|workspace|Users|mnt)/|/home/(?!you\b|u\b)\w")
LOCKS = re.compile(r"\b(Lock|RLock|Semaphore|BoundedSemaphore|ContextVar)\b")


@each_source
def test_modules_and_public_names_say_what_they_are(path: Path) -> None:
    assert ast.get_docstring(TREES[path])
    for node in TREES[path].body:
        if isinstance(node, (*FUNCTION.__args__, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


@each_source
def test_names_say_something(path: Path) -> None:
    assert not EMPTY_NAMES & set(path.relative_to(ROOT).with_suffix("").parts)
    for node in [*classes(path), *functions(path)]:
        words = set(re.sub(r"([a-z])([A-Z])", r"\1_\2", node.name).lower().split("_"))
        assert not EMPTY_NAMES & words, node.name


@each_source
def test_nothing_is_left_for_later(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)
    assert "NotImplementedError" not in text
    assert "breakpoint(" not in text


@each_source
def test_modules_hold_no_state_that_changes(path: Path) -> None:
    assert not any(isinstance(node, ast.Global) for node in ast.walk(TREES[path]))
    for node in TREES[path].body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict | ast.List | ast.Set):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                assert ast.unparse(target).isupper() or ast.unparse(target) == "__all__", ast.unparse(target)


@each_source
def test_kdns_has_no_locks_and_nobody_has_context_variables(path: Path) -> None:
    names = {name for _, target in imported(path) for name in (target,)}
    assert "contextvars" not in names
    if path.is_relative_to(ROOT / "kdns"):
        assert not LOCKS.search(path.read_text())


@pytest.mark.parametrize("pattern", PER_KLOC)
def test_the_type_checker_is_seldom_told_to_look_away(pattern: str) -> None:
    text = "".join(path.read_text() for path in SOURCES)
    assert len(re.findall(pattern, text)) <= PER_KLOC[pattern] * text.count("\n") / 1000


def test_no_file_names_a_place_of_one_machine() -> None:
    folders = ("kdns", "ipamd", "bench", "tests", "configs", "docs", ".ci")
    inside = [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix not in (".pyc", ".so", ".png") and path.name != "executable"
    ]
    for path in [*inside, *ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"]:
        if path.is_file() and path != Path(__file__):
            assert not MACHINE.search(path.read_text()), path
