"""Go's regular expressions."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.corefile.patterns import MAX_PATTERN, compiled


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        ("b+", "abbc", ()),
        (r"^(\d+)-(?P<host>[[:alpha:]]+)\z", "12-web", ("12", "web")),
        ("(?i)WWW(x)?", "www", (None,)),
        (r"\pL\Q.\E", "é.", ()),
    ],
)
def test_the_syntax_is_gos(pattern: str, text: str, groups: tuple[str | None, ...]) -> None:
    match = compiled(pattern).search(text)

    assert match is not None
    assert match.groups() == groups


def test_a_whole_match_is_more_than_a_match() -> None:
    assert compiled("b").search("abc") is not None
    assert compiled("b").fullmatch("abc") is None


def test_named_groups_are_known_by_name() -> None:
    match = compiled("(?P<a>.)(?P<b>z)?").search("x")

    assert match is not None
    assert dict(match.groupdict()) == {"a": "x", "b": None}
    assert (match.start(), match.end()) == (0, 1)


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("())", r"error parsing regexp: unexpected \): `\(\)\)`"),
        ("*", r"error parsing regexp: no argument for repetition operator: `\*`"),
        ("(?=a)", r"error parsing regexp: invalid perl operator: `\(\?=`"),
        ("a" * (MAX_PATTERN + 1), "regex pattern too long: 10001 > 10000"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        compiled(pattern)


def test_no_pattern_takes_more_than_linear_time() -> None:
    assert compiled("^(a+)+$").search("a" * 5000 + "b") is None


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        compiled(text).search(text)
