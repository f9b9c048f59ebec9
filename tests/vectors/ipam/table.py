"""Vectors of IPAM as they lie in their folder: `ipam/SUITE.json` holds a list of rows for every behaviour.

The folder is that of `tests.vectors.suites`; where there is none, there are no rows.
"""

import json
from typing import Any

import pytest

from tests.vectors.suites import folder

Row = dict[str, Any]


def rows(suite: str, behaviour: str) -> list[Row]:
    """The rows of a behaviour, none without a folder."""
    place = folder()
    file = None if place is None else place / "ipam" / f"{suite}.json"
    return json.loads(file.read_text())[behaviour] if file is not None and file.exists() else []


def each(suite: str, behaviour: str) -> pytest.MarkDecorator:
    """A test for every row, under the argument `row`; without a folder one test of the row None."""
    found: list[Row | None] = [*rows(suite, behaviour)]
    return pytest.mark.parametrize("row", found or [None], ids=range(max(1, len(found))))
