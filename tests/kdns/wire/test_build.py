"""Records from values."""

import pytest

from kdns.wire import build, codes, names
from kdns.wire.records import RR
from tests.kdns.asking import texts

OWNER, TARGET = names.parse("www.example.org"), names.parse("ns.example.org")


@pytest.mark.parametrize(
    ("rr", "text"),
    [
        (build.address(OWNER, 30, bytes((192, 0, 2, 1))), "www.example.org. 30 IN A 192.0.2.1"),
        (build.address(OWNER, 0, bytes(15) + b"\x01"), "www.example.org. 0 IN AAAA ::1"),
        (build.to_name(OWNER, codes.CNAME, 5, TARGET), "www.example.org. 5 IN CNAME ns.example.org."),
        (build.to_name(OWNER, codes.PTR, 5, TARGET), "www.example.org. 5 IN PTR ns.example.org."),
        (build.to_name(names.ROOT, codes.NS, 2**31 - 1, TARGET), ". 2147483647 IN NS ns.example.org."),
        (build.srv(OWNER, 5, 33, 65535, TARGET), "www.example.org. 5 IN SRV 0 33 65535 ns.example.org."),
        (build.srv(OWNER, 5, 33, 0, TARGET, priority=7), "www.example.org. 5 IN SRV 7 33 0 ns.example.org."),
        (build.txt(OWNER, 5, b"a b", b""), 'www.example.org. 5 IN TXT "a b" ""'),
        (
            build.soa(OWNER, 5, TARGET, names.ROOT, 2**32 + 7, minimum=30),
            "www.example.org. 5 IN SOA ns.example.org. . 7 7200 1800 86400 30",
        ),
    ],
)
def test_a_record_is_what_its_values_say(rr: RR, text: str) -> None:
    assert texts((rr,)) == [text]
