"""Queries of our own, and what counts as a reply to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.wire import codes, names, query, question
from kdns.wire.edns import Edns
from tests.kdns.asking import question as ask_for

ASKED = ask_for("WwW.example.org. A")


@pytest.mark.parametrize(
    "asked",
    [
        ASKED,
        ask_for("example.org. MX", flags=codes.RD | codes.AD | codes.CD),
        ask_for("example.org. MX", edns=Edns(4096, b"\x00\x0a\x00\x02ab", flags=0x8000)),
        ask_for("version.bind. TXT", qclass=codes.CH),
        query.make(names.ROOT, codes.NS, recursion=False),
    ],
)
def test_a_packed_question_reads_as_it_was_but_for_its_id(asked: question.Question) -> None:
    assert question.parse(query.pack(asked, 513)) == asked._replace(id=513)


def reply(**change: bytes) -> bytes:
    """A reply to ASKED with its header, name or tail changed."""
    parts = {"head": b"\x12\x34\x81\x80\x00\x01" + bytes(6), "name": ASKED.qname, "tail": b"\x00\x01\x00\x01", **change}
    return parts["head"] + parts["name"] + parts["tail"]


@pytest.mark.parametrize("message", [reply(), reply(name=ASKED.key), reply() + b"whatever comes behind"])
def test_a_reply_repeats_the_question_in_any_case(message: bytes) -> None:
    assert query.answers(message, ASKED)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        reply()[:11],
        reply()[:-1],
        reply(head=b"\x12\x34\x01\x00\x00\x01" + bytes(6)),  # QR is clear
        reply(head=b"\x12\x34\x81\x80\x00\x00" + bytes(6)),  # no question
        reply(head=b"\x12\x34\x81\x80\x00\x02" + bytes(6)),
        reply(name=names.parse("ww.example.org")),
        reply(name=names.parse("www.example.org.org")),
        reply(name=b"\xc0\x0c"),
        reply(tail=b"\x00\x1c\x00\x01"),
        reply(tail=b"\x00\x01\x00\x03"),
    ],
)
def test_anything_else_is_no_reply_to_it(message: bytes) -> None:
    assert not query.answers(message, ASKED)


@given(st.binary(max_size=80))
def test_no_octets_whatever_raise(message: bytes) -> None:
    assert not query.answers(message, ASKED) or ASKED.key in message.lower()


def test_the_header_tells_rcode_and_truncation() -> None:
    message = b"\x00\x00\x83\x85" + bytes(8)

    assert query.rcode(message) == codes.REFUSED
    assert query.is_truncated(message)
    assert not query.is_truncated(reply())
