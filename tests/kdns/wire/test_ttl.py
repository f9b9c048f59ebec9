"""The least TTL of a reply, and one TTL for all of its records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.wire import codes, edns, fit, ttl
from kdns.wire import records as rr_
from tests.kdns.asking import question, records

RRS = records("""
    www.example.org. 300 IN A 192.0.2.1
    www.example.org. 60 IN A 192.0.2.2
""")
OTHERS = records(". 5 IN NS ns.example.org.\na.b.example.org. 4294967295 IN TXT a b")


@pytest.mark.parametrize(("most", "least"), [(3600, 60), (30, 30), (0, 0)])
def test_the_least_ttl_is_within_its_bound(most: int, least: int) -> None:
    assert ttl.least(RRS, most) == least


def test_no_records_count_as_the_bound() -> None:
    assert ttl.least((), 3600) == 3600


@given(st.lists(st.sampled_from([*RRS, *OTHERS]), max_size=5), st.integers(0, 2**32 - 1))
def test_all_records_get_the_same_ttl(rrs: list[bytes], seconds: int) -> None:
    found = tuple(rr_.with_ttl(rr, seconds) for rr in rrs)
    assert ttl.each_in(b"".join(rrs), seconds) == found


@pytest.mark.parametrize(
    ("seconds", "low", "high", "clamped"), [(1, 5, 60, 5), (30, 5, 60, 30), (90, 5, 60, 60), (1, 90, 60, 60)]
)
def test_the_upper_bound_counts_where_the_bounds_cross(seconds: int, low: int, high: int, clamped: int) -> None:
    assert ttl.clamp(seconds, low, high) == clamped


@pytest.mark.parametrize("limit", [1232, 120])  # as it is, and compressed
def test_a_message_gets_other_ttls_where_its_records_stand(limit: int) -> None:
    asked = question("www.example.org. A")
    opt = edns.to_record(edns.Edns(1232, b"", edns.DO, 0, 1))
    sections = (ttl.each_in(b"".join(RRS), seconds) for seconds in (70_000, 9))
    before, after = (fit.fit(asked, codes.QR, (rrs, rrs, ()), opt, limit, limit)[2:] for rrs in sections)

    assert ttl.aged(before, 70_000, 9) == after
    assert ttl.aged(before, 70_001, 9) is None
