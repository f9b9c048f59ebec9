"""The tests themselves: real things, no waiting, and where the reader looks for them."""

import re
from pathlib import Path

from tests.house.tree import ROOT, SOURCES, TESTS, each_test, functions

MOCKS = re.compile(r"\bunittest\.mock\b|\bMagicMock\b|\.setattr\([a-z_.]+, \"[a-z]")
SKIPS = re.compile(r"\bpytest\.(skip|importorskip|mark\.(skip|skipif|xfail))\b")
SLEEPS = re.compile(r"\btime\.sleep\(|\basyncio\.sleep\((?!0\))")
HOUSE = Path(__file__).parent


@each_test
def test_tests_are_real(path: Path) -> None:
    text = path.read_text()
    assert path.parent == HOUSE or not MOCKS.search(text)
    assert path.parent == HOUSE or not SKIPS.search(text)
    assert path.parent == HOUSE or not SLEEPS.search(text)


@each_test
def test_a_file_of_tests_has_tests_and_any_other_has_none(path: Path) -> None:
    has_tests = any(function.name.startswith("test_") for function in functions(path))
    assert has_tests == path.name.startswith("test_")


def test_the_folders_of_the_tests_are_those_of_the_source() -> None:
    sources = {path.parent.relative_to(ROOT) for path in SOURCES}
    tested = {path.parent.relative_to(ROOT / "tests") for path in TESTS if path.name.startswith("test_")}
    assert {folder for folder in tested if folder.parts[0] in ("kdns", "ipamd")} == sources
