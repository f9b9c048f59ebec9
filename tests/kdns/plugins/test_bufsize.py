"""bufsize: a lower UDP size for everybody."""

import pytest

from kdns.chain import Keep, Reply, Request
from kdns.errors import ConfigError
from kdns.plugins import bufsize
from kdns.wire.edns import Edns
from tests.kdns.asking import args, ask, question


@pytest.mark.parametrize(
    ("directive", "offered", "seen", "bound"),
    [
        ("bufsize", 4096, 1232, 1232),
        ("bufsize 512", 4096, 512, 512),
        ("bufsize 4096", 65535, 4096, 4096),
        ("bufsize", 1232, 1232, 0),
        ("bufsize", 100, 100, 0),
        ("bufsize", None, None, 0),
    ],
)
def test_lowers_the_size_for_the_plugins_below_and_for_the_reply(
    directive: str, offered: int | None, seen: int | None, bound: int
) -> None:
    offers: list[Edns | None] = []

    def below(asked: Request) -> Reply:
        offers.append(asked.question.edns)
        return Reply(keep=Keep())

    opt = None if offered is None else Edns(offered, b"\0\3\0\0")
    reply = ask(bufsize.setup(args(directive)), question("www.example.org. A", edns=opt), rest=below)

    assert offers == [None if seen is None else Edns(seen, b"\0\3\0\0")]
    assert reply == Reply(bound=bound, keep=Keep())


def test_the_lowest_of_several_bounds_holds() -> None:
    asked = question("www.example.org. A", edns=Edns(4096))

    assert ask(bufsize.setup(args("bufsize 1000")), asked, rest=Reply(bound=600)).bound == 600


@pytest.mark.parametrize("directive", ["bufsize 511", "bufsize 4097", "bufsize abc", "bufsize 512 512"])
def test_refuses_sizes_out_of_bounds(directive: str) -> None:
    with pytest.raises(ConfigError, match="Wrong argument count or unexpected line ending"):
        bufsize.setup(args(directive))
