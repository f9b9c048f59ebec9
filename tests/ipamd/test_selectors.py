"""Label and field selectors: what they match and what they refuse."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.errors import Malformed
from ipamd.selectors import matches_fields, matches_labels, parse_fields, parse_labels

WEB = {"app": "web", "tier": "front", "replica": "3", "example.org/zone": "a", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "matched"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier = front", True),
        ("app=db", False),
        ("app!=db", True),
        ("missing!=db", True),
        ("app in (db, web)", True),
        ("app in (db)", False),
        ("app notin (db)", True),
        ("missing notin (db)", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("replica>2", True),
        ("replica>3", False),
        ("replica<4,replica>2", True),
        ("app>1", False),
        ("empty=", True),
        ("empty=,app=web", True),
        ("empty in (,x)", True),
        ("example.org/zone=a", True),
        ("in in (in)", False),
        ("app=web,tier=back", False),
    ],
)
def test_a_label_selector_matches(selector: str, matched: bool) -> None:
    assert matches_labels(parse_labels(selector), WEB) is matched


@pytest.mark.parametrize(
    "selector",
    [
        "app in web",
        "app in (web",
        "app in (web db)",
        "app=web,",
        ",",
        "=web",
        "app web",
        "app>x",
        "-a=b",
        "a=b=c",
        "a/b/c=d",
        "app=-x",
        "!",
        "a(b)",
    ],
)
def test_a_wrong_label_selector_is_refused(selector: str) -> None:
    with pytest.raises(Malformed):
        parse_labels(selector)


@given(st.text(max_size=40))
def test_reading_a_label_selector_raises_nothing_but_malformed(text: str) -> None:
    with contextlib.suppress(Malformed):
        matches_labels(parse_labels(text), WEB)


@pytest.mark.parametrize(
    ("selector", "matched"),
    [
        ("", True),
        ("metadata.name=web-0", True),
        ("metadata.name==web-0,status.phase=Running", True),
        ("metadata.name!=web-0", False),
        ("spec.nodeName=", True),
        ("spec.nodeName!=", False),
        (r"status.message=a\,b\=c\\d", True),
        ("status.phase!=Failed,status.phase!=Succeeded", True),
    ],
)
def test_a_field_selector_matches(selector: str, matched: bool) -> None:
    fields = {"metadata.name": "web-0", "status.phase": "Running", "status.message": "a,b=c\\d"}

    assert matches_fields(parse_fields(selector), fields) is matched


@pytest.mark.parametrize("selector", ["metadata.name", "a=b=c", r"a=b\c", "=b", "!a=b"])
def test_a_wrong_field_selector_is_refused(selector: str) -> None:
    with pytest.raises(Malformed):
        parse_fields(selector)


@given(st.dictionaries(st.sampled_from(["a", "b.c", "d"]), st.text(alphabet="xy,=\\", max_size=6), min_size=1))
def test_any_value_of_a_field_can_be_selected_by_escaping_it(fields: dict[str, str]) -> None:
    def escaped(value: str) -> str:
        return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")

    selector = parse_fields(",".join(f"{path}={escaped(value)}" for path, value in fields.items()))

    assert matches_fields(selector, fields)
