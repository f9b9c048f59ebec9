"""https3: the bounds of a server block's listeners, read from a Corefile."""

import pytest

from kdns.errors import ConfigError
from kdns.plugins import https3
from tests.kdns.asking import args


def test_without_properties_the_bounds_are_coredns_own() -> None:
    assert https3.setup(args("https3")) == https3.setup(args("https3 {\n}")) == https3.Https3()


def test_a_property_replaces_its_bound() -> None:
    assert https3.setup(args("https3 {\nmax_streams 7\n}")) == https3.Https3(max_streams=7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https3 7", "Wrong argument count"),
        ("https3 {\nmax_streams\n}", "Wrong argument count"),
        ("https3 {\nmax_streams many\n}", "invalid max_streams value 'many'"),
        ("https3 {\nmax_streams -1\n}", "max_streams must be a .* integer: -1"),
        ("https3 {\nmax_streams 7\nmax_streams 7\n}", "max_streams already defined for this server block"),
        ("https3 {\nmax_patience 7\n}", "unknown property 'max_patience'"),
    ],
)
def test_what_is_no_bound_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        https3.setup(args(text))
