"""Label selectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.cluster.selector import MAX_SELECTOR, is_selector


@pytest.mark.parametrize(
    "text",
    [
        "environment=prod",
        "environment in (production, staging, qa),application=nginx",
        "a == b , c!=d",
        "a notin (b)",
        "example.com/a",
        "!a",
        "a=",
        "a in (x,,y)",
    ],
)
def test_takes_a_selector(text: str) -> None:
    assert is_selector(text)


@pytest.mark.parametrize(
    "text", ["environment in (production, qa", "", "a b", "a=b=c", "a>1", "-a", "a in", "a in ()x", "/a", "a=b,"]
)
def test_refuses_what_is_none(text: str) -> None:
    assert not is_selector(text)


@given(st.text(alphabet="ab=!,() in/-", max_size=60))
def test_any_text_is_one_or_none(text: str) -> None:
    assert is_selector(text) in (True, False)


def test_a_long_one_is_decided_at_once() -> None:
    assert is_selector(",".join(["a"] * (MAX_SELECTOR // 2)))
    assert not is_selector(",".join(["a"] * (MAX_SELECTOR // 2)) + ",(")
