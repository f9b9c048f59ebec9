"""Records as text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import WireError
from kdns.wire import message, names, records


@pytest.mark.parametrize(
    "text",
    [
        "www.example.org. 30 IN A 192.0.2.1",
        "www.example.org. 30 IN AAAA 2001:db8::1",
        "_http._tcp.web.default.svc.cluster.local. 5 IN SRV 0 100 80 web.default.svc.cluster.local.",
        'x. 60 IN TXT "a b" "c"',
        r'x. 60 IN TXT "say \"hi\" \\ \255"',
        "x. 5 IN SOA ns.dns.x. hostmaster.x. 1 7200 1800 86400 5",
        r"x. 3 IN TYPE65280 \# 2 abcd",
        r"x. 3 IN TYPE65280 \# 0",
        'x. 3600 IN HINFO "ANY obsoleted" "See RFC 8482"',
        "x. 3600 CH MX 10 Mail.x.",
        'x. 3600 IN NAPTR 100 10 "u" "sip" "!^.*$!sip:info@example.com!" .',
    ],
)
def test_text_reads_back_as_itself(text: str) -> None:
    assert message.to_text(message.from_text(text)) == text


def test_ttl_and_class_may_be_left_out() -> None:
    assert message.from_text("x A 192.0.2.1", ttl=9) == message.from_text("x. 9 IN A 192.0.2.1")
    assert message.from_text("x IN 9 A 192.0.2.1") == message.from_text("x. 9 IN A 192.0.2.1")


@pytest.mark.parametrize(
    "text",
    ["", "x.", "x. A", "x. IN A 192.0.2", "x. FOO 1", "x..y. A 192.0.2.1", r"x. TYPE9 \# 3 abcd", "x. IN MX mail"],
)
def test_refuses_what_is_no_record(text: str) -> None:
    with pytest.raises(WireError):
        message.from_text(text)


@given(st.integers(0, 300), st.binary(max_size=60))
def test_any_rdata_has_a_text(kind: int, rdata: bytes) -> None:
    assert message.to_text(records.make(names.ROOT, kind, 1, rdata)).startswith(". 1 IN ")
