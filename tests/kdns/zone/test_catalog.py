"""Catalog zones (RFC 9432)."""

import pytest

from kdns.errors import ZoneError
from kdns.wire import names
from kdns.zone.catalog import Member, members
from tests.kdns.zones import zone

VERSION = 'version TXT "2"\n'


def test_lists_the_members_with_their_ids() -> None:
    listed = zone(VERSION + 'b.zones PTR example.net.\na.zones PTR Example.COM.\ngroup.a.zones TXT "x"')
    assert members(listed) == [
        Member(b"a", names.parse("example.com.")),
        Member(b"b", names.parse("example.net.")),
    ]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("", "must have exactly one version TXT record"),
        ('version TXT "1"', "has unsupported version"),
        (VERSION + "a.zones PTR x.\na.zones PTR y.", "must have exactly one PTR record"),
        (VERSION + "a.zones PTR x.\nb.zones PTR x.", "catalog member zone x. is listed twice"),
    ],
)
def test_refuses_what_is_no_catalog(lines: str, complaint: str) -> None:
    with pytest.raises(ZoneError, match=complaint):
        members(zone(lines))


def test_a_catalog_has_name_servers() -> None:
    with pytest.raises(ZoneError, match="has no NS record"):
        members(zone(VERSION, apex="$TTL 60\n@ SOA a b 1 2 3 4 5\n"))
