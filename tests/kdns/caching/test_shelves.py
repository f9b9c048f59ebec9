"""Which of a cache's two shelves holds what, and which entry answers."""

import pytest

from kdns.caching.entries import key_of
from kdns.caching.settings import Settings
from kdns.caching.shelves import DENIAL, SUCCESS, Shelves
from kdns.chain import Reply
from kdns.wire import codes, names
from tests.kdns.asking import question, records

WWW = question("www.example.org. A")
KEY = key_of(WWW)
SOA = "example.org. 60 IN SOA ns.example.org. hostmaster.example.org. 1 7200 1800 86400 60"
ANSWER = Reply(answer=records("www.example.org. 60 IN A 192.0.2.1"))
ALIAS = Reply(answer=records("www.example.org. 60 IN CNAME web.example.org."))
NXDOMAIN = Reply(codes.NXDOMAIN, authority=records(SOA))
NODATA = Reply(answer=ALIAS.answer, authority=records(SOA))
REFERRAL = Reply(authority=records("example.org. 60 IN NS ns.example.org."))
SERVFAIL = Reply(codes.SERVFAIL)


def shelves(**settings: object) -> Shelves:
    """Empty shelves."""
    return Shelves(Settings((names.ROOT,), **settings), lambda n: 0)  # type: ignore[arg-type]


def put(kept: Shelves, reply: Reply, now: float, *, refreshing: bool = False) -> tuple[str, bool] | None:
    """Judge a reply and keep it."""
    return kept.keep(KEY, kept.judge(WWW, reply, lambda: 0.0), now, refreshing=refreshing)


@pytest.mark.parametrize(
    ("reply", "shelf"),
    [
        (ANSWER, SUCCESS),
        (REFERRAL, SUCCESS),
        (Reply(), SUCCESS),
        (NXDOMAIN, DENIAL),
        (NODATA, DENIAL),
        (SERVFAIL, DENIAL),
    ],
)
def test_every_reply_has_its_shelf(reply: Reply, shelf: str) -> None:
    kept = shelves()

    assert put(kept, reply, 100.0) == (shelf, False)
    assert {name: len(store) for name, store in kept.stores.items()} == {SUCCESS: 0, DENIAL: 0} | {shelf: 1}


@pytest.mark.parametrize(
    ("first", "second", "settings", "found"),
    [
        (ANSWER, NXDOMAIN, {}, DENIAL),
        (ANSWER, SERVFAIL, {}, SUCCESS),
        (ANSWER, NXDOMAIN, {"stale": 60.0, "prefer_positive": True}, SUCCESS),
        (REFERRAL, NXDOMAIN, {"stale": 60.0, "prefer_positive": True}, DENIAL),
        (ANSWER, NXDOMAIN, {"prefer_positive": True}, DENIAL),
    ],
)
def test_one_of_two_entries_answers(first: Reply, second: Reply, settings: dict[str, object], found: str) -> None:
    kept = shelves(**settings)
    for reply in (first, second):
        put(kept, reply, 100.0)

    one = kept.find(KEY, 101.0)

    assert one is not None
    assert one.shelf == found


@pytest.mark.parametrize(
    ("settings", "refreshing", "denials"),
    [({}, False, 1), ({}, True, 0), ({"prefer_positive": True}, False, 0)],
)
def test_an_answer_that_replaces_a_denial_removes_it(
    settings: dict[str, object], refreshing: bool, denials: int
) -> None:
    kept = shelves(**settings)
    put(kept, NXDOMAIN, 100.0)
    put(kept, ANSWER, 101.0, refreshing=refreshing)

    assert len(kept.stores[DENIAL]) == denials


def test_with_prefer_positive_an_answer_outlives_what_took_its_place() -> None:
    kept = shelves(stale=600.0, prefer_positive=True)
    for now, reply in ((100.0, ANSWER), (170.0, REFERRAL), (175.0, REFERRAL)):
        put(kept, reply, now)

    found = kept.find(KEY, 180.0)

    assert found is not None
    assert found.entry.to_reply(60, authenticated=False).answer == ANSWER.answer


def test_an_entry_too_old_answers_nothing() -> None:
    kept = shelves(stale=10.0)
    put(kept, ANSWER, 100.0)

    assert kept.find(KEY, 169.0) is not None
    assert kept.find(KEY, 170.0) is None
    assert kept.newest(KEY) is not None
