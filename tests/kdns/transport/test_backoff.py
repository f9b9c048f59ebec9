"""How long a client waits between tries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.transport.backoff import FIRST, LAST, MOST_ASKED, Backoff


def test_waits_double_up_to_a_bound() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.wait() for _ in range(9)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])


def test_a_success_starts_the_row_again() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.wait()
    backoff.wait()
    backoff.reset()
    assert backoff.wait() == FIRST


def test_what_the_server_asked_for_comes_on_top() -> None:
    assert Backoff(lambda: 1.0).wait(7.0) == pytest.approx(7.1)


@given(chance=st.floats(0, 1, exclude_max=True), failures=st.integers(0, 300), asked=st.floats(0, 1e9))
def test_a_wait_is_never_nothing_and_never_endless(chance: float, failures: int, asked: float) -> None:
    backoff = Backoff(lambda: chance)
    for _ in range(failures):
        backoff.wait()
    assert FIRST / 2 <= backoff.wait(asked) <= LAST + MOST_ASKED
