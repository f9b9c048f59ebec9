"""Tokens to server blocks."""

from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.corefile import Files, ServerBlock, parse
from kdns.errors import ConfigError

KNOWN = ("whoami", "log", "forward", "hosts", "errors")


class Disk:
    """Files by path, as imports see them."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self.warnings: list[str] = []

    def read(self, path: str) -> str:
        if self._files[path] == "(directory)":
            raise IsADirectoryError(path)
        if self._files[path] == "(locked)":
            raise PermissionError(13, "Permission denied")
        return self._files[path]

    def glob(self, pattern: str) -> list[str]:
        before, star, after = pattern.partition("*")
        return sorted(
            path
            for path in self._files
            if path == pattern or (star and path.startswith(before) and path.endswith(after))
        )


def blocks(
    text: str,
    files: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    disk: Disk | None = None,
) -> tuple[ServerBlock, ...]:
    disk = disk or Disk(files or {})
    return parse(text, "/etc/Corefile", KNOWN, environ or {}, Files(disk.read, disk.glob, disk.warnings.append))


def shape(found: tuple[ServerBlock, ...]) -> list[tuple[list[str], dict[str, str]]]:
    """Blocks as plain values: keys, and the words of each directive."""
    return [
        (
            [key.text for key in block.keys],
            {name: " ".join(token.text for token in tokens) for name, tokens in block.directives.items()},
        )
        for block in found
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("# nothing\n", []),
        (".", [(["."], {})]),
        (".\nwhoami", [(["."], {"whoami": "whoami"})]),  # the last block needs no braces
        (". {\n}\n", [(["."], {})]),
        (".\n{\nwhoami\n}", [(["."], {"whoami": "whoami"})]),
        (". { whoami\n}", [(["."], {"whoami": "whoami"})]),
        ("a b:53, c,\nd {\n}\n", [(["a", "b:53", "c", "d"], {})]),
        ("a,b {\n}\n", [(["a,b"], {})]),  # a comma parts keys at the end of a word only
        ("a {\n}\nb {\n}\n", [(["a"], {}), (["b"], {})]),
        (". {\n}\n}\n", [(["."], {}), (["}"], {})]),  # a stray brace is a key
        (
            ". {\n log a {\n  class all\n }\n whoami\n log b\n}",
            [(["."], {"log": "log a { class all } log b", "whoami": "whoami"})],
        ),
        (". {\n log\n {\n  x\n }\n}", [(["."], {"log": "log { x }"})]),
        ('"a b" {\n}', [(["a b"], {})]),
        ("{\nwhoami\n}", [([""], {"whoami": "whoami"})]),  # the root, on the port of the command line
    ],
)
def test_blocks_have_keys_and_directives(text: str, found: list[tuple[list[str], dict[str, str]]]) -> None:
    assert shape(blocks(text)) == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (". {\n nosuch\n}", "/etc/Corefile:2 - Error during parsing: Unknown directive 'nosuch'"),
        (". {\n WHOAMI\n}", "/etc/Corefile:2 - Error during parsing: Unknown directive 'WHOAMI'"),
        (
            "a, {\n}",
            "/etc/Corefile:1 - Error during parsing: Expected another address but had '{' - check for extra comma",
        ),
        ("a,", "/etc/Corefile:1 - Error during parsing: Unexpected EOF"),
        (". {\n whoami\n", "/etc/Corefile:2 - Syntax error: Unexpected token 'whoami', expecting '}'"),
        (". {\n log {\n  class all\n", "/etc/Corefile:3 - Error during parsing: Unexpected EOF"),
        (
            ". {\n whoami }\n",
            "/etc/Corefile:2 - Error during parsing: Unexpected '}' because no matching opening brace",
        ),
        ("a\nb\n", "/etc/Corefile:2 - Error during parsing: Unknown directive 'b'"),
        ("(s)\n. {\n}\n", "/etc/Corefile:2 - Syntax error: Unexpected token '.', expecting '{'"),
        ("(s) {\n whoami\n", "/etc/Corefile:2 - Syntax error: Unexpected token 'whoami', expecting '}'"),
        (
            "(s) {\n}\n(s) {\n}\n",
            "/etc/Corefile:3 - Error during parsing: redeclaration of previously declared snippet s",
        ),
        (". {\n import\n}", "/etc/Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending"),
        ('. {\n import ""\n}', "/etc/Corefile:2 - Error during parsing: Import requires a non-empty filepath"),
        (
            ". {\n import a b\n}",
            "/etc/Corefile:2 - Error during parsing: Import takes only one argument (glob pattern or file)",
        ),
        (". {\n import a\n}", "/etc/Corefile:2 - Error during parsing: File to import not found: a"),
        (
            ". {\n import *a*\n}",
            "Corefile:2 - Error during parsing: Glob pattern may only contain one wildcard (*), but has others: *a*",
        ),
        (". {\n import ?a?\n}", "Glob pattern may only contain one wildcard (*), but has others: ?a?"),
        (". {\n import [ab]\n}", "Glob pattern may only contain one wildcard (*), but has others: [ab]"),
        (
            ". {\n import conf.d\n}",
            "/etc/Corefile:2 - Error during parsing: Could not import /etc/conf.d: is a directory",
        ),
        (
            ". {\n import locked\n}",
            "/etc/Corefile:2 - Error during parsing: Could not import locked: Permission denied",
        ),
        ("(s) {\n import s\n}\n. {\n import s\n}", "maximum snippet import depth (10000) exceeded"),
        ("import loop", "maximum file import depth (10000) exceeded"),
        ("{$SELF} {\n}", "environment variables that name each other in '{$SELF}'"),
        ("{$TWICE} {\n}", "environment variables that name each other in '{$TWICE}'"),
    ],
)
def test_says_where_and_what_is_wrong(text: str, complaint: str) -> None:
    files = {"/etc/conf.d": "(directory)", "/etc/locked": "(locked)", "/etc/loop": "import loop\nimport loop\n"}

    with pytest.raises(ConfigError) as refused:
        blocks(text, files, {"SELF": "{$SELF}", "TWICE": "{$TWICE}{$TWICE}"})

    assert complaint in str(refused.value)


IMPORTED = [(["a"], {"whoami": "whoami", "log": "log x"}), (["b"], {"errors": "errors"})]


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("(s) {\n whoami\n log x\n}\na {\n import s\n}\nb {\n errors\n}", {}),
        ("(s) {\n log x\n}\n(t) {\n whoami\n import s\n}\na {\n import t\n}\nb {\n errors\n}", {}),
        ("a {\n import f\n}\nb {\n errors\n}", {"/etc/f": "whoami\nlog x\n"}),
        ("a {\n import /etc/f\n}\nb {\n errors\n}", {"/etc/f": "whoami\nlog x"}),
        ("a {\n import d/f\n}\nb {\n errors\n}", {"/etc/d/f": "whoami\nimport g\n", "/etc/d/g": "log x\n"}),
        ("a {\n import d/*.conf\n}\nb {\n errors\n}", {"/etc/d/2.conf": "log x", "/etc/d/1.conf": "whoami"}),
        ("import f\nb {\n errors\n}", {"/etc/f": "a {\n whoami\n log x\n}\n"}),
        ("import *.server", {"/etc/1.server": "a {\n whoami\n log x\n}", "/etc/2.server": "b {\n errors\n}"}),
        ("import keys", {"/etc/keys": "a {\n whoami\n import rest\n}\nb {\n errors\n}\n", "/etc/rest": "log x"}),
        ("(s) {\n whoami\n log x\n}\na {\n import s\n}\nb {\n errors\n}", {"/etc/s": "errors\n"}),  # snippets first
    ],
)
def test_imports_stand_for_what_they_import(text: str, files: dict[str, str]) -> None:
    assert shape(blocks(text, files)) == IMPORTED


def test_lines_within_a_plugins_block_can_be_imported() -> None:
    found = blocks("(h) {\n 192.0.2.1 a\n}\n. {\n hosts {\n  import h\n  fallthrough\n }\n}")

    assert shape(found) == [(["."], {"hosts": "hosts { 192.0.2.1 a fallthrough }"})]


def test_a_snippet_is_known_below_its_definition_only() -> None:
    with pytest.raises(ConfigError, match="File to import not found: s"):
        blocks("a {\n import s\n}\n(s) {\n whoami\n}")


def test_a_glob_that_matches_nothing_is_a_warning() -> None:
    disk = Disk({})

    assert shape(blocks(". {\n import custom/*.override\n whoami\n}", disk=disk)) == [(["."], {"whoami": "whoami"})]
    assert disk.warnings == ["No files matching import glob pattern: custom/*.override"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{$ZONE} {%ZONE%}:53 {\n}", [(["a.test", "a.test:53"], {})]),
        ("{$UNSET} b {\n}", [(["b"], {})]),  # an empty key is none
        (". {\n {$PLUGIN} x{$ZONE}{%ZONE%}y\n}", [(["."], {"log": "log xa.testa.testy"})]),
        (". {\n log {$} {$WORDS} {$UNSET}\n}", [(["."], {"log": "log {$} two words "})]),
        (". {\n log {$NESTED} {$OPEN\n}", [(["."], {"log": "log a.test {$OPEN"})]),
        (". {\n log {$BRACE}\n}", [(["."], {"log": "log {"})]),  # no block is opened
        ("(s) {\n log {$ZONE}\n}\n. {\n import s\n}", [(["."], {"log": "log a.test"})]),
        (". {\n log {{$ZONE}} {{ $ZONE }}\n}", [(["."], {"log": "log {a.test} {{ $ZONE }}"})]),
    ],
)
def test_environment_variables_are_filled_in(text: str, found: list[tuple[list[str], dict[str, str]]]) -> None:
    environ = {"ZONE": "a.test", "PLUGIN": "log", "WORDS": "two words", "NESTED": "{$ZONE}", "BRACE": "{"}

    assert shape(blocks(text, environ=environ)) == found


def test_the_path_of_an_import_may_be_a_variable() -> None:
    found = blocks(". {\n import {$DIR}/f\n}", {"/conf/f": "whoami"}, {"DIR": "/conf"})

    assert shape(found) == [(["."], {"whoami": "whoami"})]


PIECES = st.sampled_from(
    [".", "a:53", ",", "{", "}", "#", '"', "import", "(s)", "s", "f", "*.c", "{$A}", "whoami", "\n", " {\n", "}\n"]
)


@given(st.lists(PIECES, max_size=30).map(" ".join) | st.text(max_size=60))
def test_any_text_is_a_corefile_or_a_config_error(text: str) -> None:
    files = {"/etc/f": "whoami\nimport g", "/etc/g": "log {\n", "/etc/a.c": "b {\nimport s\n}", "/etc/b.c": "}"}
    with suppress(ConfigError):
        blocks(text, files, {"A": "{%B%}", "B": "x {"})


@given(st.lists(st.sampled_from(["a", "b.test", "c:53"]), min_size=1), st.lists(st.sampled_from(KNOWN)))
def test_white_space_and_comments_do_not_matter(keys: list[str], directives: list[str]) -> None:
    tight = f"{' '.join(keys)} {{\n" + "".join(f"{name} x\n" for name in directives) + "}\n"
    loose = f"# c\n\n{', '.join(keys)}  {{ # c\n" + "".join(f"\t{name}  x # c\n\n" for name in directives) + " }\n#"

    assert shape(blocks(tight)) == shape(blocks(loose))


def test_the_brace_of_a_last_directive_s_block_ends_the_server_block_too() -> None:
    text = ". {\n log {\n  class all\n }\n"
    assert [token.text for token in blocks(text)[0].directives["log"]] == ["log", "{", "class", "all", "}"]
