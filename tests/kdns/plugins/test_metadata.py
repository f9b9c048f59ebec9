"""metadata: what is known of a query, gathered before it goes down the chain."""

from collections.abc import Mapping

import pytest

from kdns.chain import Keep, Reply, Request
from kdns.errors import ConfigError
from kdns.plugins import metadata
from kdns.wire import names
from tests.kdns.asking import args, ask


class Knowing:
    """A plugin that knows something of each query."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def labels(self, request: Request) -> Mapping[str, str]:
        return {f"{self._prefix}/name": names.show(request.question.key)}


def labels(directive: str, asked: str, zones: str = ".") -> dict[str, str] | None:
    """What the plugins below find in the query."""
    plugin = metadata.setup(args(directive, zones=zones))
    plugin.meet({"metadata": plugin, "a": Knowing("a"), "b": Knowing("b"), "errors": object()})
    found: list[dict[str, str] | None] = []

    def below(request: Request) -> Reply:
        found.append(request.labels)
        return Reply(keep=Keep())

    assert ask(plugin, asked, rest=below) == Reply(keep=Keep())
    return found[0]


@pytest.mark.parametrize(
    ("directive", "zones"),
    [("metadata", "."), ("metadata", "org"), ("metadata net example.org", "."), ("metadata Example.ORG.", ".")],
)
def test_gathers_what_the_plugins_of_the_block_know(directive: str, zones: str) -> None:
    known = {"a/name": "www.example.org.", "b/name": "www.example.org."}

    assert labels(directive, "www.Example.org. A", zones) == known


@pytest.mark.parametrize(("directive", "zones"), [("metadata", "net"), ("metadata net", "org")])
def test_gathers_nothing_outside_of_its_zones(directive: str, zones: str) -> None:
    assert labels(directive, "www.example.org. A", zones) == {}


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("metadata org {\n some\n}", r"Unexpected token '\{', expecting argument"),
        ("metadata\nmetadata", "Wrong argument"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        metadata.setup(args(directive))
