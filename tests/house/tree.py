"""The source tree as the rules see it: files, what they import, functions, classes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for package in ("kdns", "ipamd") for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PLUGINS = sorted(path for path in (ROOT / "kdns/plugins").glob("*.py") if path.stem != "__init__")
TREES = {path: ast.parse(path.read_text()) for path in (*SOURCES, *TESTS)}

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def module(path: Path) -> str:
    """The dotted name of a source file."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


OURS = {module(path) for path in SOURCES}


def imported(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    """Every import of a file: the statement, and the module that is meant."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node, whole if whole in OURS else node.module


def functions(path: Path) -> list[FUNCTION]:
    """Every function and method of a file."""
    return [node for node in ast.walk(TREES[path]) if isinstance(node, FUNCTION)]


def classes(path: Path) -> list[ast.ClassDef]:
    """Every class of a file."""
    return [node for node in ast.walk(TREES[path]) if isinstance(node, ast.ClassDef)]


def ident(path: Path) -> str:
    """A file as a test's name shows it."""
    return str(path.relative_to(ROOT))


each_source = pytest.mark.parametrize("path", SOURCES, ids=ident)
each_plugin = pytest.mark.parametrize("path", PLUGINS, ids=ident)
each_test = pytest.mark.parametrize("path", TESTS, ids=ident)
