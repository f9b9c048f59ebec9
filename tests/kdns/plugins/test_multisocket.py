"""multisocket: how many sockets an address gets."""

import os

import pytest

from kdns.errors import ConfigError
from kdns.plugins import multisocket
from tests.kdns.asking import args


@pytest.mark.parametrize(("directive", "sockets"), [("multisocket 1", 1), ("multisocket 1024", 1024)])
def test_is_the_number_of_sockets(directive: str, sockets: int) -> None:
    assert multisocket.setup(args(directive)).sockets == sockets


def test_without_a_number_it_is_that_of_the_processors() -> None:
    assert multisocket.setup(args("multisocket")).sockets == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("multisocket text", "invalid num sockets: strconv.Atoi"),
        ("multisocket 0", "num sockets can not be zero or negative: 0"),
        ("multisocket -1", "num sockets can not be zero or negative: -1"),
        ("multisocket 1025", r"num sockets exceeds maximum \(1024\): 1025"),
        ("multisocket 2 2", "Wrong argument count or unexpected line ending after '2'"),
        ("multisocket 2 {\n}", r"Unexpected token '\{', expecting argument"),
        ("multisocket 2\nmultisocket 2", "Wrong argument count"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        multisocket.setup(args(directive))
