"""Frame streams, beside the codec that others wrote."""

import pytest
from fstrm import FstrmCodec
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import WireError
from kdns.wire import framestream
from kdns.wire.framestream import Control, Controls, Kind

TYPES = st.lists(st.binary(min_size=1, max_size=40), max_size=3)
FRAMES = st.builds(Control, st.sampled_from(list(Kind)), TYPES.map(tuple))


@given(FRAMES)
def test_control_frames_are_those_of_the_other_codec(frame: Control) -> None:
    assert framestream.control(frame) == FstrmCodec().encode(int(frame.kind), list(frame.content_types))


@given(st.binary(min_size=1, max_size=300))
def test_data_frames_are_those_of_the_other_codec(payload: bytes) -> None:
    assert framestream.data(payload) == FstrmCodec().encode_data(payload)


@given(st.lists(FRAMES, max_size=4), st.integers(1, 20))
def test_control_frames_are_read_however_the_stream_cuts_them(frames: list[Control], step: int) -> None:
    octets = b"".join(map(framestream.control, frames))
    controls, found = Controls(), list[Control]()
    for at in range(0, len(octets), step):
        found += controls.feed(octets[at : at + step])
    assert found == frames


@pytest.mark.parametrize(
    "octets",
    [
        framestream.data(b"payload"),
        bytes(4) + b"\0\0\0\3" + b"abc",
        bytes(4) + b"\0\0\2\1",
        framestream.control(Control(Kind.ACCEPT)).replace(b"\0\0\0\1", b"\0\0\0\7"),
        bytes(4) + b"\0\0\0\x0c" + b"\0\0\0\1" + b"\0\0\0\2" + bytes(4),
        bytes(4) + b"\0\0\0\x0d" + b"\0\0\0\1" + b"\0\0\0\1" + b"\0\0\0\2" + b"x",
        bytes(4) + b"\0\0\0\x06" + b"\0\0\0\1" + b"\0\0",
    ],
)
def test_what_is_no_control_frame_is_an_error(octets: bytes) -> None:
    with pytest.raises(WireError, match="control frame"):
        Controls().feed(octets)


@given(st.binary(max_size=60))
def test_any_octets_are_frames_or_a_wire_error(octets: bytes) -> None:
    try:
        Controls().feed(bytes(4) + octets)
    except WireError:
        return
