"""The file of a snapshot: the whole of it counts, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import SnapshotError
from kdns.transport.snapshot import MAGIC, Header, pack, unpack

BLOCKS = st.lists(st.binary(max_size=40), max_size=5)


def file(blocks: list[bytes], made_with: str = "here", moment: float = 7.5) -> bytes:
    return b"".join(pack(Header(made_with, moment), blocks))


@given(BLOCKS, st.text(max_size=20), st.floats(allow_nan=False))
def test_what_was_packed_is_unpacked(blocks: list[bytes], made_with: str, moment: float) -> None:
    header, found = unpack(file(blocks, made_with, moment), made_with)
    assert header == Header(made_with, moment)
    assert [bytes(block) for block in found] == blocks


@given(BLOCKS, st.data())
def test_a_file_that_was_cut_or_changed_is_refused(blocks: list[bytes], data: st.DataObject) -> None:
    whole = file(blocks)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    for octets in (whole[:at], bytes(changed), whole + b"\0"):
        with pytest.raises(SnapshotError):
            unpack(octets, "here")


@given(st.binary(max_size=60))
def test_octets_that_are_no_file_are_refused(octets: bytes) -> None:
    for each in (octets, MAGIC + octets):
        with pytest.raises(SnapshotError):
            unpack(each, "here")


def test_a_refusal_says_why() -> None:
    whole = file([b"x"])
    without = b"".join(pack(Header("here", 0.0), []))[:0]
    for octets, made_with, reason in (
        (without, "here", "it is none, or of another version"),
        (whole.replace(b"snapshot 1", b"snapshot 2"), "here", "it is none, or of another version"),
        (whole[:-1], "here", "it is damaged"),
        (whole, "there", "it was made with another configuration"),
    ):
        with pytest.raises(SnapshotError, match=reason):
            unpack(octets, made_with)
