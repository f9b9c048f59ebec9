"""Which connection the next query takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.transport.pool import Limits, Member, Pool
from kdns.wire.question import Question


class Line:
    """A connection that does nothing but remember whether it was closed."""

    proto = "udp"

    def __init__(self) -> None:
        self.is_closed = False

    async def exchange(self, question: Question, timeout: float) -> bytes:
        return b""

    def close(self) -> None:
        self.is_closed = True


class Lines:
    """Makes connections and remembers them."""

    def __init__(self) -> None:
        self.made: list[Line] = []

    def __call__(self) -> Line:
        self.made.append(Line())
        return self.made[-1]

    @property
    def open(self) -> int:
        """How many are open."""
        return sum(not line.is_closed for line in self.made)


def used(pool: Pool, now: float, *, good: bool = True) -> Member:
    """Take a connection and give it back."""
    member = pool.take(now)
    pool.give_back(member, now, good)
    return member


def test_an_idle_connection_is_used_again() -> None:
    pool = Pool(lines := Lines(), Limits())

    assert used(pool, 1.0) is used(pool, 2.0)
    assert len(lines.made) == 1


def test_the_connection_that_was_idle_longest_comes_first() -> None:
    pool = Pool(Lines(), Limits())
    members = [pool.take(1.0) for _ in range(3)]
    for now, member in enumerate(members):
        pool.give_back(member, 2.0 + now, good=True)

    assert [used(pool, 6.0) for _ in range(3)] == members


def test_beyond_the_most_connections_are_shared_in_turn() -> None:
    pool = Pool(lines := Lines(), Limits(most=2))
    first, second = pool.take(1.0), pool.take(1.0)

    assert [pool.take(1.0) for _ in range(4)] == [first, second, first, second]
    assert (first.load, second.load, len(lines.made)) == (3, 3, 2)


def test_queries_that_come_together_share_a_connection_until_it_is_used_up() -> None:
    pool = Pool(lines := Lines(), Limits(uses=4, together=3))
    first = [pool.take(1.0) for _ in range(3)]
    second = pool.take(1.0)
    assert len({*first}) == 1
    assert second is not first[0]
    for member in (*first, second):
        pool.give_back(member, 2.0, good=True)

    assert [used(pool, 3.0) for _ in range(2)] == [first[0], second]
    assert [line.is_closed for line in lines.made] == [True, False]


def test_a_connection_that_is_used_up_is_closed_when_its_last_query_is_over() -> None:
    pool = Pool(lines := Lines(), Limits(uses=2, together=2))
    members = [pool.take(1.0) for _ in range(2)]
    pool.give_back(members[0], 2.0, good=True)
    assert pool.take(2.0) is not members[0]
    assert not lines.made[0].is_closed
    pool.give_back(members[1], 3.0, good=True)

    assert [line.is_closed for line in lines.made] == [True, False]


@pytest.mark.parametrize(
    ("limits", "last", "closed"),
    [
        (Limits(expire=10), 11.0, False),
        (Limits(expire=10), 11.5, True),
        (Limits(expire=100, max_age=20), 21.0, False),
        (Limits(expire=100, max_age=20), 21.5, True),
    ],
)
def test_a_connection_is_given_up_when_idle_too_long_or_too_old(limits: Limits, last: float, closed: bool) -> None:
    pool = Pool(lines := Lines(), limits)
    used(pool, 1.0)
    pool.sweep(last)

    assert lines.made[0].is_closed is closed
    assert len(pool) == (0 if closed else 1)


def test_a_connection_that_the_other_side_closed_is_not_used_again() -> None:
    pool = Pool(lines := Lines(), Limits())
    used(pool, 1.0)
    lines.made[0].is_closed = True
    used(pool, 2.0)

    assert len(lines.made) == 2


def test_a_connection_on_which_an_exchange_failed_is_closed_when_its_others_are_over() -> None:
    pool = Pool(lines := Lines(), Limits(most=1))
    member = pool.take(1.0)
    assert pool.take(1.0) is member
    pool.give_back(member, 2.0, good=False)
    assert not lines.made[0].is_closed
    assert pool.take(2.0) is not member
    pool.give_back(member, 3.0, good=True)

    assert lines.made[0].is_closed


def test_a_connection_serves_only_so_many_queries() -> None:
    pool = Pool(lines := Lines(), Limits(uses=3))
    for _ in range(7):
        used(pool, 1.0)

    assert [line.is_closed for line in lines.made] == [True, True, False]


def test_only_so_many_connections_stay_idle() -> None:
    pool = Pool(lines := Lines(), Limits(max_idle=2))
    for member in [pool.take(1.0) for _ in range(5)]:
        pool.give_back(member, 2.0, good=True)

    assert lines.open == 2


def test_closing_spares_the_exchanges_under_way() -> None:
    pool = Pool(lines := Lines(), Limits())
    busy = pool.take(1.0)
    used(pool, 1.0)
    pool.close()
    assert [line.is_closed for line in lines.made] == [False, True]
    pool.give_back(busy, 2.0, good=True)

    assert lines.open == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=80))
def test_no_connection_is_lost(steps: list[tuple[int, bool, bool]]) -> None:
    pool = Pool(lines := Lines(), Limits(expire=7, max_age=20, max_idle=2, most=3, uses=4))
    out: list[Member] = []
    now = 0.0
    for passed, take, good in steps:
        now += passed
        if take:
            out.append(pool.take(now))
        elif out:
            pool.give_back(out.pop(0), now, good)
        assert not any(member.connection.is_closed for member in out)
    for member in out:
        pool.give_back(member, now, good=True)
    pool.close()

    assert lines.open == 0
