"""The daemon's time goes on by itself, whatever happens to the system's clock."""

from ipamd.clock import SteadyClock
from tests.ipamd.clock import Clock


def test_a_system_clock_that_is_set_changes_nothing() -> None:
    wall, running = Clock(), Clock()
    running.now = 50.0
    clock = SteadyClock(wall, running)
    begun = clock()
    assert begun == wall.now
    wall.now += 86_400
    running.now += 10
    assert clock() == begun + 10
    wall.now -= 999_999
    assert clock() == begun + 10


def test_it_does_not_go_back_from_one_start_to_the_next() -> None:
    wall, running = Clock(), Clock()
    clock = SteadyClock(wall, running)
    clock.begin(wall.now + 500)
    assert clock() == wall.now + 500
    clock.begin(wall.now)
    assert clock() == wall.now + 500


def test_by_default_it_shows_the_time_of_day() -> None:
    import_time = SteadyClock()
    assert import_time() > 1_700_000_000
