"""The rules of the house, as tests: what may import what, how large things may be, what may stand where.

A rule that the code teaches better is changed here, with the reason beside it.
"""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from kdns.plugins import ORDER

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for package in ("kdns", "ipamd") for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PLUGINS = sorted(path for path in (ROOT / "kdns/plugins").glob("*.py") if path.stem != "__init__")
TREES = {path: ast.parse(path.read_text()) for path in (*SOURCES, *TESTS)}

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
BLOCK = ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.With | ast.AsyncWith
IO = {
    "asyncio",
    "socket",
    "ssl",
    "threading",
    "select",
    "selectors",
    "sqlite3",
    "subprocess",
    "time",
    "apsw",
    "aiohttp",
}

MAX_MODULE, MAX_PLUGIN, MAX_FUNCTION, MAX_NESTING = 400, 300, 40, 3  # lines, lines, lines, blocks

# Who may import whom: module pattern, the modules of ours that it may import, why. The first row that fits counts.
DIRECTIONS = [
    ("kdns", (), "the version, and nothing else"),
    ("kdns.errors", (), "the bottom: everybody raises"),
    ("kdns.wire.*", ("kdns.errors", "kdns.wire*"), "octets know nothing of servers"),
    (
        "kdns.cluster.settings",
        ("kdns.errors", "kdns.corefile*", "kdns.wire*", "kdns.cluster*"),
        "what kubernetes's properties mean",
    ),
    ("kdns.cluster*", ("kdns.errors", "kdns.wire*", "kdns.cluster*"), "objects to records, whoever serves them"),
    ("kdns.zone*", ("kdns.errors", "kdns.wire*", "kdns.zone*"), "tables of records, whoever serves them"),
    ("kdns.metrics", ("kdns.errors",), "counted by everybody"),
    ("kdns.chain", ("kdns.errors", "kdns.wire*"), "the plugin's shape"),
    (
        "kdns.caching*",
        ("kdns.errors", "kdns.chain", "kdns.corefile*", "kdns.metrics", "kdns.wire*", "kdns.caching*"),
        "replies kept, whoever keeps them",
    ),
    (
        "kdns.forwarding*",
        ("kdns.errors", "kdns.chain", "kdns.corefile*", "kdns.wire*", "kdns.transport*", "kdns.forwarding*"),
        "what forward's properties mean",
    ),
    (
        "kdns.rewriting*",
        ("kdns.errors", "kdns.chain", "kdns.corefile*", "kdns.wire*", "kdns.rewriting*"),
        "what rewrite's rules mean",
    ),
    (
        "kdns.expression*",
        ("kdns.errors", "kdns.chain", "kdns.corefile.patterns", "kdns.wire*", "kdns.expression*"),
        "a language, whoever uses it",
    ),
    (
        "kdns.templating*",
        ("kdns.errors", "kdns.chain", "kdns.corefile*", "kdns.expression*", "kdns.wire*", "kdns.templating*"),
        "another language",
    ),
    ("kdns.corefile*", ("kdns.errors", "kdns.metrics", "kdns.wire*", "kdns.corefile*"), "text to values"),
    ("kdns.plugins", (), "the order is data"),
    (
        "kdns.plugins.*",
        ("kdns", "kdns.errors", "kdns.chain", "kdns.counting", "kdns.eager",
         "kdns.expression*", "kdns.metrics", "kdns.corefile*", "kdns.wire*",
         "kdns.cluster*", "kdns.zone*", "kdns.caching*", "kdns.forwarding*", "kdns.rewriting*",
         "kdns.templating*", "kdns.transport*"),
        "a plugin knows the shape and the nouns, never another plugin",
    ),
    ("kdns.up", ("kdns", "kdns.errors"), "the demo starts processes; it is none of them"),
    ("kdns.*", ("kdns*",), "the shell that ties things together"),
    ("ipamd.model", ("ipamd.errors", "ipamd.ranges", "ipamd.json"), "values"),
    ("ipamd.*", ("ipamd*",), "never kdns: the two meet at the Kubernetes protocol"),
    ("ipamd", (), "the version, and nothing else"),
]  # fmt: skip

# Modules without I/O: no event loop, socket, clock or disk.
PURE = (
    "kdns.errors", "kdns.chain", "kdns.block", "kdns.memo", "kdns.wire*", "kdns.cluster*", "kdns.zone*",
    "kdns.corefile*", "kdns.rewriting*", "kdns.expression*", "kdns.templating*",
    "ipamd.model", "ipamd.ranges", "ipamd.freesets", "ipamd.allocator",
    "ipamd.endpoints", "ipamd.selectors", "ipamd.patch",
)  # fmt: skip

