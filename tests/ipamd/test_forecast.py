"""When a pool will be full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.forecast import HORIZON, WINDOW, full_at

NOW = 1_700_000_000.0
DAY = 86_400.0


@pytest.mark.parametrize(
    ("free", "growth", "days"), [(70, 10, 49), (10, 70, 1), (0, 1, 0), (5, 0, None), (5, -3, None), (10**9, 1, None)]
)
def test_it_is_full_when_growth_has_used_what_is_free(free: int, growth: int, days: int | None) -> None:
    assert full_at(free, growth, NOW) == (None if days is None else NOW + days * DAY)


@given(st.integers(0, 1 << 24), st.integers(1, 1 << 24))
def test_what_is_told_is_neither_past_nor_out_of_sight(free: int, growth: int) -> None:
    found = full_at(free, growth, NOW)
    assert found is None or NOW <= found <= NOW + HORIZON
    assert found is not None or free * WINDOW / growth > HORIZON
