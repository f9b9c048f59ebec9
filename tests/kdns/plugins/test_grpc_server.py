"""grpc_server: the bounds of a server block's listeners, read from a Corefile."""

import pytest

from kdns.errors import ConfigError
from kdns.plugins import grpc_server
from tests.kdns.asking import args


def test_without_properties_the_bounds_are_coredns_own() -> None:
    assert (
        grpc_server.setup(args("grpc_server"))
        == grpc_server.setup(args("grpc_server {\n}"))
        == grpc_server.GrpcServer()
    )


def test_a_property_replaces_its_bound() -> None:
    assert grpc_server.setup(args("grpc_server {\nmax_streams 7\n}")) == grpc_server.GrpcServer(max_streams=7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("grpc_server 7", "Wrong argument count"),
        ("grpc_server {\nmax_streams\n}", "Wrong argument count"),
        ("grpc_server {\nmax_streams many\n}", "invalid max_streams value 'many'"),
        ("grpc_server {\nmax_streams -1\n}", "max_streams must be a .* integer: -1"),
        ("grpc_server {\nmax_streams 7\nmax_streams 7\n}", "max_streams already defined for this server block"),
        ("grpc_server {\nmax_patience 7\n}", "unknown property 'max_patience'"),
    ],
)
def test_what_is_no_bound_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        grpc_server.setup(args(text))
