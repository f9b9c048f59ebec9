"""Numbers in a Corefile."""

import pytest

from kdns.corefile.numbers import integer, real, unsigned


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("42", 42), ("-7", -7), ("+7", 7), ("007", 7)])
def test_integers_are_read(text: str, number: int) -> None:
    assert integer(text) == number


@pytest.mark.parametrize("text", ["", "many", "1.5", "1_000", " 1", "٣", "0x10", "--1", "5s"])
def test_what_is_no_integer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid syntax"):
        integer(text)


@pytest.mark.parametrize(("text", "number"), [("50", 50.0), ("0.5", 0.5), ("-1e3", -1000.0)])
def test_numbers_with_a_fraction_are_read(text: str, number: float) -> None:
    assert real(text) == number


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match='parsing "fast": invalid syntax'):
        real("fast")


@pytest.mark.parametrize("text", ["-1", "+1", "many"])
def test_an_unsigned_number_has_no_sign(text: str) -> None:
    with pytest.raises(ValueError, match="invalid syntax"):
        unsigned(text)


@pytest.mark.parametrize("text", ["4294967296", "9" * 5000])
def test_a_number_has_bounds(text: str) -> None:
    with pytest.raises(ValueError, match="value out of range"):
        unsigned(text, 32)


def test_the_bounds_are_inclusive() -> None:
    assert unsigned("4294967295", 32) == 2**32 - 1
    assert integer("-128", 8) == -128
