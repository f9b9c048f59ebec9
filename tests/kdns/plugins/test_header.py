"""header: flags as somebody wants them."""

import pytest

from kdns.chain import Keep, Reply, Request
from kdns.errors import ConfigError
from kdns.plugins import header
from kdns.wire import codes, fit
from tests.kdns.asking import args, ask, question


def flags(directive: str, sent: int, given: int) -> tuple[int, int]:
    """The flags of the query as the plugins below see them, and of the reply as the client does."""
    seen: list[int] = []

    def below(asked: Request) -> Reply:
        seen.append(asked.question.flags)
        return Reply(flags=given, keep=Keep())

    asked = question("www.example.org. A", flags=sent)
    reply = ask(header.setup(args(directive)), asked, rest=below)
    assert reply.keep == Keep()
    return seen[0], fit.flags(asked, reply.flags, reply.rcode) & ~reply.cleared & ~codes.QR


AA, RA, RD = codes.AA, codes.RA, codes.RD


@pytest.mark.parametrize(
    ("lines", "sent", "seen", "given", "received"),
    [
        ("query set rd", 0, RD, 0, RD),
        ("query clear rd", RD, 0, 0, 0),
        ("query set aa ra", RD, RD | AA | RA, 0, RD),
        ("query clear aa", AA, 0, AA, AA),
        ("response set aa", RD, RD, 0, RD | AA),
        ("response clear aa", RD, RD, AA | RA, RD | RA),
        ("response set RA\nresponse clear Rd", RD, RD, 0, RA),
        ("response set rd", 0, 0, 0, RD),
        ("query clear rd\nresponse set rd", RD, 0, 0, RD),
        ("response set ra\nresponse clear ra", 0, 0, 0, 0),
        ("Response Clear ra", codes.CD, codes.CD, RA | codes.AD, codes.CD | codes.AD),
    ],
)
def test_sets_and_clears_flags(lines: str, sent: int, seen: int, given: int, received: int) -> None:
    assert flags(f"header {{\n {lines}\n}}", sent, given) == (seen, received)


def test_the_first_directive_with_rules_counts() -> None:
    assert flags("header {\n}\nheader {\n query set rd\n}\nheader {\n query set aa\n}", 0, 0) == (RD, RD)


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("header", "Wrong argument count or unexpected line ending after 'header'"),
        ("header {}", "Wrong argument count or unexpected line ending after '{}'"),
        ("header {\n}", "Wrong argument count or unexpected line ending after 'header'"),
        ("header {\n foo\n}", "setting up rule: invalid selector=foo should be query or response"),
        ("header {\n query\n}", "setting up rule: no flag action provided"),
        ("header {\n query set\n}", "setting up rule: invalid length for flags, at least one should be provided"),
        ("header {\n query flip rd\n}", "setting up rule: unknown flag action=flip, should be set or clear"),
        ("header {\n query set tc\n}", "setting up rule: unknown/unsupported flag=tc"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        header.setup(args(directive))
