"""Zones compared: which names end at a plugin."""

import pytest

from kdns.reach import Reach, overlaps
from kdns.wire import names


def zones(text: str) -> tuple[bytes, ...]:
    return tuple(map(names.parse, text.split()))


@pytest.mark.parametrize(
    ("zone", "others", "both"),
    [
        ("a.example.", "example. b.example. x.a.example.", "a.example. x.a.example."),
        ("example.", ".", "example."),
        (".", "example. .", "example. ."),
        ("badexample.", "example.", ""),
    ],
)
def test_zones_have_in_common_the_deeper_one_if_one_holds_the_other(zone: str, others: str, both: str) -> None:
    assert tuple(overlaps(names.parse(zone), zones(others))) == zones(both)


@pytest.mark.parametrize(
    ("zone", "ends", "spared", "all_end"),
    [
        ("a.example.", "example.", "", True),
        ("example.", "a.example.", "", False),
        ("example.", "example.", "a.example.", False),  # some of its names go on
        ("b.example.", "example.", "a.example.", True),
        ("x.a.example.", "example.", "a.example.", False),
        ("example.", "", "", False),
    ],
)
def test_a_zone_ends_if_no_name_of_it_is_spared(zone: str, ends: str, spared: str, all_end: bool) -> None:
    assert Reach(ends=zones(ends), spared=zones(spared)).ends_all(names.parse(zone)) is all_end
