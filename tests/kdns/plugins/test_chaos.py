"""chaos: what the server says of itself in class CH."""

import platform
from random import Random

import pytest

from kdns import VERSION
from kdns.chain import Keep, Reply
from kdns.errors import ConfigError
from kdns.plugins import chaos
from kdns.plugins.chaos import Chaos
from kdns.wire import codes, message, records
from tests.kdns.asking import args, ask, question


def said(directive: str, name: str) -> list[str]:
    reply = ask(chaos.setup(args(directive)), question(f"{name} TXT", qclass=codes.CH))
    assert {message.to_text(rr).split(" TXT ")[0] for rr in reply.answer} == {f"{name} 0 CH"}
    return sorted(message.rdata_text(codes.TXT, records.rdata(rr)) for rr in reply.answer)


@pytest.mark.parametrize(
    ("directive", "name", "texts"),
    [
        ("chaos", "version.bind.", [f'"kdns-{VERSION}"']),
        ("chaos kdns-9", "version.bind.", ['"kdns-9"']),
        ("chaos kdns-9", "Version.Server.", ['"kdns-9"']),
        ("chaos kdns-9 a@example.org b b", "version.bind.", ['"kdns-9"']),
        ("chaos kdns-9 a@example.org b b", "authors.bind.", ['"a@example.org"', '"b"']),
        ("chaos", "authors.bind.", ['"the kdns authors"']),
        ("chaos", "hostname.bind.", [f'"{platform.node()}"']),
        ("chaos", "id.server.", [f'"{platform.node()}"']),
        (f"chaos {'v' * 300}", "version.bind.", [f'"{"v" * 255}"']),
    ],
)
def test_says_what_it_is_asked(directive: str, name: str, texts: list[str]) -> None:
    assert said(directive, name) == texts


@pytest.mark.parametrize(
    ("asked", "qclass"),
    [("version.bind. TXT", codes.IN), ("version.bind. A", codes.CH), ("example.org. TXT", codes.CH)],
)
def test_passes_other_questions_on(asked: str, qclass: int) -> None:
    below = Reply(codes.REFUSED)

    assert ask(chaos.setup(args("chaos")), question(asked, qclass=qclass), rest=below) == below


def test_the_order_of_authors_is_drawn_for_each_answer() -> None:
    plugin = Chaos("v", ["a", "b", "c", "d"], "host", Random(1))
    authors = question("authors.bind. TXT", qclass=codes.CH)

    replies = [ask(plugin, authors) for _ in range(20)]

    assert len({reply.answer for reply in replies}) > 1
    assert all(reply.keep is None for reply in replies)
    assert ask(plugin, question("version.bind. TXT", qclass=codes.CH)).keep == Keep()


def test_has_no_properties() -> None:
    with pytest.raises(ConfigError, match="unknown property 'colour'"):
        chaos.setup(args("chaos v2 {\n colour\n}"))
