"""Questions to a zone: RFC 1034 section 4.3.2, RFC 4592, RFC 6672, RFC 4035, with CoreDNS's habits."""

import pytest

from kdns.wire import codes, names
from kdns.zone.lookup import Found, Outcome, joined, lookup
from tests.kdns.zones import rrs, shown, zone

ZONE = zone(
    f"""
    www A 192.0.2.1
    www A 192.0.2.2
    www TXT "here"
    alias CNAME www
    twice CNAME alias
    away CNAME www.example.net.
    nowhere CNAME gone
    one CNAME other
    other CNAME one
    into CNAME host.sub
    to-text CNAME ns
    mail MX 10 WWW
    mail MX 20 www
    mail MX 30 mx.example.net.
    _sip._tcp SRV 0 0 5060 Www
    web HTTPS 1 www alpn=h2
    *.wild A 192.0.2.9
    *.wild MX 10 www
    present.wild TXT "x"
    *.alias-wild CNAME www
    below.ent.deep A 192.0.2.3
    *.deep A 192.0.2.8
    sub NS ns.sub
    sub NS ns
    sub NS ns.example.net.
    sub DS 1 8 1 {"ab" * 20}
    ns.sub A 192.0.2.54
    ns.sub AAAA 2001:db8::54
    old DNAME New.example.net.
    old TXT "kept"
    in DNAME wild
    """
)
NS = "example.org. NS ns.example.org."
SOA = "example.org. SOA ns.example.org. hostmaster.example.org. 7 7200 1800 86400 30"
CUT = ["sub.example.org. NS ns.sub.example.org.", "sub.example.org. NS ns.example.org."]
CUT += ["sub.example.org. NS ns.example.net."]
GLUE = ["ns.sub.example.org. A 192.0.2.54", "ns.sub.example.org. AAAA 2001:db8::54"]
LOOP = ["one.example.org. CNAME other.example.org.", "other.example.org. CNAME one.example.org."]


def find(text: str, *, do: bool = False) -> Found:
    name, kind = text.split()
    return lookup(ZONE, names.parse(name + ".example.org."), codes.type_number(kind), do)


@pytest.mark.parametrize(
    ("asked", "outcome", "answer", "authority", "additional"),
    [
        ("www A", "answer", ["www.example.org. A 192.0.2.1", "www.example.org. A 192.0.2.2"], [NS], []),
        ("www AAAA", "nodata", [], [SOA], []),
        ("www ANY", "nodata", [], [SOA], []),
        ("gone A", "nxdomain", [], [SOA], []),
        ("under.www A", "nxdomain", [], [SOA], []),
        ("deep A", "empty", [], [SOA], []),
        ("ent.deep A", "answer", ["ent.deep.example.org. A 192.0.2.8"], [NS], []),  # CoreDNS's, against RFC 4592
        ("x.ent.deep A", "nxdomain", [], [SOA], []),  # the non-terminal is the closest encloser
        ("x.y.deep A", "answer", ["x.y.deep.example.org. A 192.0.2.8"], [NS], []),
        ("alias A", "answer", ["alias.example.org. CNAME www.example.org.", "www.example.org. A 192.0.2.1",
                               "www.example.org. A 192.0.2.2"], [NS], []),
        ("alias CNAME", "answer", ["alias.example.org. CNAME www.example.org."], [NS], []),
        ("twice TXT", "answer", ["twice.example.org. CNAME alias.example.org.",
                                 "alias.example.org. CNAME www.example.org.", 'www.example.org. TXT "here"'], [NS], []),
        ("to-text TXT", "answer", ["to-text.example.org. CNAME ns.example.org."], [NS], []),
        ("one A", "answer", LOOP * 5, [NS], []),
        ("into A", "delegation", ["into.example.org. CNAME host.sub.example.org."], CUT, GLUE),
        ("mail MX", "answer", ["mail.example.org. MX 10 www.example.org.", "mail.example.org. MX 20 www.example.org.",
                               "mail.example.org. MX 30 mx.example.net."], [NS],
         ["www.example.org. A 192.0.2.1", "www.example.org. A 192.0.2.2"]),
        ("_sip._tcp SRV", "answer", ["_sip._tcp.example.org. SRV 0 0 5060 Www.example.org."], [NS],
         ["www.example.org. A 192.0.2.1", "www.example.org. A 192.0.2.2"]),
        ("x.wild A", "answer", ["x.wild.example.org. A 192.0.2.9"], [NS], []),
        ("x.wild TXT", "nodata", [], [SOA], []),
        ("present.wild A", "nodata", [], [SOA], []),
        ("below.present.wild A", "nxdomain", [], [SOA], []),
        ("x.wild MX", "answer", ["x.wild.example.org. MX 10 www.example.org."], [NS],
         ["www.example.org. A 192.0.2.1", "www.example.org. A 192.0.2.2"]),
        ("x.alias-wild A", "answer", ["x.alias-wild.example.org. CNAME www.example.org.",
                                      "www.example.org. A 192.0.2.1", "www.example.org. A 192.0.2.2"], [NS], []),
        ("*.wild A", "answer", ["*.wild.example.org. A 192.0.2.9"], [NS], []),
        ("sub A", "delegation", [], CUT, GLUE),
        ("sub NS", "delegation", [], CUT, GLUE),
        ("a.b.sub DS", "delegation", [], CUT, GLUE),
        ("ns.sub A", "delegation", [], CUT, GLUE),
        ("sub DS", "answer", [f"sub.example.org. DS 1 8 1 {'AB' * 20}"], [NS], []),
        ("old TXT", "answer", ['old.example.org. TXT "kept"'], [NS], []),
        ("old DNAME", "answer", ["old.example.org. DNAME \\# 17 034e6577076578616d706c65036e657400"], [NS], []),
        ("a.old CNAME", "answer", ["old.example.org. DNAME \\# 17 034e6577076578616d706c65036e657400",
                                   "a.old.example.org. CNAME a.New.example.net."], [NS], []),
    ],
)  # fmt: skip
def test_a_name_is_found_on_the_way_down_from_the_apex(
    asked: str, outcome: str, answer: list[str], authority: list[str], additional: list[str]
) -> None:
    found = find(asked)

    assert (found.outcome, found.target) == (Outcome(outcome), None)
    assert [shown(section) for section in found[1:4]] == [answer, authority, additional]


