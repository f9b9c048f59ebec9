"""Services of a store: keys and names, groups, what a host is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import UpstreamError
from kdns.skydns import service
from kdns.skydns.service import Service
from kdns.wire import codes, names


def found(key: str, **more: object) -> Service:
    return service.read(key.split("/"), msgspec.json.encode(more), None)


@given(st.lists(st.text("abc-_1", min_size=1, max_size=8), min_size=1, max_size=6))
def test_a_key_is_a_name_from_its_end(labels: list[str]) -> None:
    name = names.parse(".".join(labels) + ".")
    path = service.path_of(name)
    assert path == labels[::-1]
    assert Service(key=tuple(path)).own_name == name


@pytest.mark.parametrize(
    ("path", "front"),
    [("org/example/*/b", "org/example"), ("org/any", "org"), ("*", ""), ("org/example", None)],
)
def test_a_wildcard_is_looked_for_below_what_stands_before_it(path: str, front: str | None) -> None:
    found = service.before_wildcard(path.split("/"))
    assert (None if found is None else "/".join(found)) == front


@pytest.mark.parametrize(
    ("key", "path", "is_so"),
    [
        ("org/x/b", "org/*/b", True),
        ("org/x/b/c", "org/any/b", True),
        ("org/x/c", "org/*/b", False),
        ("org/x", "org/*/b", False),
    ],
)
def test_a_wildcard_stands_for_any_one_label(key: str, path: str, is_so: bool) -> None:
    assert service.matches(key.split("/"), path.split("/")) is is_so


@pytest.mark.parametrize(
    ("groups", "kept"),
    [
        ({"a": "g1", "b": "g1", "s/c": "g2"}, "a b"),
        ({"a": "g1", "s/b": "g1", "s/c": "g2"}, "a s/b"),
        ({"a": "g1", "b": "g2"}, "a b"),
        ({"a": "", "s/b": "g1"}, "a s/b"),
        ({"s/b": "g1", "s/c": "", "s/d": "g2"}, "s/b s/c s/d"),
        ({"s/b": "g1", "s/t/c": "", "s/t/d": "g2"}, "s/b s/t/c"),
        ({}, ""),
    ],
)
def test_the_group_of_the_shortest_keys_makes_the_answer(groups: dict[str, str], kept: str) -> None:
    services = [found(key, host="10.0.0.1", group=group) for key, group in groups.items()]
    assert " ".join("/".join(each.key) for each in service.grouped(services)) == kept


@pytest.mark.parametrize(
    ("host", "text", "kind"),
    [
        ("10.0.0.1", "", codes.A),
        ("::ffff:10.0.0.1", "", codes.A),
        ("2001:db8::1", "x", codes.AAAA),
        ("web.example.org", "", codes.CNAME),
        ("web.example.org", "x", codes.TXT),
        ("", "x", codes.TXT),
    ],
)
def test_a_host_says_what_it_is(host: str, text: str, kind: int) -> None:
    assert Service(host=host, text=text).kind == kind


def test_a_lease_and_the_service_say_a_ttl_and_the_lesser_counts() -> None:
    assert [service.read(["a"], b'{"ttl":60}', lease).ttl for lease in (None, 30, 90)] == [60, 30, 60]
    assert service.read(["a"], b"{}", None).ttl == service.TTL


@pytest.mark.parametrize(
    ("value", "host"),
    [
        (b'{"Host":"10.0.0.1","PORT":80}', "10.0.0.1"),
        (b'{"host":"10.0.0.1","text":null}', "10.0.0.1"),
        (b'{"host":"10.0.0.1","key":"/skydns/lab","owner":{"is":[1]}}', "10.0.0.1"),
        (b"null", ""),
    ],
    ids=["another case", "null", "unknown", "nothing"],
)
def test_a_value_is_read_as_its_writers_mean_it(value: bytes, host: str) -> None:
    assert service.read(["lab", "a"], value, None).host == host


def test_labels_are_stripped_while_there_are_more() -> None:
    name = names.parse("a.b.example.org.")
    assert names.show(Service(targetstrip=2).stripped(name)) == "example.org."
    assert Service(targetstrip=4).stripped(name) == name


@pytest.mark.parametrize("value", [b"", b"[]", b'{"port":"x"}', b'{"ttl":4294967296}', b"\xff"])
def test_what_is_no_service_is_told_by_its_key(value: bytes) -> None:
    with pytest.raises(UpstreamError, match="/org/a: "):
        service.read(["org", "a"], value, None)
