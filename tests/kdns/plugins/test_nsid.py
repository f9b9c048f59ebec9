"""nsid: the server's name for those who ask for it."""

import platform

import pytest

from kdns.chain import Keep, Reply
from kdns.errors import ConfigError, NoAnswer
from kdns.plugins import nsid
from kdns.wire import edns
from kdns.wire.edns import Edns
from tests.kdns.asking import args, ask, question

ASKING = question("www.example.org. A", edns=Edns(1232, edns.pack_options([(edns.NSID, b"")])))
COOKIE = (edns.COOKIE, b"12345678")


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (None, [(edns.NSID, b"ns 1")]),
        (Edns(4096), [(edns.NSID, b"ns 1")]),
        (Edns(4096, edns.pack_options([COOKIE])), [COOKIE, (edns.NSID, b"ns 1")]),
        (Edns(4096, edns.pack_options([(edns.NSID, b"upstream"), COOKIE])), [(edns.NSID, b"ns 1"), COOKIE]),
    ],
)
def test_says_its_name(given: Edns | None, options: list[tuple[int, bytes]]) -> None:
    reply = ask(nsid.setup(args("nsid ns 1")), ASKING, rest=Reply(edns=given))

    assert reply.edns is not None
    assert list(edns.each_option(reply.edns.options)) == options


def test_an_opt_record_of_its_own_has_the_clients_size() -> None:
    assert ask(nsid.setup(args("nsid a")), ASKING, rest=Reply()).edns == Edns(1232, b"\0\3\0\1a", edns.DO)


def test_without_a_word_its_name_is_that_of_the_host() -> None:
    reply = ask(nsid.setup(args("nsid")), ASKING, rest=Reply())

    assert reply.edns is not None
    assert edns.option(reply.edns.options, edns.NSID) == platform.node().encode()


@pytest.mark.parametrize("opt", [None, Edns(1232), Edns(1232, edns.pack_options([COOKIE]))])
def test_who_does_not_ask_is_not_told(opt: Edns | None) -> None:
    below = Reply(edns=Edns(4096), keep=Keep())

    assert ask(nsid.setup(args("nsid a")), question("www.example.org. A", edns=opt), rest=below) == below


def test_a_failure_passes() -> None:
    with pytest.raises(NoAnswer):
        ask(nsid.setup(args("nsid a")), ASKING)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nsid a\nnsid b", "this plugin can only be used once per Server Block"),
        ("nsid a {\n b\n}", "Unexpected token '{'"),
    ],
)
def test_stands_once_in_a_block_and_has_no_properties(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        nsid.setup(args(text))
