"""https: the bounds of a server block's listeners, read from a Corefile."""

import pytest

from kdns.errors import ConfigError
from kdns.plugins import https
from tests.kdns.asking import args


def test_without_properties_the_bounds_are_coredns_own() -> None:
    assert https.setup(args("https")) == https.setup(args("https {\n}")) == https.Https()


def test_a_property_replaces_its_bound() -> None:
    assert https.setup(args("https {\nmax_connections 7\n}")) == https.Https(max_connections=7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https 7", "Wrong argument count"),
        ("https {\nmax_connections\n}", "Wrong argument count"),
        ("https {\nmax_connections many\n}", "invalid max_connections value 'many'"),
        ("https {\nmax_connections -1\n}", "max_connections must be a .* integer: -1"),
        ("https {\nmax_connections 7\nmax_connections 7\n}", "max_connections already defined for this server block"),
        ("https {\nmax_patience 7\n}", "unknown property 'max_patience'"),
    ],
)
def test_what_is_no_bound_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        https.setup(args(text))
