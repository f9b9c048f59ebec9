"""What all tests share: servers in processes of their own, stopped when the test is over."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.kdns.server import Kdns

settings.register_profile("unhurried", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("unhurried")


@pytest.fixture
def kdns(tmp_path: Path) -> Iterator[Callable[[str], Kdns]]:
    """A function that starts a server on a Corefile and returns it."""
    made: list[Kdns] = []

    def start(corefile: str, *flags: str) -> Kdns:
        directory = tmp_path / str(len(made))
        directory.mkdir()
        made.append(Kdns(directory, corefile))
        made[-1].start(*flags)
        return made[-1]

    yield start
    for each in made:
        each.stop()
        assert "Traceback" not in each.output.read_text()
