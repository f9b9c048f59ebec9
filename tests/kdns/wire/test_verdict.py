"""What a reply says: the classes of RFC 2308."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.wire import codes, names, records, verdict
from kdns.wire.verdict import Verdict
from tests.kdns.asking import question
from tests.kdns.asking import records as rrs

SOA = "example.org. 60 IN SOA ns.example.org. hostmaster.example.org. 1 7200 1800 86400 60"
NS = "example.org. 60 IN NS ns.example.org."
A = "www.example.org. 60 IN A 192.0.2.1"
ALIAS = "www.example.org. 60 IN CNAME web.example.org."
WEB = "web.example.org. 60 IN A 192.0.2.1"


@pytest.mark.parametrize(
    ("rcode", "answer", "authority", "expected"),
    [
        (codes.NOERROR, A, "", Verdict.ANSWER),
        (codes.NOERROR, A, SOA, Verdict.ANSWER),
        (codes.NOERROR, f"{ALIAS}\n{WEB}", SOA, Verdict.ANSWER),
        (codes.NOERROR, ALIAS, SOA, Verdict.NODATA),
        (codes.NOERROR, ALIAS, "", Verdict.ANSWER),  # no SOA bounds it: it is not kept, but no denial either
        (codes.NOERROR, "", SOA, Verdict.NODATA),
        (codes.NOERROR, "", f"{NS}\n{SOA}", Verdict.NODATA),
        (codes.NOERROR, "", NS, Verdict.REFERRAL),
        (codes.NOERROR, "", "", Verdict.ANSWER),
        (codes.NXDOMAIN, "", SOA, Verdict.NXDOMAIN),
        (codes.NXDOMAIN, "", "", Verdict.NXDOMAIN),
        (codes.NXDOMAIN, A, SOA, Verdict.UNFIT),
        (codes.SERVFAIL, "", "", Verdict.FAILURE),
        (codes.NOTIMP, "", "", Verdict.FAILURE),
        (codes.REFUSED, "", "", Verdict.UNFIT),
        (codes.FORMERR, "", "", Verdict.UNFIT),
    ],
)
def test_a_reply_is_of_one_class(rcode: int, answer: str, authority: str, expected: Verdict) -> None:
    assert verdict.of(question("WWW.example.org. A"), rcode, rrs(answer), rrs(authority)) is expected


LOOP = "www.example.org. 60 IN CNAME web.example.org.\nweb.example.org. 60 IN CNAME www.example.org."
FORK = f"{ALIAS}\nwww.example.org. 60 IN CNAME other.example.org.\n{WEB}"


@pytest.mark.parametrize(
    ("asked", "answer", "resolves"),
    [
        ("www.example.org. A", A, True),
        ("www.example.org. AAAA", A, False),
        ("www.example.org. A", "", False),
        ("www.example.org. A", f"{WEB}\n{ALIAS}", True),
        ("www.example.org. A", f"{ALIAS}\n{ALIAS.replace('web', 'WEB')}\n{WEB}", True),
        ("www.example.org. A", "other.example.org. 60 IN A 192.0.2.1", False),
        ("www.example.org. A", LOOP, False),
        ("www.example.org. A", FORK, False),
        ("www.example.org. CNAME", ALIAS, True),
        ("www.example.org. CNAME", FORK, False),
        ("www.example.org. ANY", A, True),
        ("www.example.org. ANY", WEB, False),
        ("www.example.org. A", "www.example.org. 60 CH A 192.0.2.1", False),
    ],
)
def test_an_answer_section_answers_at_the_end_of_the_alias_chain(asked: str, answer: str, resolves: bool) -> None:
    assert verdict.resolves(question(asked), rrs(answer)) is resolves


HOSTS = [names.parse(f"{letter}.example.org") for letter in "abcd"]


@given(st.lists(st.tuples(st.sampled_from(HOSTS), st.sampled_from(HOSTS)), max_size=6))
def test_every_chain_of_aliases_comes_to_an_end(links: list[tuple[bytes, bytes]]) -> None:
    answer = tuple(records.make(owner, codes.CNAME, 60, target) for owner, target in links)

    assert not verdict.resolves(question("a.example.org. A"), answer)


@pytest.mark.parametrize(
    ("now", "is_valid"),
    [(999, False), (1000, True), (2000, True), (2001, False), (2**32 + 1500, True)],
)
def test_a_signature_is_valid_from_inception_to_expiration(now: int, is_valid: bool) -> None:
    rdata = bytes(8) + (2000).to_bytes(4, "big") + (1000).to_bytes(4, "big") + bytes(2) + b"\0sig"
    assert verdict.is_valid_at(records.make(names.ROOT, codes.RRSIG, 60, rdata), now) is is_valid
