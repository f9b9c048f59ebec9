"""The fenced blocks of the documentation, and what their commands print compared with what stands below them."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"(?m)^```(\w*)\n(.*?)^```$", re.DOTALL)
CHANGING = re.compile(r"[0-9a-f]*\d[0-9a-f.:/-]*")  # addresses, ages, counts, uids, ids


class Fence(NamedTuple):
    """A fenced block: its language, its text, and the line on which its text begins."""

    language: str
    text: str
    line: int


def fences(document: str) -> list[Fence]:
    """All fenced blocks of a document in their order."""
    text = (ROOT / document).read_text()
    return [Fence(found[1], found[2], text.count("\n", 0, found.start(2)) + 1) for found in FENCE.finditer(text)]


def commands(document: str) -> Iterator[tuple[Fence, Fence | None]]:
    """Every block of shell commands, with the block of output that follows it, if any."""
    found = fences(document)
    for here, following in pairwise([*found, None]):
        if here.language == "sh":
            is_output = following is not None and following.language in ("text", "json")
            yield here, following if is_output else None


def check_output(said: str, shown: Fence) -> None:
    """Fail unless what was said is what is shown, but for what changes from run to run; `...` stands for any lines."""
    if shown.language == "json":
        assert masked_json(json.loads(said)) == masked_json(json.loads(shown.text)), said
        return
    want, have = masked_lines(shown.text), masked_lines(said)
    if "..." not in want:
        assert have == want, said
    assert {line for line in want if line != "..."} <= set(have), said


def masked_lines(text: str) -> list[str]:
    """The lines without what changes, in an order that does not (answers are in any)."""
    return sorted(" ".join(CHANGING.sub("#", line).split()) for line in text.splitlines())


def masked_json(value: Any) -> Any:
    """A decoded document without what changes."""
    if isinstance(value, dict):
        return {key: masked_json(member) for key, member in value.items()}
    if isinstance(value, list):
        return [masked_json(item) for item in value]
    return CHANGING.sub("#", value) if isinstance(value, str) else type(value)
