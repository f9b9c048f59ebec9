import pytest

from kdns.rewriting.reply import cname_rule, rcode_rule, ttl_rule


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("a.org", r"too few \(1\) arguments for a ttl rule"),
        ("a.org 12345678901234567890", "invalid TTL '12345678901234567890' for a ttl rule"),
        ("a.org x", "invalid TTL 'x' for a ttl rule"),
        ("a.org -", "invalid TTL '-' for a ttl rule"),
        ("a.org 2-1", "invalid TTL '2-1' for a ttl rule"),
        ("a.org 5-10-20", "invalid TTL '5-10-20' for a ttl rule"),
        ("exact a.org 1 2", "invalid TTL '' for a ttl rule"),
        ("glob a.org 1", "ttl rule supports only exact, prefix, suffix, substring, and regex name matching"),
    ],
)
def test_says_what_is_wrong_with_a_ttl_rule(rule: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ttl_rule(rule.split())


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("a.org 2", r"too few \(2\) arguments for a rcode rule"),
        ("a.org 24 0", "invalid matching RCODE '24' for a rcode rule"),
        ("a.org SERVFAIL nothing", "invalid replacement RCODE 'nothing' for a rcode rule"),
        ("exact a.org 2 1 0", "invalid matching RCODE '' for a rcode rule"),
        ("regex [ 2 0", r"invalid regex pattern in a rcode rule: \["),
    ],
)
def test_says_what_is_wrong_with_an_rcode_rule(rule: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rcode_rule(rule.split())


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("a.org", r"too few \(1\) arguments for a cname rule"),
        ("glob a.org b.org", "unknown cname rewrite type: glob"),
        ("regex [ b.org", "invalid cname rewrite regex pattern: error parsing regexp: "),
        (f"regex {'a' * 10_001} b.org", "regex pattern too long in a cname rule: 10001 > 10000"),
    ],
)
def test_says_what_is_wrong_with_a_cname_rule(rule: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        cname_rule(rule.split())
