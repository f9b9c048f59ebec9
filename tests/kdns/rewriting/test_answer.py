import pytest

from kdns.chain import Reply
from kdns.errors import NoAnswer
from kdns.rewriting import answer
from kdns.rewriting.answer import mapped_back
from kdns.rewriting.rules import Undo
from kdns.wire import codes, names, records
from tests.kdns import asking
from tests.kdns.asking import request, step, texts


def undone(undo: tuple[Undo, ...], reply: Reply) -> Reply:
    for each in reversed(undo):
        reply = step(each(request("a.org. A"), reply))  # type: ignore[arg-type]
    return reply


def rewritten(undo: tuple[Undo, ...], text: str) -> str:
    return texts(undone(undo, Reply(answer=asking.records(text))).answer)[0]


TARGETS = {
    "CNAME b.org.": "CNAME a.org.",
    "NS ns.b.org.": "NS ns.a.org.",
    "PTR b.org.": "PTR a.org.",
    "MX 10 mx.B.org.": "MX 10 mx.a.org.",
    "SRV 1 2 53 b.org.": "SRV 1 2 53 a.org.",
    "SOA b.org. hostmaster.b.org. 1 2 3 4 5": "SOA a.org. hostmaster.b.org. 1 2 3 4 5",  # the MNAME only
    'TXT "b.org."': 'TXT "b.org."',
    "NS xb.org.": "NS xb.org.",  # not below b.org
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), TARGETS.items())
def test_targets_are_mapped_back(before: str, after: str) -> None:
    undo = mapped_back(names.parse("b.org"), names.parse("a.org"))

    assert rewritten(undo, f"B.org. 30 IN {before}") == f"a.org. 30 IN {after}"


@pytest.mark.parametrize(("kind", "lead"), [(codes.DNAME, b""), (codes.NAPTR, b"\0\1\0\2\1S\7SIP+D2U\0")])
def test_targets_behind_anything_else_are_mapped_back(kind: int, lead: bytes) -> None:
    before = records.make(names.parse("b.org"), kind, 30, lead + names.parse("x.b.org"))

    (rr,) = undone(mapped_back(names.parse("b.org"), names.parse("a.org")), Reply(answer=(before,))).answer

    assert records.rdata(rr) == lead + names.parse("x.a.org")


@pytest.mark.parametrize("rdata", [b"", b"\0", b"\0\1\0\2\xff", b"\0\1\0\2\1S\1S\1S\xc0"])
def test_rdata_that_is_not_what_its_type_says_is_left_alone(rdata: bytes) -> None:
    naptr = records.make(names.parse("b.org"), codes.NAPTR, 30, rdata)

    (rr,) = undone(mapped_back(names.parse("b.org"), names.parse("a.org")), Reply(answer=(naptr,))).answer

    assert records.rdata(rr) == rdata


def test_every_section_is_rewritten() -> None:
    section = asking.records("b.org. 30 IN A 192.0.2.1")
    reply = undone(mapped_back(names.parse("b.org"), names.parse("a.org")), Reply(0, section, section, section))

    assert reply.answer == reply.authority == reply.additional == asking.records("a.org. 30 IN A 192.0.2.1")


@pytest.mark.parametrize(
    ("words", "before", "after"),
    [
        (r"answer name (.*)\.b\.org {1}.a.org", "x.b.org. 30 IN CNAME x.b.org.", "x.a.org. 30 IN CNAME x.b.org."),
        (r"answer value (.*)\.b\.org {1}.a.org", "x.b.org. 30 IN CNAME x.b.org.", "x.b.org. 30 IN CNAME x.a.org."),
        (r"answer name b a.org value b c.org", "b.org. 30 IN CNAME b.org.", "a.org. 30 IN CNAME c.org."),
        (r"answer name b a.org answer value b c.org", "b.org. 30 IN CNAME b.org.", "a.org. 30 IN CNAME c.org."),
        (r"answer name a b.org name x a.org", "x.org. 30 IN A 192.0.2.1", "b.org. 30 IN A 192.0.2.1"),  # last first
    ],
)
def test_answers_are_rewritten_by_patterns(words: str, before: str, after: str) -> None:
    auto, undo = answer.read("regex", words.split())

    assert (rewritten(undo, before), auto) == (after, False)


def test_auto_is_told_apart() -> None:
    assert answer.read("regex", ["answer", "auto"]) == (True, ())


def test_an_answer_that_outgrows_a_name_is_a_failure() -> None:
    long = ".".join(["a" * 60] * 4)
    owner = f"{'b' * 20}.org. 30 IN A 192.0.2.1"

    with pytest.raises(NoAnswer, match="invalid name after rewrite"):
        rewritten(mapped_back(names.parse("org"), names.parse(long)), owner)
    with pytest.raises(NoAnswer, match="invalid name after rewrite"):
        rewritten(answer.read("regex", ["answer", "name", "(.*)", "{1}{1}{1}{1}.." + "a" * 64])[1], owner)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("answer", "invalid arguments for suffix rule"),
        ("NoAnswer name a b", "exceeded the number of arguments for a non-answer rule argument for suffix rule"),
        ("answer auto answer", "type missing for answer rule for suffix rule"),
        ("answer ttl a b", 'invalid type "ttl" for answer rule for suffix rule'),
        ("answer name a", "name answer rule for suffix rule: 2 arguments required"),
        ("answer value a b value c", "value answer rule for suffix rule: 2 arguments required"),
        ("answer value (a) {1}{2}", "value answer rule for suffix rule: the rewrite regex pattern"),
        ("answer auto name a b", "auto name answer rule cannot be combined with explicit name anwer rules"),
    ],
)
def test_says_what_is_wrong_with_an_answer_rule(words: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        answer.read("suffix", words.split())
