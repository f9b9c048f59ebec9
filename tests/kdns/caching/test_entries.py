"""Kept replies counted down, and the bounded store of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.caching.entries import Entry, Key, Store, key_of, name_of
from kdns.chain import Reply
from kdns.wire import codes, names
from kdns.wire.edns import Edns
from tests.kdns.asking import question, records, texts

REPLY = Reply(
    answer=records("www.example.org. 60 IN A 192.0.2.1"),
    authority=records("example.org. 60 IN NS ns.example.org."),
    additional=records("ns.example.org. 60 IN A 192.0.2.2"),
    flags=codes.RA | codes.AD,
    by="forward",
)


def entry(lifetime: int = 60) -> Entry:
    """A reply kept at second 100."""
    return Entry(REPLY, 100.0, lifetime, answering=True)


@pytest.mark.parametrize(
    ("now", "left", "next_drop"),
    [
        (100.0, 60, 101.0),
        (100.9, 60, 101.0),
        (101.0, 59, 102.0),
        (159.5, 1, 160.0),
        (160.0, 0, 161.0),
        (170.2, -10, 171.0),
    ],
)
def test_the_ttl_counts_down_once_a_second(now: float, left: int, next_drop: float) -> None:
    assert entry().remaining(now) == left
    assert entry().changes_at(now) == next_drop


@pytest.mark.parametrize(
    ("now", "stale", "is_within"),
    [(159.9, 0.0, True), (160.0, 0.0, False), (160.0, 1.0, True), (169.9, 10.0, True), (170.0, 10.0, False)],
)
def test_an_entry_may_be_stale_by_less_than_the_bound(now: float, stale: float, is_within: bool) -> None:
    assert entry().is_within(now, stale) is is_within


def test_hits_count_as_long_as_no_gap_is_too_long() -> None:
    kept = entry()
    for now in (110.0, 120.0, 180.0):
        kept.asked(now, gap=60.0)
    assert kept.hits == 3
    kept.asked(240.5, gap=60.0)
    assert kept.hits == 1


@pytest.mark.parametrize(
    ("hits", "now", "is_due"), [(2, 154.0, True), (1, 154.0, False), (2, 153.9, False), (2, 159.9, True)]
)
def test_an_entry_is_due_when_asked_for_often_and_near_its_end(hits: int, now: float, is_due: bool) -> None:
    kept = entry()
    kept.hits = hits
    assert kept.is_due(now, amount=2, percentage=10) is is_due


def test_one_refresh_at_a_time_and_after_a_failure_none_for_a_while() -> None:
    kept = entry()
    assert kept.begin_refresh(200.0)
    assert not kept.begin_refresh(200.0)
    kept.end_refresh(201.0, recheck=30.0, done=False)
    assert not kept.begin_refresh(230.9)
    assert kept.begin_refresh(231.0)
    kept.end_refresh(232.0, recheck=30.0, done=True)
    assert kept.begin_refresh(232.0)


def test_a_kept_reply_comes_back_with_one_ttl_authoritative_and_without_an_opt() -> None:
    reply = entry().to_reply(7, authenticated=True)

    assert texts(reply.answer) == ["www.example.org. 7 IN A 192.0.2.1"]
    assert texts(reply.authority) == ["example.org. 7 IN NS ns.example.org."]
    assert texts(reply.additional) == ["ns.example.org. 7 IN A 192.0.2.2"]
    assert reply.flags == codes.AA | codes.RA | codes.AD
    assert reply.edns is None
    assert reply.by == "cache"


def test_ad_is_for_those_who_understand_it() -> None:
    assert not entry().to_reply(7, authenticated=False).flags & codes.AD


@pytest.mark.parametrize(
    "other",
    [
        question("www.example.org. AAAA"),
        question("ww.example.org. A"),
        question("www.example.org. A", qclass=codes.CH),
        question("www.example.org. A", flags=codes.RD | codes.CD),
        question("www.example.org. A", edns=Edns(1232, flags=0x8000)),
    ],
)
def test_all_that_an_answer_may_depend_on_is_in_its_key(other: object) -> None:
    assert key_of(question("www.example.org. A")) != key_of(other)  # type: ignore[arg-type]


def test_neither_case_nor_udp_size_are() -> None:
    assert key_of(question("www.example.org. A")) == key_of(question("WWW.example.org. A", edns=Edns(1232)))


def key(number: int) -> Key:
    """A key like no other."""
    return key_of(question(f"n{number}.example.org. A"))


@pytest.mark.parametrize(("asked", "capacity"), [(0, 1024), (1023, 1024), (9984, 9984), (10000, 9984), (20000, 19968)])
def test_the_capacity_is_rounded_as_coredns_rounds_it(asked: int, capacity: int) -> None:
    assert Store(asked, lambda n: 0).capacity == capacity


def test_a_full_store_drops_the_entry_that_chance_chose() -> None:
    store = Store(1, lambda n: 17)
    assert not any(store.put(key(number), entry()) for number in range(1024))

    assert store.put(key(1024), entry())

    assert len(store) == 1024
    assert store.get(key(17)) is None
    assert store.get(key(1024)) is not None


def test_an_entry_in_the_place_of_another_evicts_nothing() -> None:
    store = Store(1, lambda n: 0)
    for number in range(1024):
        store.put(key(number), entry())

    assert not store.put(key(5), fresh := entry())
    assert store.get(key(5)) is fresh


STEPS = st.lists(st.tuples(st.sampled_from(["put", "remove"]), st.integers(0, 12)), max_size=60)


@given(STEPS, st.randoms(use_true_random=False))
def test_a_store_is_a_bounded_dict(steps: list[tuple[str, int]], chance: object) -> None:
    store, model = Store(0, chance.randrange), {}  # type: ignore[attr-defined]
    store.capacity = 5
    for what, number in steps:
        kept = entry()
        if what == "remove":
            store.remove(key(number))
            model.pop(number, None)
        elif store.put(key(number), kept):
            gone = {known for known in model if store.get(key(known)) is None}
            assert len(model) == 5
            assert len(gone) == 1
            model = {known: value for known, value in model.items() if known not in gone} | {number: kept}
        else:
            model[number] = kept
        assert len(store) == len(model) <= 5
        assert all(store.get(key(known)) is value for known, value in model.items())


def test_the_key_holds_the_name_itself() -> None:
    assert name_of(key(1)) == names.parse("n1.example.org")