@pytest.mark.parametrize(
    ("qtype", "answer", "authority", "additional"),
    [
        ("SOA", [SOA], [NS], []),
        ("NS", [NS], [], ["ns.example.org. A 192.0.2.53"]),
        ("A", [], [SOA], []),
        ("DS", [], [SOA], []),
    ],
)
def test_answers_for_the_apex(qtype: str, answer: list[str], authority: list[str], additional: list[str]) -> None:
    found = lookup(ZONE, ZONE.origin, codes.type_number(qtype))
    assert [shown(section) for section in found[1:4]] == [answer, authority, additional]


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ("away A", "www.example.net."),
        ("nowhere A", "gone.example.org."),
        ("a.b.old A", "a.b.New.example.net."),
        ("x.in A", "x.wild.example.org."),
        ("alias NS", "www.example.org."),
    ],
)
def test_asks_the_server_itself_for_what_no_node_of_the_zone_has(asked: str, target: str) -> None:
    assert find(asked).target == names.parse(target)


def test_tells_which_wildcard_stood_in() -> None:
    assert find("x.wild A").wildcard == names.parse("*.wild.example.org.")
    assert find("www A").wildcard is None


@pytest.mark.parametrize(
    ("rcode", "more", "outcome", "authority"),
    [
        (codes.NOERROR, "www.example.net. 9 A 192.0.2.77", Outcome.ANSWER, [NS]),
        (codes.NOERROR, "", Outcome.NODATA, [SOA]),
        (codes.NXDOMAIN, "", Outcome.NXDOMAIN, [SOA]),
        (codes.SERVFAIL, "", Outcome.FAILURE, [NS]),
        (6, "", Outcome.TOO_LONG, [NS]),
        (codes.REFUSED, "", Outcome.ANSWER, [NS]),
    ],
)
def test_an_alias_takes_over_what_its_target_comes_to(
    rcode: int, more: str, outcome: Outcome, authority: list[str]
) -> None:
    found = find("away A")
    whole = joined(ZONE, found, rcode, tuple(rrs(more)))

    assert whole.outcome is outcome
    assert whole.answer == (*found.answer, *rrs(more))
    assert shown(whole.authority) == authority


def test_an_alias_takes_over_the_proofs_of_its_target() -> None:
    proofs = rrs("""
    w 60 NSEC @ A
    w 60 RRSIG NSEC 8 3 60 20300101000000 20200101000000 1 @ AAAA
    """)
    authority = (*rrs("@ 60 SOA ns h 1 2 3 4 5\n@ 60 RRSIG SOA 8 2 60 20300101000000 20200101000000 1 @ AAAA"), *proofs)
    found = find("away A")

    with_do = joined(ZONE, found, codes.NXDOMAIN, (), True, authority)
    assert with_do.authority == (ZONE.soa, *proofs)
    assert joined(ZONE, found, codes.NXDOMAIN, (), False, authority).authority == (ZONE.soa,)


