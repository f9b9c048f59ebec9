"""How large things may be, and how large they are as a rule."""

import ast
from pathlib import Path
from statistics import median, quantiles

from tests.house.tree import FUNCTION, PLUGINS, SOURCES, each_source, functions

BLOCK = ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.With | ast.AsyncWith
MAX_MODULE, MAX_PLUGIN, MAX_FUNCTION, MAX_NESTING = 400, 300, 40, 3  # lines, lines, lines, blocks
MEDIAN_MODULE, MEDIAN_FUNCTION, P90_FUNCTION = 120, 8, 25  # lines


def lines(path: Path) -> int:
    return path.read_text().count("\n")


def length(function: FUNCTION) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def depth(node: ast.AST) -> int:
    below = max((depth(child) for child in ast.iter_child_nodes(node) if not isinstance(child, FUNCTION)), default=0)
    if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        return max(1 + max(map(depth, node.body)), depth(node.orelse[0]))
    return below + isinstance(node, BLOCK)


@each_source
def test_nothing_is_too_large_to_read(path: Path) -> None:
    assert lines(path) <= (MAX_PLUGIN if path in PLUGINS else MAX_MODULE)
    for function in functions(path):
        assert length(function) <= MAX_FUNCTION, f"{function.name} has {length(function)} lines"
        assert depth(function) <= MAX_NESTING, f"{function.name} nests {depth(function)} deep"


def test_most_things_are_small() -> None:
    lengths = [length(function) for path in SOURCES for function in functions(path)]
    assert median(map(lines, SOURCES)) <= MEDIAN_MODULE
    assert median(lengths) <= MEDIAN_FUNCTION
    assert quantiles(lengths, n=10)[-1] <= P90_FUNCTION
