"""Attachments that were deleted a short while ago."""

from ipamd.cni.attachments import Key
from ipamd.cni.tombstones import KEPT, Tombstones

KEY, OTHER = Key("net", "c1", "eth0"), Key("net", "c2", "eth0")


def test_an_add_is_overtaken_by_a_del_that_was_started_after_it() -> None:
    stones = Tombstones()
    stones.bury(KEY, 100, now=0)

    assert stones.has_overtaken(KEY, 99, now=1)
    assert not stones.has_overtaken(KEY, 101, now=1)
    assert not stones.has_overtaken(OTHER, 99, now=1)
    assert not stones.has_overtaken(KEY, None, now=1)


def test_a_tombstone_is_kept_for_a_bounded_time() -> None:
    stones = Tombstones()
    stones.bury(KEY, 100, now=0)

    assert not stones.has_overtaken(KEY, 99, now=KEPT)


def test_a_later_del_is_what_counts() -> None:
    stones = Tombstones()
    for started in (100, 200):
        stones.bury(KEY, started, now=0)
    stones.bury(OTHER, None, now=KEPT + 1)

    assert not stones.has_overtaken(KEY, 150, now=KEPT + 1)
    stones.bury(KEY, 300, now=KEPT + 1)
    assert stones.has_overtaken(KEY, 250, now=KEPT + 2)
