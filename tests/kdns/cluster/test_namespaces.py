"""Which namespaces are there."""

from kdns.cluster.namespaces import Namespaces
from tests.kdns.cluster.making import namespace


def test_a_namespace_comes_and_goes_once() -> None:
    namespaces = Namespaces()
    assert namespaces.put(namespace("a")) == (b"\x01a",)
    assert namespaces.put(namespace("a")) == ()
    assert namespaces.exposed == {b"\x01a"}
    assert namespaces.delete("", "a") == (b"\x01a",)
    assert namespaces.delete("", "a") == ()
    assert namespaces.exposed == set()


def test_a_namespace_that_was_not_chosen_is_never_there() -> None:
    namespaces = Namespaces([b"\x01a"])
    assert namespaces.put(namespace("b")) == ()
    assert namespaces.delete("", "b") == ()
    assert namespaces.put(namespace("a")) == (b"\x01a",)
    assert namespaces.limited
