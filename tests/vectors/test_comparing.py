"""The comparison of a reply with what a vector expects: it lets the right reply pass, and no other."""

from typing import Any

import pytest

from kdns.wire import codes, edns, fit, names, tsig
from kdns.wire.edns import Edns
from kdns.wire.question import Question
from tests.kdns.asking import records
from tests.vectors.comparing import CHECKS, MODIFIERS, Came, alias_order, differences

ADDRESSES = """\
www.a.test. 60 IN A 192.0.2.1
www.a.test. 60 IN A 192.0.2.2
"""
SOA = "a.test. 30 IN SOA ns.a.test. admin.a.test. 7 7200 1800 86400 30"
RDATA = tsig.Signature(names.ROOT, names.ROOT, 9, 300, b"", 1, tsig.BADTIME, b"\0\0\0\0\0\7").record()[11:]
SIGNED = f"key. 0 ANY TYPE250 \\# {len(RDATA)} {RDATA.hex()}"
DETAIL = edns.pack_options([(edns.EDE, b"\0\x0fno such pod")])


def reply(
    answer: str = ADDRESSES,
    *,
    authority: str = "",
    additional: str = "",
    rcode: int = codes.NOERROR,
    flags: int = codes.AA,
    opt: Edns | None = None,
) -> Came:
    """A reply to `WWW.a.test. A`; records are zone-file text."""
    name = names.parse("WWW.a.test.")
    asked = Question(1, codes.RD, name, name.lower(), codes.A, codes.IN)
    sections = records(answer), records(authority), records(additional)
    octets = edns.to_record(opt) if opt else b""
    return Came(fit.fit(asked, codes.QR | codes.RD | flags | rcode, sections, octets, fit.MAX_TCP, fit.MAX_TCP))


def rr(owner: str, kind: str, rdata: str | None, ttl: int | None = 60) -> dict[str, Any]:
    """A record as vectors write it."""
    return {"name": owner, "ttl": ttl, "class": "IN", "type": kind, "rdata": rdata}


ONE = rr("www.a.test.", "A", "192.0.2.1")
OTHER = rr("www.a.test.", "A", "192.0.2.2")
TEXT = 'www.a.test. 60 IN TXT "one" "two"'
MIXED = "a.test. 60 IN CNAME b.test.\nb.test. 60 IN A 192.0.2.1\nb.test. 60 IN AAAA 2001:db8::1\n"
SIZE = len(reply().packet or b"")

ZONE = reply(SOA)._replace(rest=(reply().packet or b"", reply(SOA).packet or b""))  # a transfer in three messages

