"""minimal: answers without what clients have no use for."""

import pytest

from kdns.chain import Keep, Reply
from kdns.errors import ConfigError, NoAnswer
from kdns.plugins import minimal
from kdns.wire import codes
from kdns.wire.edns import Edns
from tests.kdns.asking import args, ask, question, records

A = records("www.example.org. 30 IN A 192.0.2.1")
NS = records("example.org. 30 IN NS ns.example.org.")
SOA = records("example.org. 30 IN SOA ns.example.org. root.example.org. 1 2 3 4 5")
GLUE = records("ns.example.org. 30 IN A 192.0.2.53")


@pytest.mark.parametrize("answer", [A, ()])
def test_an_answer_keeps_its_answer_section_only(answer: tuple[bytes, ...]) -> None:
    whole = Reply(answer=answer, authority=NS if answer else (), additional=GLUE, edns=Edns(4096), flags=codes.AA)

    reply = ask(minimal.setup(args("minimal")), "www.example.org. A", rest=whole._replace(keep=Keep()))

    assert reply == Reply(answer=answer, flags=codes.AA, keep=Keep())


@pytest.mark.parametrize(
    ("asked", "whole"),
    [
        ("www.example.org. A", Reply(authority=NS, additional=GLUE)),
        ("www.example.org. A", Reply(authority=SOA, additional=GLUE)),
        ("www.example.org. A", Reply(codes.NXDOMAIN, authority=SOA)),
        ("www.example.org. A", Reply(codes.SERVFAIL, answer=A, authority=NS, additional=GLUE)),
        ("www.example.org. AXFR", Reply(answer=A, additional=GLUE)),
    ],
    ids=["referral", "NODATA", "NXDOMAIN", "error", "transfer"],
)
def test_everything_else_stays_whole(asked: str, whole: Reply) -> None:
    assert ask(minimal.setup(args("minimal")), asked, rest=whole) == whole


def test_a_notification_stays_whole() -> None:
    whole = Reply(answer=A, additional=GLUE)
    notify = question("example.org. SOA", flags=codes.NOTIFY << 11)

    assert ask(minimal.setup(args("minimal")), notify, rest=whole) == whole


def test_a_failure_passes() -> None:
    with pytest.raises(NoAnswer):
        ask(minimal.setup(args("minimal")), "www.example.org. A")


def test_takes_no_arguments() -> None:
    with pytest.raises(ConfigError, match="Wrong argument count"):
        minimal.setup(args("minimal please"))
