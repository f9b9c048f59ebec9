"""Messages on a stream, whole, byte by byte, and cut anywhere."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from kdns.wire.frame import Frames, framed


@given(st.lists(st.binary(max_size=300), max_size=6), st.lists(st.integers(0, 2000), max_size=8))
def test_the_cuts_of_a_stream_do_not_matter(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(framed, messages))
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    frames, one_by_one = Frames(), Frames()

    found = [message for a, b in itertools.pairwise(edges) for message in frames.feed(stream[a:b])]
    each = [message for octet in stream for message in one_by_one.feed(bytes((octet,)))]

    assert found == each == messages
    assert not frames.partial


def test_a_begun_message_is_partial() -> None:
    frames = Frames()
    assert frames.feed(b"\0\3ab") == []
    assert frames.partial
