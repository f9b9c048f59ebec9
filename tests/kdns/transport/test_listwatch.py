"""Pages and lines of the list/watch protocol, whole, in pieces and spoilt."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from kdns.errors import ApiError
from kdns.transport.listwatch import MAX_LINE, Event, Identity, Lines, ListMeta, ListPage, Mark, Meta, Status, decode

KINDS = (Event, Identity, Mark, ListPage, Status)


@given(
    lines=st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)),
    unfinished=st.binary(max_size=20).filter(lambda line: b"\n" not in line),
    cuts=st.lists(st.integers(0, 500)),
)
def test_lines_are_the_same_however_the_octets_are_split(
    lines: list[bytes], unfinished: bytes, cuts: list[int]
) -> None:
    octets = b"".join(line + b"\n" for line in lines) + unfinished
    edges = [0, *sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)]
    reader = Lines()

    read = [line for start, end in itertools.pairwise(edges) for line in reader.feed(octets[start:end])]

    assert read == [line for line in lines if line]


def test_a_line_without_an_end_is_refused() -> None:
    reader = Lines()
    assert list(reader.feed(b"x" * MAX_LINE)) == []
    with pytest.raises(ApiError) as refused:
        list(reader.feed(b"x"))
    assert refused.value.relist


def test_a_page_is_its_version_its_token_and_raw_items() -> None:
    page = decode(
        b'{"kind":"List","metadata":{"resourceVersion":"7","continue":"next"},"items":[{"a":1},{}]}', ListPage
    )
    assert page == ListPage(ListMeta("7", "next"), [Raw(b'{"a":1}'), Raw(b"{}")])


@pytest.mark.parametrize(
    "octets",
    [b'{"metadata":{"resourceVersion":"7"},"items":null}', b'{"metadata":{"resourceVersion":"7","continue":""}}'],
)
def test_a_page_without_items_is_empty(octets: bytes) -> None:
    page = decode(octets, ListPage)
    assert (page.metadata.resource_version, page.metadata.token or "", page.items) == ("7", "", None)


@given(octets=st.binary(max_size=60))
def test_octets_that_are_nothing_of_the_kind_are_one_error(octets: bytes) -> None:
    assert all(decoded_or_refused(octets, kind) for kind in KINDS)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["metadata", "items", "type", "object", "name", "code"]), inner, max_size=4
            )
        ),
    )
)
def test_json_of_any_shape_is_a_value_or_that_error(value: object) -> None:
    assert all(decoded_or_refused(json.dumps(value).encode(), kind) for kind in KINDS)


def decoded_or_refused(octets: bytes, kind: type) -> bool:
    try:
        return isinstance(decode(octets, kind), kind)
    except ApiError as wrong:
        return wrong.relist


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Meta("a", uid="u", resource_version="1"), Meta("a", uid="u", resource_version="1"), True),
        (Meta("a", uid="u", resource_version="1"), Meta("a", uid="u", resource_version="2"), False),
        (Meta("a", uid="u", resource_version="1"), Meta("a", uid="v", resource_version="1"), False),
        (Meta("a", resource_version="1"), Meta("a", resource_version="1"), True),
    ],
)
def test_a_fingerprint_tells_versions_apart(one: Meta, other: Meta, same: bool) -> None:
    assert (one.fingerprint == other.fingerprint) == same


def test_an_object_without_a_version_has_no_fingerprint() -> None:
    assert Meta("a", uid="u").fingerprint is None


def test_a_key_is_namespace_and_name() -> None:
    assert Meta("web", namespace="shop").key == "shop/web"
    assert Meta("shop").key == "/shop"
