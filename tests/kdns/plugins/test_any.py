"""any: next to nothing for ANY."""

import pytest

from kdns.chain import Keep, Reply
from kdns.errors import ConfigError
from kdns.plugins import any as any_plugin
from tests.kdns.asking import args, ask, texts


def test_any_is_answered_with_a_hint() -> None:
    reply = ask(any_plugin.setup(args("any")), "www.Example.org. ANY")

    assert texts(reply.answer) == ['www.Example.org. 8482 IN HINFO "ANY obsoleted" "See RFC 8482"']
    assert (reply.rcode, reply.authority, reply.additional, reply.flags, reply.keep) == (0, (), (), 0, Keep())


@pytest.mark.parametrize("kind", ["A", "TXT", "HINFO", "AXFR"])
def test_other_types_are_passed_on(kind: str) -> None:
    below = Reply(keep=Keep())

    assert ask(any_plugin.setup(args("any")), f"www.example.org. {kind}", rest=below) == below


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [("any A", "Wrong argument count"), ("any {\n}", "Unexpected token '{', expecting argument")],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        any_plugin.setup(args(directive))
