import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.rewriting.matching import KINDS, by_pattern, matcher, normal, pattern, replacer, template_pattern


@pytest.mark.parametrize(
    ("kind", "old", "new", "name", "result"),
    [
        ("exact", "a.org.", "b.org.", "a.org.", "b.org."),
        ("exact", "a.org.", "b.org.", "x.a.org.", None),
        ("prefix", "foo.", "bar.", "foo.org.", "bar.org."),
        ("prefix", "foo.", "bar.", "foobar.org.", None),
        ("suffix", ".a.org.", ".b.org.", "x.a.org.", "x.b.org."),
        ("suffix", "a.org.", "b.org.", "xa.org.", "xb.org."),  # no label boundary: operators glue
        ("suffix", ".a.org.", ".b.org.", "a.org.", None),
        ("substring", "x.", "yy.", "x.ax.org.", "yy.ayy.org."),
        ("substring", "x.", "yy.", "a.org.", None),
    ],
)
def test_each_kind_matches_its_part_of_a_name(kind: str, old: str, new: str, name: str, result: str | None) -> None:
    assert replacer(kind, old, new)(name) == result


@pytest.mark.parametrize(
    ("text", "template", "name", "result"),
    [
        (r"(.*)-(us)\.org\.", "{1}.{2}.net.", "ftp-us.org.", "ftp.us.net."),
        (r"a", "{0}b.", "xaz.", "ab."),  # anywhere in the name, but all of it is replaced
        (r"(a)?b", "{1}c.", "b.", "c."),  # a group that took no part is empty
        (r"(a)", "{1}{2}{01}.", "a.", "a{2}{01}."),  # what is no group stays
        (r"(.*)\.org", "{1}.net.", "{1}.org.", "{1}.net."),  # what a group holds is not looked at again
        (r"^b", "c.", "ab.", None),
    ],
)
def test_a_pattern_makes_a_name_of_its_template(text: str, template: str, name: str, result: str | None) -> None:
    assert by_pattern(pattern(text, "", ""), template)(name) == result


@pytest.mark.parametrize(("text", "result"), [("A.Org", "a.org."), ("a.org.", "a.org."), ("", "."), (".", ".")])
def test_names_are_compared_in_lower_case_with_the_last_dot(text: str, result: str) -> None:
    assert normal(text) == result


@given(kind=st.sampled_from([kind for kind in KINDS if kind != "regex"]), old=st.text(max_size=3), name=st.text())
def test_a_replacement_by_the_same_is_the_same(kind: str, old: str, name: str) -> None:
    assert replacer(kind, old, old)(name) in (name, None)


@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        ("glob", "*", "ttl rule supports only exact, prefix, suffix, substring, and regex name matching"),
        ("regex", "[", r"invalid regex pattern in a ttl rule: \["),
        ("regex", "a" * 10_001, "regex pattern too long in a ttl rule: 10001 > 10000"),
    ],
)
def test_says_what_cannot_be_matched(kind: str, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        matcher(kind, text, "ttl")


@pytest.mark.parametrize(
    ("text", "template", "complaint"),
    [
        ("(a)", "{1}{2}", r"uses more subexpressions than its corresponding matching regex pattern \(\(a\)\)"),
        ("[a", "b", r"invalid regex matching pattern: \[a"),
        ("a" * 10_001, "b", "regex pattern too long: 10001 > 10000"),
    ],
)
def test_a_template_has_no_more_groups_than_its_pattern(text: str, template: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        template_pattern(text, template)
