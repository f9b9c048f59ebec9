"""Master files: RFC 1035 section 5, RFC 2308, RFC 3597."""

import re
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import ZoneError
from kdns.wire import message, names, records
from kdns.zone import text
from tests.kdns.zones import rrs, shown


def test_reads_what_a_line_inherits_from_those_before() -> None:
    lines = """
    $TTL 1h
    $ORIGIN example.com.
    @ IN SOA ns.example.net. root (
        2026010100 ; serial
        4H 1H
        7D 30 )
      NS ns.example.net.
    www 300 IN A 192.0.2.1
      IN 60 AAAA 2001:db8::1
    rel 1m MX 10 mail
    abs. A 192.0.2.2
    """
    found = [message.to_text(rr) for rr in rrs("\n".join(line[4:] for line in lines.splitlines()))]
    assert found == [
        "example.com. 3600 IN SOA ns.example.net. root.example.com. 2026010100 14400 3600 604800 30",
        "example.com. 3600 IN NS ns.example.net.",
        "www.example.com. 300 IN A 192.0.2.1",
        "www.example.com. 60 IN AAAA 2001:db8::1",
        "rel.example.com. 60 IN MX 10 mail.example.com.",
        "abs. 3600 IN A 192.0.2.2",
    ]


@pytest.mark.parametrize(
    ("line", "shows"),
    [
        ('t 1 TXT "a;b (c)" d\\;e "\\"\\065"', 't.example.org. TXT "a;b (c)" "d;e" "\\"A"'),
        ("a\\.b\\032c 1 A 192.0.2.1 ; why", "a\\.b\\032c.example.org. A 192.0.2.1"),
        ("bücher 1 A 192.0.2.1", "b\\195\\188cher.example.org. A 192.0.2.1"),
        ("xn--bcher-kva 1 A 192.0.2.1", "xn--bcher-kva.example.org. A 192.0.2.1"),
        ("x 1 TYPE65280 \\# 3 01 0203", "x.example.org. TYPE65280 \\# 3 010203"),
        ("x 1 IN TYPE1 \\# 4 C0000201", "x.example.org. A 192.0.2.1"),
        ("x 1 CLASS1 A 192.0.2.1", "x.example.org. A 192.0.2.1"),
        ('x 1 caa 0 issue "ca.example"', 'x.example.org. CAA 0 issue "ca.example"'),
        ("x 1w2d TXT y", 'x.example.org. TXT "y"'),
        ("x 1 A ( 192.0.2.1\n)", "x.example.org. A 192.0.2.1"),
    ],
)
def test_reads_a_record(line: str, shows: str) -> None:
    assert shown(tuple(rrs(line))) == [shows]


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        *(
            ("MB x.", "0178 00"),
            ("MINFO x. y.", "0178 00 0179 00"),
            ("TALINK x. .", "0178 00 00"),
            ("UID 7", "00000007"),
        ),
        *(("EID 00 aB", "00ab"), ("UINFO x", "0178"), ("RESINFO qnamemin x=1", "08 716e616d656d696e 03 783d31")),
        *(
            ("NXNAME", ""),
            ("RKEY 0 3 8 AQID", "0000 03 08 010203"),
            (f"TA 1 8 1 {'ab' * 20}", f"0001 08 01 {'ab' * 20}"),
        ),
        *(("MD \\# 3 017800", "0178 00"), ("TYPE261 \\# 2 0178", "0178")),
    ],
)
def test_types_that_hardly_anybody_has_are_read_too(value: str, octets: str) -> None:
    (rr,) = rrs(f"@ 1 {value}")
    assert records.rdata(rr) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        ('HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.1', "0001 00 0001 0006 026832 026833 0004 0004 c0000201"),
        ("HTTPS 1 . port=8443 alpn=h2", "0001 00 0001 0003 026832 0003 0002 20fb"),
        ('SVCB 1 x. ( dohpath="/d{?dns}"\n)', "0001 0178 00 0007 0008 2f647b3f646e737d"),
        ('SVCB 1 x. key667="a b" key668="=" key666', "0001 0178 00 029a 0000 029b 0003 612062 029c 0001 3d"),
        ("SVCB 0 x", "0000 0178 076578616d706c65 036f7267 00"),
    ],
)
def test_parameters_of_a_service_may_be_quoted(value: str, octets: str) -> None:
    """RFC 9460 section 2.1."""
    (rr,) = rrs(f"@ 1 {value}")
    assert records.rdata(rr) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("\n@ 1 A 192.0.2", "db:2: Expected 4 octets in '192.0.2'"),
        ("@ A 192.0.2.1", "db:1: there is no TTL, and none before it"),
        ("  1 A 192.0.2.1", "db:1: there is no owner before this record"),
        ("@ 1 NONSENSE x", "db:1: unknown type or class 'NONSENSE'"),
        ("@ 1 MX 10", "db:1: too few or too many words for this type"),
        ("@ 1 MX 10 a b", "db:1: too few or too many words for this type"),
        ("@ 1", "db:1: too few or too many words for this type"),
        ("\n\n@ 1 ( A\n\n192.0.2.1", "db:3: the parenthesis is not closed"),
        ("@ 1 A 192.0.2.1 )", "db:1: a parenthesis is closed that is not open"),
        ('@ 1 TXT "x', "db:1: the quote is not closed"),
        (f"@ 1 TXT {'x' * 256}", "db:1: character-string of 256 octets"),
        ("a..b 1 A 192.0.2.1", "db:1: label of 0 octets"),
        ("a. 1 A 192.0.2.1\na.. 1 A 192.0.2.1", "db:2: label of 0 octets"),
        (f"{'a.' * 127} 1 A 192.0.2.1\na.{'a.' * 127} 1 A 192.0.2.1", "db:2: name of 257 octets"),
        (f"{'a.' * 124}a 1 A 192.0.2.1", "db:1: name of 263 octets"),
        ("x 9999999999 A 192.0.2.1", "db:1: more than 32 bits of seconds"),
        ("x 1 SRV 1 2 65536 y", "db:1: "),
        ("$INCLUDE absent", "absent: No such file or directory"),
        ("$TTL soon", "db:1: not a time in seconds: 'soon'"),
    ],
)
def test_says_what_is_wrong_and_where(lines: str, complaint: str) -> None:
    def read(path: str) -> Iterable[str]:
        if path != "db":
            raise FileNotFoundError(2, "No such file or directory")
        return lines.splitlines()

    with pytest.raises(ZoneError, match=rf"^{re.escape(complaint)}"):
        list(text.read("db", names.parse("example.org."), read))


