"""When a pool will be full, if it goes on filling as it did of late. Pure: counts and times are arguments."""

WINDOW = 7 * 86_400.0  # seconds that are looked back on
HORIZON = 10 * 366 * 86_400.0  # seconds: what would last longer is not told


def full_at(free: int, growth: int, now: float) -> float | None:
    """The time (seconds since the epoch) at which nothing will be free; None if that is not in sight.

    `growth` is by how many addresses the pool has become fuller within the last WINDOW seconds.
    """
    if growth <= 0:
        return None
    left = free * WINDOW / growth
    return now + left if left <= HORIZON else None
