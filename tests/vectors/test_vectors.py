"""Every vector that kdns claims, against a running kdns; what is not claimed stands in `suites`, with the reason."""

from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from kdns.plugins import ORDER
from tests.vectors import configuring, runner, suites
from tests.vectors.suites import HELD_WRONG, VENDOR_CLOUDS, Vector

OfSuite = Callable[[str], dict[str, list[str]]]

KNOWN = suites.vectors()
CLAIMED = [vector for vector in KNOWN if not vector.why_not]


def each(vectors: Sequence[Vector]) -> pytest.MarkDecorator:
    """A test for every vector, or one for there being none."""
    return pytest.mark.parametrize("vector", vectors or [None], ids=lambda vector: vector.id if vector else "none")


@pytest.fixture(scope="module")
def of_suite(tmp_path_factory: pytest.TempPathFactory) -> OfSuite:
    """The differences of a suite's vectors by ID: the suite is run once, when the first of them is asked for."""

    @cache
    def run(suite: str) -> dict[str, list[str]]:
        directory = tmp_path_factory.mktemp("vectors")
        mine = [vector for vector in CLAIMED if vector.suite == suite]
        served = [vector for vector in mine if vector.level == "query"]
        read = [vector for vector in mine if vector.level != "query"]
        return runner.run(served, directory / "served") | configuring.run(read, directory / "read")

    return run


@each([vector for vector in CLAIMED if vector.id not in HELD_WRONG])
def test_the_vector_holds(vector: Vector | None, of_suite: OfSuite) -> None:
    if vector is None:
        assert suites.folder() is None
        return
    assert of_suite(vector.suite)[vector.id] == []


@each([vector for vector in CLAIMED if vector.id in HELD_WRONG])
def test_a_vector_held_to_be_wrong_differs_in_what_it_is_held_for(vector: Vector | None, of_suite: OfSuite) -> None:
    if vector is None:
        assert suites.folder() is None
        return
    found = of_suite(vector.suite)[vector.id]
    assert found
    assert all(HELD_WRONG[vector.id].shows in each for each in found), found


def test_every_vector_held_to_be_wrong_is_there() -> None:
    assert suites.folder() is None or HELD_WRONG.keys() <= {vector.id for vector in KNOWN}


def test_no_two_vectors_share_an_id() -> None:
    assert len({vector.id for vector in KNOWN}) == len(KNOWN)


def test_without_a_folder_there_are_no_vectors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KDNS_VECTORS", str(tmp_path))
    assert suites.folder() is None
    assert suites.vectors() == []


def test_the_plugins_not_claimed_are_those_that_are_not_there() -> None:
    missing = {name for name in ORDER if find_spec(f"kdns.plugins.{name}") is None}
    assert missing == VENDOR_CLOUDS
