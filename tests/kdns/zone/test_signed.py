"""Zones signed beforehand: what is in them, and that other people's tools verify them."""

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdns.errors import ZoneError
from kdns.wire import codes, names, records
from kdns.wire.records import RR
from kdns.zone import signed
from kdns.zone.keys import Key
from kdns.zone.signing import Period
from tests.kdns.zone.signed import key
from tests.kdns.zones import rrs

ZONE = names.parse("example.org.")
NOW = 1_800_000_000
DAY = 86400
PERIOD = Period(0, 2**32 - 1)  # for tools that look at their own clock
APEX = """
example.org. 300 IN SOA ns.example.org. admin.example.org. 1 7200 1800 86400 60
example.org. 300 IN NS ns.example.org.
ns.example.org. 300 IN A 192.0.2.53
"""
TEXT = f"""{APEX}
www.example.org. 300 IN A 192.0.2.1
www.example.org. 300 IN A 192.0.2.2
WWW.example.org. 300 IN TXT "case"
a.very.deep.example.org. 300 IN AAAA 2001:db8::1
*.wild.example.org. 300 IN MX 10 www.example.org.
sub.example.org. 300 IN NS ns.sub.example.org.
ns.sub.example.org. 300 IN A 192.0.2.54
safe.example.org. 300 IN NS ns.safe.example.org.
safe.example.org. 300 IN TYPE43 \\# 36 000108020000000000000000000000000000000000000000000000000000000000000000
ns.safe.example.org. 300 IN A 192.0.2.55
alias.example.org. 300 IN CNAME www.example.org.
old.example.org. 300 IN DNAME new.example.org.
hidden.old.example.org. 300 IN A 192.0.2.56
"""


@pytest.fixture(scope="module")
def csk(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return key(tmp_path_factory.mktemp("keys"), "ECDSAP256SHA256", "-f", "KSK")


def made(text: str, by: Key, period: Period | None = None) -> list[RR]:
    now = int(time.time())
    return signed.signed(rrs(text), ZONE, [by], period or Period(now - 3600, now + 3600), NOW)


def kinds(zone: list[RR], name: str) -> list[str]:
    owner = names.parse(name)
    return sorted(codes.type_name(records.rtype(rr)) for rr in zone if records.owner(rr).lower() == owner)


def verified(zone: list[RR], directory: Path) -> None:
    file = directory / "zone"
    file.write_text("".join(f"{signed.to_text(rr)}\n" for rr in zone))
    subprocess.run(["ldns-verify-zone", str(file)], check=True, capture_output=True)
    subprocess.run(["dnssec-verify", "-z", "-o", "example.org", str(file)], check=True, capture_output=True)


def test_what_is_signed_is_verified_by_other_tools(csk: Key, tmp_path: Path) -> None:
    verified(made(TEXT, csk), tmp_path)


def test_a_zone_that_was_signed_is_signed_anew(csk: Key, tmp_path: Path) -> None:
    once = made(TEXT, csk)
    again = signed.signed(once, ZONE, [csk], PERIOD, NOW)
    assert [records.rtype(rr) for rr in again] == [records.rtype(rr) for rr in once]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "b", "*", "c-1"]), min_size=1, max_size=4),
            st.sampled_from(
                ["A 192.0.2.1", 'TXT "x"', "NS ns.example.org.", "MX 1 b.example.org.", "DNAME d.example."]
            ),
        ),
        max_size=12,
    )
)
def test_zones_of_any_shape_are_verified(csk: Key, tmp_path: Path, drawn: list[tuple[list[str], str]]) -> None:
    lines = [f"{'.'.join(labels)}.example.org. 300 IN {rdata}" for labels, rdata in drawn]
    wild_cuts = [line for line in lines if (" NS " in line or " DNAME " in line) and "*" in line]  # which no tool takes
    verified(made("\n".join([APEX, *(line for line in lines if line not in wild_cuts)]), csk), tmp_path)


