import pytest

from kdns.errors import NoAnswer
from kdns.rewriting.query import class_rule, name_rule, type_rule
from kdns.wire import codes, names
from tests.kdns.asking import question, request


@pytest.mark.parametrize(
    ("rule", "asked", "name"),
    [
        ("a.org b.org", "A.org.", "b.org."),
        ("exact a.org b.org", "x.a.org.", None),
        ("prefix foo bar", "foo.a.org.", "bar.a.org."),
        ("prefix foo bar", "foobar.org.", None),  # `foo` stands for the label
        ("suffix .schmoogle.com. .google.com.", "www.Schmoogle.com.", "www.google.com."),
        ("SUFFIX a.org b.org", "xa.org.", "xb.org."),
        ("substring us.example.org us.consul", "ftp.us.example.org.", "ftp.us.consul."),
        (r"regex (.*)-(us)\.example\.org {1}.{2}.Consul", "ftp-us.example.org.", "ftp.us.consul."),
        (r"regex ^(.*)\.a\.org\.$ {1}.b.org", r"x\.y.a.org.", r"x\.y.b.org."),  # a dot inside a label stays one
    ],
)
def test_names_are_rewritten(rule: str, asked: str, name: str | None) -> None:
    change = name_rule(rule.split()).apply(request(f"{asked} A"))

    assert (change and names.show(change.request.question.qname)) == name
    assert change is None or change.request.question.key == change.request.question.qname


@pytest.mark.parametrize("rule", ["regex (.*) .{1}", "regex (.*) {1}{1}{1}{1}{1}{1}{1}{1}{1}{1}{1}{1}{1}{1}{1}{1}{1}"])
def test_a_name_that_is_none_is_a_failure(rule: str) -> None:
    with pytest.raises(NoAnswer, match="invalid name after rewrite: ") as failure:
        name_rule(rule.split()).apply(request("www.example.example. A"))

    assert failure.value.rcode == codes.SERVFAIL


@pytest.mark.parametrize(("asked", "kind"), [("a.org. ANY", codes.HINFO), ("a.org. A", None)])
def test_types_are_rewritten(asked: str, kind: int | None) -> None:
    change = type_rule(["any", "hinfo"]).apply(request(asked))

    assert (change and change.request.question.qtype) == kind


@pytest.mark.parametrize(("asked", "qclass"), [(codes.CH, codes.IN), (codes.HS, None)])
def test_classes_are_rewritten(asked: int, qclass: int | None) -> None:
    change = class_rule(["ch", "IN"]).apply(request(question("a.org. TXT", qclass=asked)))

    assert (change and change.request.question.qclass) == qclass


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("a.org", "too few arguments for a name rule"),
        ("a.org b.org c.org", "name rule supports only exact, .* name matching, received: a.org"),
        ("exact {1}.org b.org", "uses more subexpressions"),
        ("exact a.org b(.org", r"invalid regex matching pattern: b\(.org."),
        ("regex (a {1}", r"invalid regex matching pattern: \(a"),
        ("suffix a b c", "invalid arguments for suffix rule"),
    ],
)
def test_says_what_is_wrong_with_a_name_rule(rule: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        name_rule(rule.split())


def test_says_what_is_wrong_with_types_and_classes() -> None:
    with pytest.raises(ValueError, match='invalid type "XY"'):
        type_rule(["any", "xy"])
    with pytest.raises(ValueError, match='invalid class "XY"'):
        class_rule(["xy", "in"])
    with pytest.raises(ValueError, match="type rules must have exactly two arguments"):
        type_rule(["a"])
    with pytest.raises(ValueError, match="class rules must have exactly two arguments"):
        class_rule(["in", "ch", "hs"])