# Each row: a reply, what is expected of it and holds, and a fault planted in that.
CASES: list[tuple[Came, dict[str, Any], dict[str, Any]]] = [
    (reply(), {"rcode": "NOERROR"}, {"rcode": "NXDOMAIN"}),
    (reply(rcode=codes.NXDOMAIN), {"rcode": "NXDOMAIN"}, {"rcode": "NOERROR"}),
    (reply(), {"answer": [OTHER, ONE]}, {"answer": [ONE]}),
    (reply(), {"answer": [ONE, OTHER]}, {"answer": [ONE, ONE]}),
    (reply(), {"answer": [ONE, OTHER], "ordered": True}, {"answer": [OTHER, ONE], "ordered": True}),
    (reply(), {"answer": [ONE, OTHER]}, {"answer": [ONE, rr("www.a.test.", "A", "192.0.2.2", 61)]}),
    (reply(), {"answer": [ONE, OTHER]}, {"answer": [ONE, rr("WWW.a.test.", "A", "192.0.2.2")]}),
    (reply(), {"answer": [rr("www.a.test.", "A", None, None)] * 2}, {"answer": [rr("www.a.test.", "MX", None)] * 2}),
    (
        reply(),
        {"answer": [rr("www.a.test.", "A", f"192.0.2.{n}", 62) for n in (1, 2)], "ttl_slack": 2},
        {"answer": [rr("www.a.test.", "A", f"192.0.2.{n}", 62) for n in (1, 2)], "ttl_slack": 1},
    ),
    (reply(), {"answer": [], "ignore_owner": ["www.a.test."]}, {"answer": [], "ignore_owner": ["a.test."]}),
    (reply(TEXT), {"answer": [rr("www.a.test.", "TXT", '"onetwo"')]}, {"answer": [rr("www.a.test.", "TXT", '"one"')]}),
    (
        reply("", authority=SOA),
        {"answer": [], "ns": [rr("a.test.", "SOA", "ns.a.test. other. 9 1 1 1 1", 30)]},
        {"ns": [rr("a.test.", "SOA", "other.a.test. admin.a.test. 7 7200 1800 86400 30", 30)]},
    ),
    (reply(additional=ADDRESSES), {"extra": [ONE, OTHER]}, {"extra": []}),
    (reply(), {"answer_types": ["A", "A"]}, {"answer_types": ["A"]}),
    (reply(additional=MIXED), {"extra_types": ["CNAME", "A", "AAAA"]}, {"extra_types": ["A", "CNAME", "AAAA"]}),
    (reply(additional=MIXED), {"extra_owners": ["a.test.", "b.test.", "b.test."]}, {"extra_owners": ["b.test."]}),
    (reply(additional=ADDRESSES), {"extra_owner": "www.a.test."}, {"extra_owner": "a.test."}),
    (reply(), {"answer_contains": ["192.0.2.2", "60 IN A"]}, {"answer_contains": ["192.0.2.3"]}),
    (reply(TEXT), {"txt": "onetwo"}, {"txt": "one"}),
    (reply(), {"all_ttl": 60}, {"all_ttl": 59}),
    (reply(authority=SOA), {"ttl_first": 60}, {"all_ttl": 60}),
    (reply("", authority=SOA), {"ttl_first": 31, "ttl_slack": 1}, {"ttl_first": 31}),
    (reply(""), {"answer": []}, {"ttl_first": 0}),
    (reply(), {"flags": {"aa": True, "ra": False}}, {"flags": {"aa": True, "ra": True}}),
    (reply(), {"opcode": 0}, {"opcode": 5}),
    (reply(), {"question": "WWW.a.test."}, {"question": "www.a.test."}),
    (reply(), {"counts": {"answer": 2}}, {"counts": {"answer": 2, "extra": 1}}),
    (reply(), {"size_max": SIZE}, {"size_max": SIZE - 1}),
    (Came(b"\0" * 12), {"header_only": True}, {"rcode": "REFUSED"}),
    (reply(), {"header_only": False}, {"header_only": True}),
    (reply(), {"opt": None}, {"opt": {"bufsize": 1232, "do": False}}),
    (reply(opt=Edns(1232)), {"opt": {"bufsize": 1232, "do": False}}, {"opt": None}),
    (
        reply(opt=Edns(1232, flags=edns.DO)),
        {"opt": {"bufsize": 1232, "do": True}},
        {"opt": {"bufsize": 1232, "do": False}},
    ),
    (reply(opt=Edns(1232)), {"edns_options": []}, {"edns_options": [{"code": 3, "hex": ""}]}),
    (reply(opt=Edns(0, DETAIL)), {"ede": 15, "ede_text": "no such pod"}, {"ede": 16}),
    (reply(opt=Edns(0, DETAIL)), {"ede": 15}, {"ede_text": "no such"}),
    (reply(), {"rcode": "NOERROR"}, {"ede": 0}),
    (reply(), {"rdata_groups": [["192.0.2.1"], ["192.0.2.2"]]}, {"rdata_groups": [["192.0.2.2"], ["192.0.2.1"]]}),
    (reply(), {"rdata_groups": [["192.0.2.2", "192.0.2.1"]]}, {"rdata_groups": [["192.0.2.1"]]}),
    (reply(MIXED), {"group_order": ["CNAME", "A/AAAA"]}, {"group_order": ["A/AAAA", "CNAME"]}),
    (reply(), {"axfr": [ONE, OTHER]}, {"axfr": [ONE]}),
    (ZONE, {"axfr_types": ["SOA", "A", "A", "SOA"]}, {"axfr_types": ["SOA", "A", "SOA"]}),
    (ZONE, {"first_last": "SOA"}, {"first_last": "A"}),
    (ZONE, {"count_min": 4}, {"count_min": 5}),
    (reply(additional=SIGNED), {"tsig": True}, {"tsig": False}),
    (reply(), {"tsig": False}, {"tsig": True}),
    (reply(additional=SIGNED), {"tsig_error": "BADTIME"}, {"tsig_error": "BADSIG"}),
    (reply(additional=SIGNED), {"tsig_other_len": 6}, {"tsig_other_len": 0}),
    (reply(additional=SIGNED), {"tsig_time_signed": "client"}, {"tsig_time_signed": 0}),
    (Came(None), {"no_response": True}, {"rcode": "NOERROR"}),
    (reply(), {"rcode": "NOERROR"}, {"no_response": True}),
    (reply(), {"rcode": "NOERROR"}, {"rcode": "SERVFAIL", "answer": [ONE, OTHER]}),
]


@pytest.mark.parametrize(("came", "holds", "planted"), CASES, ids=lambda value: str(value)[:60])
def test_what_came_holds_and_a_planted_fault_is_found(
    came: Came, holds: dict[str, Any], planted: dict[str, Any]
) -> None:
    assert differences(holds, came) == []
    assert differences(planted, came)


def test_every_key_has_a_row_here() -> None:
    asked = {key for _, holds, planted in CASES for key in (holds | planted)}
    assert asked >= (CHECKS.keys() | MODIFIERS) - {"then", "note"}


def test_a_key_that_nobody_understands_is_no_pass() -> None:
    with pytest.raises(KeyError, match="colour"):
        differences({"colour": "blue"}, reply())


def test_octets_that_do_not_unpack_are_a_difference() -> None:
    assert "does not unpack" in differences({"rcode": "NOERROR"}, Came(b"\0\1\x81\0\0\1\0\1\0\0\0\0"))[0]


@pytest.mark.parametrize(
    ("answer", "in_order"),
    [
        (MIXED, True),
        ("b.test. 60 IN A 192.0.2.1\na.test. 60 IN CNAME b.test.\n", False),
        ("c.test. 60 IN CNAME a.test.\na.test. 60 IN CNAME b.test.\n", True),
    ],
)
def test_an_alias_comes_before_the_records_of_its_target(answer: str, in_order: bool) -> None:
    assert (list(alias_order(reply(answer).message)) == []) == in_order
