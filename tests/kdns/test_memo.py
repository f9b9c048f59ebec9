"""The memo: never an answer from before a change, never more than its room, never a hot answer lost to a flood."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kdns.chain import Ageing, Keep
from kdns.memo import Memo
from kdns.wire import codes, fit, records
from tests.kdns.asking import question
from tests.kdns.asking import records as texts_to_records

ROOMY = 1 << 20  # octets


def test_an_answer_is_found_until_its_name_changes() -> None:
    memo = Memo(ROOMY)
    memo.add(b"query", b"reply", Keep(names=(b"web", b"ns")))
    memo.add(b"other", b"reply2", Keep(names=(b"db",)))
    assert memo.find(b"query", 0.0) == b"reply"

    memo.forget([b"ns"])

    assert memo.find(b"query", 0.0) is None
    assert memo.find(b"other", 0.0) == b"reply2"
    assert memo.changes == 1


def test_an_answer_is_found_until_its_time_is_up() -> None:
    memo = Memo(ROOMY)
    memo.add(b"query", b"reply", Keep(until=10.0))

    assert memo.find(b"query", 9.9) == b"reply"
    assert memo.find(b"query", 10.0) is None
    assert len(memo) == 0


def test_what_is_asked_again_becomes_hot() -> None:
    memo = Memo(ROOMY)
    memo.add(b"query", b"reply", Keep())
    assert b"query" not in memo.hot

    memo.find(b"query", 0.0)

    assert memo.hot[b"query"].tails == [b"reply"]


def test_a_flood_of_names_never_asked_again_leaves_the_hot_ones() -> None:
    memo = Memo(40_000)
    for number in range(20):
        memo.add(b"hot%d" % number, b"reply", Keep())
        memo.find(b"hot%d" % number, 0.0)

    for number in range(5_000):
        memo.add(b"random%d" % number, b"nxdomain", Keep(names=(b"random%d" % number,)))

    assert all(b"hot%d" % number in memo.hot for number in range(20))
    assert memo.size <= 40_000
    assert len(memo._by_name) == len(memo) - 20


def test_a_full_hot_part_lets_go_of_what_is_not_asked_for() -> None:
    memo = Memo(40_000)
    for number in range(200):
        memo.add(b"q%d" % number, b"reply", Keep())
        memo.find(b"q%d" % number, 0.0)
        memo.find(b"q0", 0.0)

    assert b"q0" in memo.hot
    assert memo.size <= 40_000


def test_variants_are_collected_and_then_sent_in_turn() -> None:
    memo = Memo(ROOMY)
    for tail in (b"ab", b"ba", b"ab2"):
        assert memo.find(b"query", 0.0) is None
        memo.add(b"query", tail, Keep(variants=3))

    sent = [memo.find(b"query", 0.0) for _ in range(6)]

    assert sorted(sent[:3]) == sorted(sent[3:]) == [b"ab", b"ab2", b"ba"]  # type: ignore[type-var]


def test_hits_are_tallied_once() -> None:
    counted: list[int] = []
    memo = Memo(ROOMY)
    memo.add(b"query", b"reply", Keep(names=(b"web",)).tallied(counted.append))
    for _ in range(3):
        memo.find(b"query", 0.0)

    memo.settle()
    memo.settle()
    memo.find(b"query", 0.0)
    memo.forget([b"web"])

    assert counted == [3, 1]


KEYS = st.sampled_from([b"q%d" % number for number in range(12)])
NAMES = st.sampled_from([b"n%d" % number for number in range(4)])


class MemoAgainstAModel(RuleBasedStateMachine):
    """What the memo has must be what was last added and not since forgotten; it may always have less."""

    def __init__(self) -> None:
        super().__init__()
        self.memo = Memo(6_000)
        self.model: dict[bytes, tuple[bytes, tuple[bytes, ...]]] = {}
        self.serial = 0

    @rule(key=KEYS, names=st.lists(NAMES, max_size=2, unique=True))
    def add(self, key: bytes, names: list[bytes]) -> None:
        if self.memo.find(key, 0.0) is None:
            self.serial += 1
            self.model[key] = (b"%d" % self.serial, tuple(names))
            self.memo.add(key, self.model[key][0], Keep(names=tuple(names)))

    @rule(key=KEYS)
    def find(self, key: bytes) -> None:
        assert self.memo.find(key, 0.0) in (None, self.model.get(key, (None,))[0])

    @rule(name=NAMES)
    def change(self, name: bytes) -> None:
        self.memo.forget([name])
        self.model = {key: kept for key, kept in self.model.items() if name not in kept[1]}

    @rule()
    def clear(self) -> None:
        self.memo.clear()
        self.model.clear()

    @invariant()
    def stays_within_its_room(self) -> None:
        entries = {**self.memo.hot, **self.memo._young}
        assert self.memo.size == sum(entry.size for entry in entries.values()) <= 6_000
        assert all(keys <= entries.keys() for keys in self.memo._by_name.values())


MemoAgainstAModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMemoAgainstAModel = MemoAgainstAModel.TestCase


def test_an_answer_that_ages_is_sent_with_lower_ttls_until_its_chain_has_to_be_asked() -> None:
    asked = question("www.example.org. A")
    answer = texts_to_records("www.example.org. 9 IN A 192.0.2.1\nwww.example.org. 9 IN A 192.0.2.2")
    memo, times = Memo(ROOMY), list[float]()

    def later(now: float) -> tuple[int, float] | None:
        times.append(now)
        return (int(19 - now), int(now) + 1.0) if now < 12 else None

    def tail(seconds: int) -> bytes:
        sections = [records.with_ttl(rr, seconds) for rr in answer], (), ()
        return fit.fit(asked, codes.QR, sections, b"", 512, 512)[2:]

    memo.add(b"query", tail(9), Keep(until=11.0, ageing=Ageing(9, later)))

    assert [memo.find(b"query", now) for now in (10.5, 11.0, 11.5)] == [tail(9), tail(8), tail(8)]
    assert memo.find(b"query", 12.5) is None
    assert (times, len(memo)) == ([11.0, 12.5], 0)


def test_an_answer_with_a_ttl_of_its_own_does_not_age() -> None:
    asked = question("www.example.org. A")
    answer = texts_to_records("www.example.org. 9 IN A 192.0.2.1\nwww.example.org. 8 IN A 192.0.2.2")
    memo = Memo(ROOMY)
    sent = fit.fit(asked, codes.QR, (answer, (), ()), b"", 512, 512)
    memo.add(b"query", sent[2:], Keep(until=11.0, ageing=Ageing(9, lambda now: (8, 12.0))))

    assert memo.find(b"query", 11.0) is None
