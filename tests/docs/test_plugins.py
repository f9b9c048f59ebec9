"""docs/plugins.md has every plugin that kdns has, each with its syntax and an example, and names those that it has not.

A new plugin needs a row in the table, a section with the syntax as its module has it, and a Corefile (which another
test starts); and it leaves the list of those that are refused.
"""

import re
import textwrap

import pytest

from kdns.plugins import ORDER
from tests.docs.fences import ROOT

HEAD, *SECTIONS = re.split(r"(?m)^## ", (ROOT / "docs/plugins.md").read_text())
SECTION = {section.split("\n", 1)[0]: section for section in SECTIONS}
PLUGINS = sorted(path.stem for path in (ROOT / "kdns/plugins").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_has_a_row_and_a_section_with_its_syntax_and_an_example(plugin: str) -> None:
    behind = (ROOT / f"kdns/plugins/{plugin}.py").read_text().split('"""')[1].split("Syntax:\n")[1]
    lines = re.match(r"(?:    .*\n|\n)+", behind)
    assert lines is not None
    syntax = textwrap.dedent(lines[0]).strip("\n")

    assert f"| [{plugin}](#{plugin}) |" in HEAD
    assert f"```\n{syntax}\n```" in SECTION[plugin]
    assert "```corefile\n" in SECTION[plugin]


def test_the_sections_stand_in_the_order_of_the_chain() -> None:
    assert list(SECTION) == [name for name in ORDER if name in PLUGINS]


def test_the_directives_that_are_refused_are_named() -> None:
    (listed,) = re.findall(r"(?m)^refused: (.*)\.$", HEAD)
    assert listed.split(", ") == sorted(set(ORDER) - set(PLUGINS))
