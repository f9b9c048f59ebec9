"""Where exceptions are defined, and where everything is caught."""

import ast
import builtins
import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, SOURCES, TREES, classes, each_source, module

HOMES = [ROOT / "kdns/errors.py", ROOT / "ipamd/errors.py"]
EXCEPTIONS = {node.name for home in HOMES for node in classes(home)} | {
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)
}

# The places of `except Exception`, each with its reason.
CATCH_ALL = {
    "kdns.answer": "round one query",
    "kdns.app": "round one reload: whatever goes wrong with it, the server goes on as it was",
    "ipamd.http.server": "round one HTTP request",
    "ipamd.stores.sqlite": "round one caller's part of a transaction that others share",
    "kdns.eager": "hands everything on to the coroutine that it steps",
}


@each_source
def test_exceptions_are_defined_in_one_module_a_package(path: Path) -> None:
    for node in classes(path) if path not in HOMES else []:
        bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
        assert not bases & EXCEPTIONS, node.name


@pytest.mark.parametrize("home", HOMES, ids=module)
def test_every_exception_is_of_use(home: Path) -> None:
    others = "".join(path.read_text() for path in SOURCES if path != home)
    within = home.read_text()
    for node in classes(home):
        assert re.search(rf"\b{node.name}\b", others) or f"({node.name})" in within, node.name


@each_source
def test_everything_is_caught_in_few_places_only(path: Path) -> None:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            assert not re.search(r"^$|\b(Base)?Exception\b", caught) or module(path) in CATCH_ALL, f"line {node.lineno}"