def test_each_name_has_what_it_should(csk: Key) -> None:
    zone = made(TEXT, csk)
    assert records.rtype(zone[0]) == codes.SOA
    assert records.soa_serial(zone[0]) == NOW
    assert kinds(zone, "example.org.") == sorted(
        ["SOA", "NS", "DNSKEY", "CDS", "CDS", "CDNSKEY", "NSEC", *["RRSIG"] * 6]
    )
    assert kinds(zone, "www.example.org.") == ["A", "A", "NSEC", "RRSIG", "RRSIG", "RRSIG", "TXT"]
    assert kinds(zone, "sub.example.org.") == ["NS", "NSEC", "RRSIG"]
    assert kinds(zone, "safe.example.org.") == ["DS", "NS", "NSEC", "RRSIG", "RRSIG"]
    assert kinds(zone, "ns.sub.example.org.") == ["A"]
    assert kinds(zone, "deep.example.org.") == []
    assert kinds(zone, "old.example.org.") == ["DNAME", "NSEC", "RRSIG", "RRSIG"]
    assert kinds(zone, "hidden.old.example.org.") == ["A"]


@pytest.mark.parametrize(
    "value",
    [
        *('HTTPS 1 . alpn="h2,h3" port=8443 ipv6hint=2001:db8::1', 'SVCB 2 x. dohpath="/d{?dns}" key667="a b"'),
        *('TXT "a;b" "" "\\"\\\\" "\\000\\255"', 'CAA 0 issue "ca.example; a=b"', 'URI 10 1 "ftp://example.org/"'),
        *('NAPTR 100 10 "U" "E2U+sip" "!^\\\\+(.*)$!sip:\\\\1@x!" .', 'HINFO "a b" "c"', "SRV 1 2 3 X.example.org."),
        *("LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m", "RP a\\.b.example.org. c.example.org."),
        *("TLSA 3 1 1 " + "ab" * 32, "SSHFP 4 2 " + "cd" * 32, "DS 12345 13 2 " + "ef" * 32, "CERT PGP 0 0 AQID"),
        *("APL 1:192.0.2.0/24 !2:2001:db8::/32", "EUI48 00-00-5e-00-53-2a", "L32 10 192.0.2.1", "OPENPGPKEY AQID"),
        *("TYPE65280 \\# 3 010203", "CSYNC 66 3 A NS AAAA", "NSEC3PARAM 1 0 12 aabb", "DNAME x.example.org.", "MX 0 ."),
    ],
)
def test_what_is_written_is_read_again(value: str) -> None:
    (rr,) = rrs(f"@ 60 {value}")
    assert rrs(signed.to_text(rr)) == [rr]


def test_a_zone_needs_its_soa(csk: Key) -> None:
    with pytest.raises(ZoneError, match="no SOA record for origin"):
        made("www.example.org. 300 IN A 192.0.2.1", csk)


@pytest.mark.parametrize(
    ("days", "why"),
    [
        (0, ""),
        (6, ""),
        (6.1, "inception was 527040 seconds ago, more than 518400"),
        (-1, "inception is 86400 seconds in the future"),
    ],
)
def test_old_signatures_are_made_anew(csk: Key, days: float, why: str) -> None:
    zone = made(TEXT, csk, Period(NOW, NOW + 32 * DAY))
    assert signed.why_again(zone, NOW + int(days * DAY), 6 * DAY, 7 * DAY) == why


def test_signatures_that_end_soon_are_made_anew(csk: Key) -> None:
    zone = made(TEXT, csk, Period(NOW, NOW + 8 * DAY))
    assert signed.why_again(zone, NOW + DAY, 6 * DAY, 7 * DAY) == ""
    assert "less than 604800" in signed.why_again(zone, NOW + DAY + 1, 6 * DAY, 7 * DAY)


@pytest.mark.parametrize("text", ["", TEXT])
def test_a_zone_without_signatures_is_signed(text: str) -> None:
    assert signed.why_again(rrs(text), NOW, 6 * DAY, 7 * DAY) == "no SOA RRSIG found in first 100 records"
