"""The octets between the executable and the daemon."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.cni.frames import HEAD, LARGEST, Call, Outcome, length_of, read_call
from ipamd.errors import CniError
from tests.ipamd.cni.calling import frame

NAMES = st.text("ABCDEF_", min_size=1)
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.dictionaries(NAMES, VALUES), st.binary())
def test_a_request_is_read_as_it_was_sent(environment: dict[str, str], stdin: bytes) -> None:
    octets = frame(Call(environment, stdin))

    assert length_of(octets) == len(octets) - HEAD
    assert read_call(octets[HEAD:]) == Call(environment, stdin)


@given(st.binary())
def test_any_octets_are_a_request_or_refused(body: bytes) -> None:
    with suppress(CniError):
        assert read_call(body).stdin in body


def test_a_request_that_is_too_large_is_refused() -> None:
    with pytest.raises(CniError, match="at most"):
        length_of((LARGEST + 1).to_bytes(HEAD, "big"))


def test_a_reply_begins_with_the_exit_status() -> None:
    assert Outcome(1, "{}").octets() == b"\x01{}"
