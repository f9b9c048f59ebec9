"""Which server block answers: against a model that works on lists of labels, and case by case."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.block import Block, Blocks, choose
from kdns.chain import Handler, Reply, Request
from kdns.wire import codes, names
from tests.kdns.asking import request


async def answer(asked: Request) -> Reply:
    """Any chain: `choose` never asks it."""
    return Reply()


def blocks(*found: Block) -> Blocks:
    zones = {block.zone for block in found}
    return {zone: tuple(block for block in found if block.zone == zone) for zone in zones}


def block(
    zone: str, view: str = "", admits: Callable[[Request], bool] | None = None, handler: Handler | None = answer
) -> Block:
    return Block(names.parse(zone), handler, view, admits)


def chosen(found: Sequence[Block], asked: str) -> str | None:
    """The zone, and the view if it has one, of the block that answers."""
    picked = choose(blocks(*found), request(asked))
    return None if picked is None else names.show(picked.zone) + picked.view


ZONES = [block("."), block("example.org."), block("sub.example.org."), block("net.")]


@pytest.mark.parametrize(
    ("asked", "zone"),
    [
        ("example.org. A", "example.org."),
        ("WWW.Example.ORG. A", "example.org."),
        ("a.b.sub.example.org. A", "sub.example.org."),
        ("badexample.org. A", "."),  # a zone matches whole labels
        ("org. A", "."),
        (". NS", "."),
        ("sub.example.org. DS", "example.org."),  # the parent side of the cut answers
        ("www.sub.example.org. DS", "example.org."),
        ("example.org. DS", "example.org."),  # the root only where nothing else matches
        ("net. DS", "net."),
        ("com. DS", "."),
    ],
)
def test_the_longest_zone_answers_and_for_ds_the_shortest_but_the_root(asked: str, zone: str) -> None:
    assert chosen(ZONES, asked) == zone


def test_without_a_zone_nobody_answers() -> None:
    assert chosen([block("example.org.")], "example.net. A") is None
    assert chosen([], ". NS") is None


def yes(asked: Request) -> bool:
    return True


def no(asked: Request) -> bool:
    return False


@pytest.mark.parametrize(
    ("found", "answered_by"),
    [
        ([block("a.", "1", yes), block("a.", "2", yes), block("a.")], "a.1"),
        ([block("a.", "1", no), block("a.", "2", yes), block("a.")], "a.2"),
        ([block("a.", "1", no), block("a.", "2", no), block("a.")], "a."),
        ([block("a."), block("a.", "1", yes)], "a."),
        ([block("a.", "1", no), block(".")], "."),  # no view admits: a shorter zone does
        ([block("a.", "1", no)], None),
        ([block("a.", handler=None), block("a.", "1", yes)], "a."),  # a block without plugins stands: REFUSED
    ],
)
def test_of_several_blocks_the_first_view_that_admits_the_query_answers(
    found: list[Block], answered_by: str | None
) -> None:
    assert chosen(found, "www.a. A") == answered_by


def test_a_view_sees_its_own_name_and_zone() -> None:
    seen: list[tuple[bytes, str]] = []

    def admits(asked: Request) -> bool:
        seen.append((asked.zone, asked.view))
        return True

    chosen([block("a.", "inside", admits)], "www.a. A")

    assert seen == [(names.parse("a."), "inside")]


LABELS = st.sampled_from([b"a", b"b", b"\x01a", b"ab", b"a.b"])  # some that look like others when joined
NAMES = st.lists(LABELS, max_size=4)


@given(st.lists(NAMES, unique_by=tuple), NAMES, st.sampled_from([codes.A, codes.DS]))
def test_agrees_with_a_search_through_lists_of_labels(zones: list[list[bytes]], name: list[bytes], qtype: int) -> None:
    matching = sorted(
        (zone for zone in zones if name[len(name) - len(zone) :] == zone and len(zone) <= len(name)), key=len
    )
    wanted = matching[-1] if matching else None
    if qtype == codes.DS and wanted:
        wanted = matching[1] if not matching[0] else matching[0]
    found = blocks(*[Block(names.join(zone), answer) for zone in zones])

    picked = choose(found, request(". A").asking(names.join(name), qtype))

    assert (None if picked is None else picked.zone) == (None if wanted is None else names.join(wanted))
