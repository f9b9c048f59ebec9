"""Characters to tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.corefile.lexer import Token, lex, same_line


def words(text: str) -> list[str]:
    return [token.text for token in lex(text, "Corefile")]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("a b\tc\nd", ["a", "b", "c", "d"]),
        ("\ufeffa", ["a"]),
        ("a\u00a0b\u2003c", ["a", "b", "c"]),  # white space is Unicode's
        ("a\x1cb", ["a\x1cb"]),  # a separator for Python alone
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\rb", ["ab"]),
        ("a # b\nc", ["a", "c"]),
        ("a#b c\nd", ["a", "d"]),  # a comment begins in a word too
        ("#", []),
        ('"a b"', ["a b"]),
        ('"a#b"', ["a#b"]),
        ('a"b c"', ['a"b', 'c"']),  # quotes count at the start of a word only
        ('"a"b', ["a", "b"]),
        ('""', [""]),
        (r'"\"" "\d\\"', ['"', r"\d\\"]),  # \" is the one escape
        ('"a\r\nb"', ["a\r\nb"]),
        ('"a', ["a"]),
        ('"', []),
        ("`a b` 'c d'", ["`a", "b`", "'c", "d'"]),
        ("a\\\nb", ["a\\", "b"]),  # no line continuation
    ],
)
def test_words_are_parted_by_white_space_comments_and_quotes(text: str, tokens: list[str]) -> None:
    assert words(text) == tokens


def test_a_token_knows_where_it_begins_and_ends() -> None:
    a, quoted, after, later = lex('a "b\nc" d\ne', "Corefile")

    assert [token.line for token in (a, quoted, after, later)] == [1, 1, 2, 3]
    assert quoted == Token("b\nc", "Corefile", 1, quoted=True)
    assert quoted.last_line == 2


def test_lines_are_those_on_which_a_token_ends() -> None:
    a, quoted, after, later = lex('a "b\nc" d\ne', "Corefile")

    assert same_line(a, quoted)
    assert same_line(quoted, after)
    assert not same_line(after, later)
    assert not same_line(a, a._replace(file="other"))


PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1).filter(
    lambda word: "#" not in word and not word.startswith(('"', "\ufeff"))
)
QUOTABLE = st.text().filter(lambda text: "\\" not in text)


@given(st.lists(PLAIN))
def test_plain_words_come_back(plain: list[str]) -> None:
    assert words(" ".join(plain)) == plain


@given(st.lists(QUOTABLE))
def test_quoted_words_come_back_whatever_they_hold(texts: list[str]) -> None:
    assert words(" ".join('"' + text.replace('"', '\\"') + '"' for text in texts)) == texts


@given(st.text())
def test_every_text_has_tokens_on_lines_that_it_has(text: str) -> None:
    found = lex(text, "Corefile")

    assert all(1 <= token.line <= token.last_line <= text.count("\n") + 1 for token in found)
    assert [token.line for token in found] == sorted(token.line for token in found)
