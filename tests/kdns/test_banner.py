"""What a server says at its start of what it serves."""

import pytest

from kdns.banner import is_preferred, zone_lines


def test_a_listener_has_a_line_for_each_zone_by_name() -> None:
    assert list(zone_lines("", "", 53, ["b.test.", ".", "a.test."])) == [".:53", "a.test.:53", "b.test.:53"]


def test_the_transport_and_the_address_show_where_there_is_one() -> None:
    assert list(zone_lines("tls://", "192.0.2.1", 853, ["a.test."])) == ["tls://a.test.:853 on 192.0.2.1"]


def test_an_unusual_name_is_warned_of_before_its_line() -> None:
    assert list(zone_lines("", "", 53, ["_tcp.test."])) == [
        'Warning: Domain "_tcp.test." does not follow RFC1035 preferred syntax',
        "_tcp.test.:53",
    ]


@pytest.mark.parametrize(
    ("zone", "preferred"),
    [
        (".", True),
        ("cluster.local.", True),
        ("a-1.test.", True),
        ("in-addr.arpa.", True),
        ("2.0.192.in-addr.arpa.", True),  # digits first, but reverse
        ("8.b.d.0.1.0.0.2.ip6.arpa.", True),
        ("a.test,b.test.", False),
        ("1.test.", False),
        ("-a.test.", False),
        ("a-.test.", False),
        ("a_b.test.", False),
        ("test", False),  # not absolute
        ("}.", False),
    ],
)
def test_preferred_names_are_letters_digits_and_inner_hyphens(zone: str, preferred: bool) -> None:
    assert is_preferred(zone) == preferred