def test_a_dname_that_changes_nothing_is_a_failure() -> None:
    looping = zone("loop DNAME loop")
    found = lookup(looping, names.parse("x.loop.example.org."), codes.A)
    assert found == Found(Outcome.FAILURE)


def test_a_dname_that_makes_a_name_too_long_says_so() -> None:
    label = "x" * 60
    far = zone(f"far DNAME {label}.{label}.{label}")
    found = lookup(far, names.parse(f"{label}.far.example.org."), codes.A)

    assert found.outcome is Outcome.TOO_LONG
    assert len(found.answer) == 1


def test_an_apex_with_nothing_beside_it_does_not_exist_for_other_types() -> None:
    bare = zone("", apex="@ 60 SOA ns.example.net. h 1 2 3 4 5\n@ 60 NS ns.example.net.")
    assert lookup(bare, bare.origin, codes.A).outcome is Outcome.NXDOMAIN


SIGNED = zone(
    """
    @ RRSIG SOA 8 2 60 20300101000000 20200101000000 1 @ AAAA
    @ RRSIG NS 8 2 60 20300101000000 20200101000000 1 @ AAAB
    @ NSEC ns NS SOA RRSIG NSEC
    @ RRSIG NSEC 8 2 60 20300101000000 20200101000000 1 @ AAAC
    ns RRSIG A 8 3 60 20300101000000 20200101000000 1 @ AAAD
    ns NSEC sub A RRSIG NSEC
    sub NS ns.sub
    sub NSEC *.w NS RRSIG NSEC
    ns.sub A 192.0.2.1
    a.b.w A 192.0.2.2
    a.b.w NSEC @ A RRSIG NSEC
    *.w CNAME ns
    *.w RRSIG CNAME 8 3 60 20300101000000 20200101000000 1 @ AAAE
    *.w NSEC a.b.w CNAME RRSIG NSEC
    """
)


@pytest.mark.parametrize(
    ("asked", "answer", "authority"),
    [
        ("ns.example.org. A", ["A", "RRSIG"], ["NS", "RRSIG"]),
        ("ns.example.org. TXT", [], ["SOA", "RRSIG", "ns NSEC"]),
        ("example.org. SOA", ["SOA", "RRSIG"], ["NS", "RRSIG"]),
        ("example.org. NS", ["NS", "RRSIG"], []),
        ("nn.example.org. A", [], ["SOA", "RRSIG", "@ NSEC", "RRSIG"]),
        ("zz.example.org. A", [], ["SOA", "RRSIG", "a.b.w NSEC", "@ NSEC", "RRSIG"]),
        ("x.sub.example.org. A", [], ["NS", "sub NSEC"]),
        ("x.w.example.org. A", ["CNAME", "RRSIG", "A", "RRSIG"], ["NS", "RRSIG", "a.b.w NSEC"]),
        ("x.w.example.org. TXT", ["CNAME", "RRSIG"], ["NS", "RRSIG", "ns NSEC", "a.b.w NSEC"]),
        ("x.w.example.org. CNAME", ["CNAME", "RRSIG"], ["NS", "RRSIG", "a.b.w NSEC"]),
        ("b.w.example.org. A", [], ["SOA", "RRSIG", "*.w NSEC"]),
        ("w.example.org. A", [], ["SOA", "RRSIG", "sub NSEC"]),
    ],
)
def test_with_do_come_signatures_and_proofs(asked: str, answer: list[str], authority: list[str]) -> None:
    name, kind = asked.split()
    found = lookup(SIGNED, names.parse(name), codes.type_number(kind), True)

    def brief(line: str) -> str:
        owner, rtype = line.split()[:2]
        own = owner.removesuffix("example.org.").removesuffix(".") or "@"
        return f"{own} NSEC" if rtype == "NSEC" else rtype

    assert [brief(line) for line in shown(found.answer)] == answer
    assert [brief(line) for line in shown(found.authority)] == authority
    assert all(line.startswith(name) for line in shown(found.answer)[:2])


def test_without_do_there_are_none() -> None:
    found = lookup(SIGNED, names.parse("zz.example.org."), codes.A)
    assert len(found.authority) == 1
