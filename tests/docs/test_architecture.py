"""What docs/architecture.md names is there: every module, every function."""

import ast
import re

import pytest

from tests.docs.fences import DOCUMENTS, ROOT

TEXT = "\n".join((ROOT / document).read_text() for document in DOCUMENTS)
NAMED = sorted(set(re.findall(r"`((?:kdns|ipamd|tests)/[a-z0-9_/]*(?:\.py)?)(?::([\w.]+))?`", TEXT)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_module_or_function_that_is_named_is_there(path: str, name: str) -> None:
    assert (ROOT / path).exists()
    body: list[ast.stmt] = ast.parse((ROOT / path).read_text()).body if name else []
    for part in name.split(".") if name else ():
        kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        (found,) = [node for node in body if isinstance(node, kinds) and node.name == part]
        body = found.body


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text()):
            assert ((ROOT / document).parent / target).exists(), f"{document}: {target}"
