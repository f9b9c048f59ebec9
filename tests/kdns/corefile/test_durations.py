"""Go's durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.corefile import duration, show_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("+0", 0),
        ("5s", 5),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("1.s", 1),
        ("300ms", 0.3),
        ("20us", 20e-6),
        ("20µs", 20e-6),
        ("20μs", 20e-6),
        ("7ns", 7e-9),
        ("1h30m", 5400),
        ("1h1m1s1ms", 3661.001),
        ("-2s", -2),
        ("2540400h", 9145440000),
    ],
)
def test_reads_what_go_reads(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", 'time: invalid duration ""'),
        ("s", 'time: invalid duration "s"'),
        ("5", 'time: missing unit in duration "5"'),
        ("1.5", 'time: missing unit in duration "1.5"'),
        ("5 s", "invalid"),
        ("5d", "invalid"),
        ("--5s", "invalid"),
        (".s", "invalid"),
        ("٣s", "invalid"),
        ("3000000h", "invalid"),  # more nanoseconds than 64 bits hold
        ("9" * 400 + "s", "invalid"),
    ],
)
def test_refuses_what_go_refuses(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (3e-9, "3ns"),
        (1.5e-6, "1.5µs"),
        (0.3, "300ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (60, "1m0s"),
        (90, "1m30s"),
        (3600, "1h0m0s"),
        (7200.25, "2h0m0.25s"),
    ],
)
def test_shows_them_as_go_does(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


@given(st.integers(0, 10**15))
def test_what_is_shown_is_read_back(nanoseconds: int) -> None:
    seconds = nanoseconds / 1e9

    assert duration(show_duration(seconds)) == pytest.approx(seconds, abs=1e-9)
