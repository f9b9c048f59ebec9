"""Stories: text files in which a cluster changes and its names are asked for.

Paragraphs, separated by blank lines, are told apart by how they begin:

    $ COMMAND            run with kubectl and ipamctl at hand; the lines below are what it prints, `...` any text
    apiVersion: ...      a manifest that is applied
    ? NAME TYPE          a question; below it the reply: RCODE and flags, the answer's records as zone-file text,
                         then lines `authority OWNER TYPE` and `additional RECORD`; the order within does not count
    anything else        is for the reader
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kdns.wire import codes, message, names, records
from kdns.wire.records import RR, Message

FLAGS = {"aa": codes.AA, "tc": codes.TC, "ra": codes.RA}


class Step(NamedTuple):
    """One paragraph: what kind it is, what is done, and the lines that are expected; where it stands, for failures."""

    kind: str  # command, manifest or question
    text: str
    expected: tuple[str, ...]
    place: str


def read(path: Path) -> list[Step]:
    """The steps of a story in their order."""
    steps = []
    line = 1
    for paragraph in path.read_text().split("\n\n"):
        step = _step(paragraph.strip("\n"), f"{path.name}:{line}")
        if step is not None:
            steps.append(step)
        line += paragraph.count("\n") + 2
    return steps


def _step(paragraph: str, place: str) -> Step | None:
    head, *below = paragraph.split("\n")
    if head.startswith("$ "):
        return Step("command", head[2:], tuple(below), place)
    if head.startswith("? "):
        return Step("question", head[2:], tuple(below), place)
    if head.startswith("apiVersion:"):
        return Step("manifest", paragraph, (), place)
    return None


def shown(reply: Message) -> list[str]:
    """A reply as the lines of a story, the first one first and the others sorted."""
    flags = [name for name, bit in FLAGS.items() if reply.flags & bit]
    answer = [message.to_text(rr) for rr in reply.answer]
    authority = [f"authority {names.show(records.owner(rr))} {_kind(rr)}" for rr in reply.authority]
    additional = [f"additional {message.to_text(rr)}" for rr in reply.additional]
    return [" ".join([codes.rcode_name(reply.rcode), *flags]), *sorted([*answer, *authority, *additional])]


def wanted(step: Step) -> list[str]:
    """The expected lines of a question in the same order."""
    head, *others = step.expected
    return [head, *sorted(" ".join(line.split()) for line in others)]


def is_as(said: Sequence[str], expected: Sequence[str]) -> bool:
    """Whether the lines are those that are expected; `...` stands for any text within a line."""
    patterns = [re.escape(line).replace(re.escape("..."), ".*") for line in expected]
    return len(said) == len(expected) and all(map(re.fullmatch, patterns, said))


def _kind(rr: RR) -> str:
    return codes.type_name(records.rtype(rr))
