"""Addresses and CIDRs, read and shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.errors import Invalid
from ipamd.ranges import Address, Cidr, read_address, read_block, read_cidr, show_address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("::", "::"),
    ],
)
def test_an_address_is_shown_in_canonical_form(text: str, shown: str) -> None:
    assert str(read_address(text)) == shown


def test_a_mapped_address_is_not_the_address_of_the_other_family() -> None:
    assert read_address("::ffff:10.0.0.1") != read_address("10.0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "010.0.0.1",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.1/32",
        " 10.0.0.1",
        "fe80::1%eth0",
        "1::2::3",
        "0x7f.1",
        "a",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_address(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("10.0.0.0", "address/length"),
        ("10.0.0.0/", "address/length"),
        ("10.0.0.0/33", "address/length"),
        ("10.0.0.0/-1", "address/length"),
        ("10.0.0.0/255.0.0.0", "address/length"),
        ("10/8", "no"),
        ("10.0.0.5/24", "the network is 10.0.0.0/24"),
        ("2001:db8::1/64", "the network is 2001:db8::/64"),
        ("2001:db8::/129", "address/length"),
        ("10.0.0.0/٨", "address/length"),
    ],
)
def test_what_is_no_cidr_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        read_cidr(text)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10.0.0.0/8", "10.0.0.0", "10.255.255.255"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
        ("192.0.2.1/32", "192.0.2.1", "192.0.2.1"),
        ("2001:db8::/126", "2001:db8::", "2001:db8::3"),
    ],
)
def test_a_cidr_knows_its_ends(text: str, first: str, last: str) -> None:
    cidr = read_cidr(text)

    assert str(cidr) == text
    assert (show_address(cidr.family, cidr.base), show_address(cidr.family, cidr.last)) == (first, last)


def test_a_single_address_is_a_block_of_full_length() -> None:
    assert str(read_block("2001:db8::1")) == "2001:db8::1/128"


@pytest.mark.parametrize(
    ("one", "other", "overlap", "holds"),
    [
        ("10.0.0.0/8", "10.1.0.0/16", True, True),
        ("10.1.0.0/16", "10.0.0.0/8", True, False),
        ("10.0.0.0/8", "11.0.0.0/8", False, False),
        ("0.0.0.0/0", "::/0", False, False),
    ],
)
def test_overlap_and_containment(one: str, other: str, overlap: bool, holds: bool) -> None:
    assert read_cidr(one).overlaps(read_cidr(other)) is overlap
    assert read_cidr(one).holds(read_cidr(other)) is holds


@given(st.sampled_from([4, 6]).flatmap(lambda f: st.tuples(st.just(f), st.integers(0, (1 << (32, 128)[f == 6]) - 1))))
def test_reading_undoes_showing(address: tuple[int, int]) -> None:
    assert read_address(show_address(*address)) == Address(*address)


@given(st.text(max_size=50))
def test_any_text_is_a_block_or_refused(text: str) -> None:
    try:
        block = read_block(text)
    except Invalid:
        return
    assert isinstance(block, Cidr)
    assert read_cidr(str(block)) == block
