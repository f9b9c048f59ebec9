"""Transfers on their way in, whole and by differences."""

import pytest

from kdns.errors import ZoneError
from kdns.wire import codes, names
from kdns.zone.incoming import Incoming, is_newer
from kdns.zone.zone import Zone
from tests.kdns.zones import rrs, shown, zone

ORIGIN = names.parse("example.org.")


def soa(serial: int) -> str:
    return f"@ 60 SOA ns hostmaster {serial} 7200 1800 86400 30"


def take(lines: list[str], before: Zone | None = None) -> Incoming:
    incoming = Incoming(ORIGIN, before)
    for rr in rrs("\n".join(lines)):
        incoming.take(rr)
    return incoming


def test_takes_a_whole_zone() -> None:
    came = take([soa(7), "@ 60 NS ns", "www 60 A 192.0.2.1", soa(7)])
    assert came.is_done
    assert shown(came.zone().rrset(names.parse("www.example.org."), codes.A)) == ["www.example.org. A 192.0.2.1"]


def test_takes_the_whole_zone_where_differences_were_asked_for() -> None:
    came = take([soa(9), "@ 60 NS ns", soa(9)], zone("www A 192.0.2.1"))
    assert came.is_done
    assert came.zone().node(names.parse("www.example.org.")) is None


def test_takes_differences_one_after_the_other() -> None:
    before = zone("old A 192.0.2.1\nkept A 192.0.2.2")
    came = take(
        [
            soa(9),
            soa(7),
            "old 60 A 192.0.2.1",
            soa(8),
            "mid 60 A 192.0.2.3",
            "new 60 A 192.0.2.4",
            soa(8),
            "mid 60 A 192.0.2.3",
            soa(9),
            "last 60 A 192.0.2.5",
            soa(9),
        ],
        before,
    )
    assert came.is_done
    owners = {line.split(".")[0] for line in shown(tuple(came.zone().records())) if " A " in line}
    assert (owners, came.zone().serial) == ({"kept", "new", "last", "ns"}, 9)


def test_a_single_soa_no_newer_says_that_nothing_is_new() -> None:
    assert take([soa(7)], zone("")).says_nothing_new
    assert not take([soa(8)], zone("")).says_nothing_new
    assert not take([soa(7)]).says_nothing_new


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["@ 60 NS ns"], "does not begin with an SOA"),
        ([soa(7), "@ 60 NS ns", soa(7), "x 60 A 192.0.2.1"], "records behind the end"),
        ([soa(9), soa(8), "x 60 A 192.0.2.1"], "differences from serial 8, but 7 is there"),
        ([soa(7), "x.example.net. 60 SOA a b 1 2 3 4 5"], "SOA of another zone"),
        ([soa(7), "x 60 NSEC3 1 0 0 - 00"], "NSEC3"),
    ],
)
def test_refuses_what_is_no_transfer(lines: list[str], complaint: str) -> None:
    with pytest.raises(ZoneError, match=complaint):
        take(lines, zone(""))


def test_refuses_a_record_without_rdata() -> None:
    incoming = Incoming(ORIGIN)
    incoming.take(rrs(soa(1))[0])
    with pytest.raises(ZoneError, match="MX without RDATA"):
        incoming.take(ORIGIN + b"\0\x0f\0\1\0\0\0\0\0\0")


@pytest.mark.parametrize(
    ("serial", "than", "newer"), [(2, 1, True), (1, 1, False), (1, 2, False), (0, 2**32 - 1, True), (2**31, 0, False)]
)
def test_serials_go_round(serial: int, than: int, newer: bool) -> None:
    assert is_newer(serial, than) is newer
