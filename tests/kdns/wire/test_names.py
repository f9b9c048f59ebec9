"""Names: text to octets and back, relations between names, names inside messages."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import WireError
from kdns.wire import names
from tests.kdns.wire.strategies import domain_names, related_names


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("", b"\0"),
        (".", b"\0"),
        ("www.Example.org.", b"\x03www\x07Example\x03org\0"),
        ("www.example.org", b"\x03www\x07example\x03org\0"),
        (r"a\.b.org.", b"\x03a.b\x03org\0"),
        (r"\000\255.", b"\x02\x00\xff\0"),
        (r"a\\b.", b"\x03a\\b\0"),
        ("bücher.", "\x07bücher\0".encode()),
    ],
)
def test_reads_presentation_format(text: str, wire: bytes) -> None:
    assert names.parse(text) == wire


@pytest.mark.parametrize(
    "text", ["a..b.", ".a.", "x" * 64 + ".", "\\", r"\25.", r"\256.", r"\1a2.", "abcd." * 51 + "x."]
)
def test_refuses_what_is_no_name(text: str) -> None:
    with pytest.raises(WireError):
        names.parse(text)


@given(domain_names)
def test_shown_names_read_back_as_themselves(name: bytes) -> None:
    assert names.parse(names.show(name)) == name


@given(domain_names)
def test_labels_join_to_the_name(name: bytes) -> None:
    assert names.join(names.labels(name)) == name


@given(related_names, related_names)
def test_below_means_that_the_zone_is_an_ancestor(name: bytes, zone: bytes) -> None:
    assert names.is_below(name, zone) == (zone in list(names.ancestors(name)))


def test_below_looks_at_labels_and_not_at_text() -> None:
    assert not names.is_below(names.parse("notexample.org."), names.parse("example.org."))
    assert not names.is_below(b"\x09\x07example\x00", b"\x07example\x00")


@given(domain_names, st.binary(max_size=20), st.binary(max_size=20))
def test_reads_an_uncompressed_name_anywhere(name: bytes, before: bytes, after: bytes) -> None:
    message = before + name + after
    assert names.read(message, len(before)) == (name, len(before) + len(name))
    assert names.end_of(message, len(before)) == len(before) + len(name)


@given(
    st.lists(
        st.sampled_from([b"\x01a", b"\x03www", b"\0", b"\xc0\0", b"\xc0\2", b"\xc0\5", b"\x80", b"\x3f" + b"x" * 63])
    ).map(b"".join)
)
def test_names_that_pointers_are_known_to_lead_to_are_those_that_they_lead_to(message: bytes) -> None:
    known = {}
    for at in range(len(message) - 1):
        if message[at] >= 0xC0 and isinstance(found := tried(message, at), tuple):
            known[message[at : at + 2]] = found[0]
    for at in range(len(message)):
        assert tried(message, at, known) == tried(message, at)


def tried(message: bytes, at: int, known: Mapping[bytes, bytes] = names.NOTHING) -> tuple[bytes, int] | str:
    try:
        return names.read(message, at, known)
    except WireError as fault:
        return str(fault)


def test_follows_pointers_backwards_only() -> None:
    message = b"\x03org\0" + b"\x07example\xc0\x00" + b"\x03www\xc0\x05"
    assert names.read(message, 15) == (b"\x03www\x07example\x03org\0", len(message))


@pytest.mark.parametrize(
    ("message", "at"),
    [
        (b"\xc0\x00", 0),  # at itself
        (b"\xc0\x02\xc0\x00", 2),  # a loop of two
        (b"\x01a\xc0\x04\x00", 0),  # forwards
        (b"\xc0", 0),  # cut short
        (b"\x05ab", 0),
        (b"\x40a\0", 0),  # the extended label types of RFC 2671 are dead
        (b"\x80a\0", 0),
        (b"", 0),
    ],
)
def test_refuses_broken_names_in_messages(message: bytes, at: int) -> None:
    with pytest.raises(WireError):
        names.read(message, at)


@given(st.binary(max_size=80), st.integers(0, 80))
def test_reading_any_octets_raises_only_wire_errors(message: bytes, at: int) -> None:
    try:
        name, after = names.read(message, at)
    except WireError:
        return
    assert len(name) <= 255
    assert at < after <= len(message)
