"""Every plugin has the same shape, its place in the order, and a test."""

import ast
from pathlib import Path

from kdns.plugins import ORDER
from tests.house.tree import ROOT, TREES, each_plugin, each_source


@each_plugin
def test_a_plugin_has_the_plugins_shape(path: Path) -> None:
    assert path.stem in ORDER
    (setup,) = [node for node in TREES[path].body if isinstance(node, ast.FunctionDef) and node.name == "setup"]
    assert [argument.arg for argument in setup.args.args] == ["args"]
    head = ast.get_docstring(TREES[path]) or ""
    assert head.startswith(f"{path.stem}: ")
    assert "Syntax:" in head


@each_plugin
def test_a_plugin_has_a_test_under_its_name(path: Path) -> None:
    assert (ROOT / f"tests/kdns/plugins/test_{path.stem}.py").exists()


@each_source
def test_of_a_plugin_only_the_value_that_it_configures_is_known_elsewhere(path: Path) -> None:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kdns.plugins."):
            assert all(alias.name[0].isupper() for alias in node.names), node.module


def test_the_order_names_each_directive_once() -> None:
    assert len(ORDER) == len(set(ORDER))
