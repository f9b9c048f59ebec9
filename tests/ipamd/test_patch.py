"""JSON merge patch and JSON patch, by the cases that their RFCs tell apart."""

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.errors import Invalid, IpamError, Malformed, TooLarge
from ipamd.json import Json
from ipamd.patch import MOST_MOVED, MOST_OPERATIONS, json_patch, merge

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=1), VALUES, max_size=4)


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "c": 1}, {"a": None}, {"c": 1}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c", "d": 1}}, {"a": {"b": "e", "d": None}}, {"a": {"b": "e"}}),
        ({"a": [{"b": 1}]}, {"a": [2]}, {"a": [2]}),
        ({"a": 1}, ["x"], ["x"]),
        ({"a": 1}, "x", "x"),
        ("x", {"a": {"b": None}}, {"a": {}}),
        ({}, {"a": {"b": {"c": None, "d": 0}}}, {"a": {"b": {"d": 0}}}),
    ],
)
def test_a_merge_patch_gives(document: Json, patch: Json, result: Json) -> None:
    assert merge(document, patch) == result


def merge_difference(old: Json, new: Json) -> Json:
    """The merge patch that turns `old` to `new`, where there are no nulls to express."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    changed = {key: merge_difference(old.get(key), value) for key, value in new.items() if old.get(key, ...) != value}
    return {**{key: None for key in old if key not in new}, **changed}


def without_null_members(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: without_null_members(item) for key, item in value.items() if item is not None}
    return value


@given(OBJECTS.map(without_null_members), OBJECTS.map(without_null_members))
def test_the_difference_of_two_documents_applied_to_the_one_gives_the_other(old: Json, new: Json) -> None:
    before = copy.deepcopy(old)

    assert merge(old, merge_difference(old, new)) == new
    assert old == before


@pytest.mark.parametrize(
    ("document", "operation", "result"),
    [
        ({"a": 1}, {"op": "add", "path": "/b", "value": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"op": "add", "path": "/a", "value": None}, {"a": None}),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
        ({"a": [1]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2]}),
        ({"a": 1}, {"op": "add", "path": "", "value": {"b": 2}}, {"b": 2}),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/a"}, {"b": 2}),
        ({"a": [1, 2, 3]}, {"op": "remove", "path": "/a/1"}, {"a": [1, 3]}),
        ({"a": [{"b": 1}]}, {"op": "replace", "path": "/a/0/b", "value": 2}, {"a": [{"b": 2}]}),
        ({"a": [1, 2]}, {"op": "replace", "path": "/a/0", "value": 3}, {"a": [3, 2]}),
        ({"a": 1}, {"op": "replace", "path": "", "value": 2}, 2),
        ({"a": {"b": 1}, "c": {}}, {"op": "move", "from": "/a/b", "path": "/c/d"}, {"a": {}, "c": {"d": 1}}),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/2"}, {"a": [2, 3, 1]}),
        ({"a": {"b": 1}}, {"op": "copy", "from": "/a", "path": "/c"}, {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a/b": {"m~n": 1}}, {"op": "replace", "path": "/a~1b/m~0n", "value": 2}, {"a/b": {"m~n": 2}}),
        ({"~1": 1}, {"op": "remove", "path": "/~01"}, {}),
        ({"": 1}, {"op": "remove", "path": "/"}, {}),
        (
            {"a": {"b": [1, {"c": None}]}},
            {"op": "test", "path": "/a/b/1", "value": {"c": None}},
            {"a": {"b": [1, {"c": None}]}},
        ),
    ],
)
def test_an_operation_of_a_json_patch_gives(document: Json, operation: Json, result: Json) -> None:
    before = copy.deepcopy(document)

    assert json_patch(document, [operation]) == result
    assert document == before


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/b/c", "value": 1},
        {"op": "add", "path": "/a/3", "value": 1},
        {"op": "add", "path": "/a/01", "value": 1},
        {"op": "add", "path": "/a/0/x", "value": 1},
        {"op": "remove", "path": "/b"},
        {"op": "remove", "path": "/a/-"},
        {"op": "remove", "path": "/a/2"},
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "move", "from": "/b", "path": "/a/0"},
        {"op": "move", "from": "/a", "path": "/a/0"},
        {"op": "copy", "from": "/a/9", "path": "/b"},
        {"op": "test", "path": "/a/0", "value": True},
        {"op": "test", "path": "/a", "value": [1]},
        {"op": "test", "path": "/b", "value": None},
    ],
)
def test_an_operation_that_cannot_be_done_fails(operation: Json) -> None:
    with pytest.raises(Invalid):
        json_patch({"a": [1, 2]}, [operation])


@pytest.mark.parametrize(
    "patch",
    [
        {},
        ["x"],
        [{"op": "add", "path": "/a"}],
        [{"op": "frob", "path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "remove"}],
    ],
)
def test_what_is_no_json_patch_is_refused(patch: Json) -> None:
    with pytest.raises(Malformed):
        json_patch({"a": 1}, patch)


def test_a_json_patch_does_all_its_operations_in_order() -> None:
    patch: Json = [
        {"op": "test", "path": "/a", "value": 1},
        {"op": "add", "path": "/b", "value": []},
        {"op": "add", "path": "/b/-", "value": 2},
    ]

    assert json_patch({"a": 1}, patch) == {"a": 1, "b": [2]}


def test_a_json_patch_may_not_copy_without_bound() -> None:
    doubling: Json = [{"op": "copy", "from": "", "path": f"/{number}"} for number in range(64)]

    with pytest.raises(TooLarge, match="copies"):
        json_patch({"a": 1}, doubling)


def test_a_json_patch_has_a_bounded_number_of_operations() -> None:
    same: Json = {"op": "test", "path": "/a", "value": 1}

    assert json_patch({"a": 1}, [same] * MOST_OPERATIONS) == {"a": 1}
    with pytest.raises(TooLarge, match="operations"):
        json_patch({"a": 1}, [same] * (MOST_OPERATIONS + 1))


def test_many_operations_on_one_long_list_do_not_copy_it_each() -> None:
    grown = json_patch({"a": []}, [{"op": "add", "path": "/a/-", "value": 1}] * MOST_OPERATIONS)
    replaced: Json = [{"op": "replace", "path": "/a/0", "value": 2}] * MOST_OPERATIONS
    long: Json = [1] * (MOST_MOVED // 4)

    assert grown == {"a": [1] * MOST_OPERATIONS}
    assert json_patch({"a": long}, replaced) == {"a": [2, *[1] * (MOST_MOVED // 4 - 1)]}
    assert json_patch({"a": long}, [{"op": "add", "path": "/a/0", "value": 1}]) == {"a": [1, *[1] * (MOST_MOVED // 4)]}
    with pytest.raises(TooLarge, match="moves"):
        json_patch({"a": long}, [{"op": "add", "path": "/a/0", "value": 1}] * MOST_OPERATIONS)


def test_what_was_copied_changes_apart() -> None:
    patch: Json = [
        {"op": "add", "path": "/a/-", "value": 1},
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "add", "path": "/a/-", "value": 2},
        {"op": "add", "path": "/b/-", "value": 3},
    ]

    assert json_patch({"a": []}, patch) == {"a": [1, 2], "b": [1, 3]}


OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
            "path": st.sampled_from(["", "/a", "/a/0", "/b/-", "/c~1"]),
        },
        optional={"from": st.sampled_from(["/a", "/b", "/a/0", "c"]), "value": VALUES},
    ),
    max_size=5,
)


@given(VALUES, OPERATIONS)
def test_a_json_patch_raises_nothing_but_its_own_errors_and_changes_nothing_given(document: Json, patch: Json) -> None:
    before = copy.deepcopy(document)

    with contextlib.suppress(IpamError):
        json_patch(document, patch)

    assert document == before