def test_a_file_is_included_from_beside_and_its_origin_ends_with_it() -> None:
    files = {
        "zones/db": ["$TTL 9", "@ A 192.0.2.1", "$INCLUDE more/db sub", "www A 192.0.2.2"],
        "zones/more/db": ["@ A 192.0.2.3", "$ORIGIN x", "www A 192.0.2.4", "$INCLUDE third"],
        "zones/more/third": ["www A 192.0.2.5"],
    }
    found = shown(tuple(text.read("zones/db", names.parse("example.org."), lambda path: files[path])))
    assert found == [
        "example.org. A 192.0.2.1",
        "sub.example.org. A 192.0.2.3",
        "www.x.sub.example.org. A 192.0.2.4",
        "www.x.sub.example.org. A 192.0.2.5",
        "www.example.org. A 192.0.2.2",
    ]


def test_a_file_that_includes_itself_is_refused() -> None:
    with pytest.raises(ZoneError, match="db:1: too deeply nested"):
        list(text.read("db", names.parse("example.org."), lambda path: ["$INCLUDE db"]))


def test_an_soa_without_ttl_has_its_minimum() -> None:
    first, second = rrs("@ SOA a b 1 2 3 4 77\n@ NS a")
    assert (message.to_text(first).split()[1], message.to_text(second).split()[1]) == ("77", "77")


@given(st.text(max_size=200))
def test_no_text_does_anything_but_be_read_or_be_refused(anything: str) -> None:
    with suppress(ZoneError):
        list(text.read("db", names.parse("example.org."), lambda path: anything.splitlines()))


LABELS = st.sampled_from(["a", "b", "c-d", "*", r"e\.f", r"\065", "ü"])


@given(st.lists(st.lists(LABELS, min_size=1, max_size=4), max_size=8))
def test_an_absolute_name_is_itself_whatever_stood_before_it(found: list[list[str]]) -> None:
    texts = [f"{'.'.join(labels)}." for labels in found]
    owners = [records.owner(rr) for rr in rrs("".join(f"{each} 1 A 192.0.2.1\n" for each in texts))]
    assert owners == [names.parse(each) for each in texts]