# Imports inside functions, each with its reason.
LAZY = {
    "kdns.__main__": "`-version` and `-plugins` answer at once, without loading the server",
    "ipamd.__main__": "`--version` answers at once, without loading the server",
    "ipamd.ctl.__main__": "a command loads what it needs: tables and YAML are slow to import",
    "ipamd.ctl.output": "rich is only loaded for a terminal that wants it",
    "ipamd.ctl.apply": "rich and YAML are only loaded where they are used",
    "ipamd.ctl.manifests": "YAML is only loaded where it is used",
}

# The places of `except Exception`: round one query, round one HTTP request, round one caller's part of a transaction.
CATCH_ALL = {"kdns.answer", "ipamd.http.server", "ipamd.stores.sqlite"}


def module(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


OURS = {module(path) for path in SOURCES}


def imported(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node, whole if whole in OURS else node.module


def functions(path: Path) -> list[FUNCTION]:
    return [node for node in ast.walk(TREES[path]) if isinstance(node, FUNCTION)]


def depth(node: ast.AST) -> int:
    below = max((depth(child) for child in ast.iter_child_nodes(node) if not isinstance(child, FUNCTION)), default=0)
    if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        return max(1 + max(map(depth, node.body)), depth(node.orelse[0]))
    return below + isinstance(node, BLOCK)


def ident(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_source = pytest.mark.parametrize("path", SOURCES, ids=ident)
each_plugin = pytest.mark.parametrize("path", PLUGINS, ids=ident)
each_test = pytest.mark.parametrize("path", TESTS, ids=ident)


@each_source
def test_imports_go_the_allowed_way(path: Path) -> None:
    name = module(path)
    allowed, why = next((row[1], row[2]) for row in DIRECTIONS if fnmatch(name, row[0]))
    for _, target in imported(path):
        if target.split(".")[0] in ("kdns", "ipamd"):
            assert any(fnmatch(target, pattern) for pattern in allowed), f"{name} imports {target}: {why}"


@each_source
def test_pure_modules_do_no_io(path: Path) -> None:
    if any(fnmatch(module(path), pattern) for pattern in PURE):
        assert not {target.split(".")[0] for _, target in imported(path)} & IO


@each_source
def test_imports_stand_at_the_top(path: Path) -> None:
    inner = [node for function in functions(path) for node in ast.walk(function)]
    lazy = any(isinstance(node, ast.Import | ast.ImportFrom) for node in inner)
    assert not lazy or module(path) in LAZY
    assert "TYPE_CHECKING" not in path.read_text()


@each_source
def test_things_are_of_a_readable_size(path: Path) -> None:
    assert path.read_text().count("\n") <= (MAX_PLUGIN if path in PLUGINS else MAX_MODULE)
    for function in functions(path):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= MAX_FUNCTION, f"{function.name} has {lines} lines"
        assert depth(function) <= MAX_NESTING, f"{function.name} nests {depth(function)} deep"


@each_source
def test_exceptions_are_defined_in_one_module_a_package(path: Path) -> None:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ClassDef) and path.stem != "errors":
            assert not any(re.search(r"(Error|Exception)$", ast.unparse(base)) for base in node.bases), node.name


@each_source
def test_everything_is_caught_in_three_places_only(path: Path) -> None:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) == "Exception"):
            assert module(path) in CATCH_ALL, f"line {node.lineno}"


@each_source
def test_modules_and_public_names_say_what_they_are(path: Path) -> None:
    assert ast.get_docstring(TREES[path])
    for node in TREES[path].body:
        if isinstance(node, (*FUNCTION.__args__, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


@each_source
def test_names_say_something(path: Path) -> None:
    forbidden = {"util", "utils", "helper", "helpers", "common", "base", "manager", "misc"}
    assert not forbidden & set(path.relative_to(ROOT).with_suffix("").parts)
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text())


@each_plugin
def test_a_plugin_has_the_plugins_shape(path: Path) -> None:
    assert path.stem in ORDER
    setup = next(
        (node for node in TREES[path].body if isinstance(node, ast.FunctionDef) and node.name == "setup"), None
    )
    assert setup is not None
    assert [argument.arg for argument in setup.args.args] == ["args"]
    assert "Syntax:" in (ast.get_docstring(TREES[path]) or "")
    assert (ROOT / f"tests/kdns/plugins/test_{path.stem}.py").exists()


@each_test
def test_tests_are_real(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\bunittest\.mock\b|\bMagicMock\b|\.setattr\([a-z_.]+, \"[a-z]", text)
    assert not re.search(r"\bpytest\.(skip|mark\.(skip|skipif|xfail))\b", text) or path == Path(__file__)
    assert not re.search(r"\btime\.sleep\(|\basyncio\.sleep\((?!0\))", text) or path == Path(__file__)


def test_both_packages_meet_only_at_the_protocol() -> None:
    for path in SOURCES:
        other = "ipamd" if module(path).startswith("kdns") else "kdns"
        assert not any(target.split(".")[0] == other for _, target in imported(path)), path
