"""quic: the bounds of a server block's listeners, read from a Corefile."""

import pytest

from kdns.errors import ConfigError
from kdns.plugins import quic
from tests.kdns.asking import args


def test_without_properties_the_bounds_are_coredns_own() -> None:
    assert quic.setup(args("quic")) == quic.setup(args("quic {\n}")) == quic.Quic()


def test_a_property_replaces_its_bound() -> None:
    assert quic.setup(args("quic {\nworker_pool_size 7\n}")) == quic.Quic(worker_pool_size=7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("quic 7", "Wrong argument count"),
        ("quic {\nworker_pool_size\n}", "Wrong argument count"),
        ("quic {\nworker_pool_size many\n}", "invalid worker_pool_size value 'many'"),
        ("quic {\nworker_pool_size -1\n}", "worker_pool_size must be a .* integer: -1"),
        ("quic {\nworker_pool_size 7\nworker_pool_size 7\n}", "worker_pool_size already defined for this server block"),
        ("quic {\nmax_patience 7\n}", "unknown property 'max_patience'"),
    ],
)
def test_what_is_no_bound_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        quic.setup(args(text))


@pytest.mark.parametrize("name", ["max_streams", "worker_pool_size"])
def test_nothing_at_all_is_no_bound(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be a positive integer: 0"):
        quic.setup(args(f"quic {{\n{name} 0\n}}"))
