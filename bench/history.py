"""Whether what concurrent clients saw of an allocator can have happened one after the other: linearizability. Pure.

Strategy: what is told apart by a key (an address, or an owner, which has one lease in a pool) commutes, so a history is
linearizable if the part of every key is (Herlihy and Wing, "locality"). Of a key there is little to know: which lease
has it, and at which generation. The parts are searched as Wing and Gong do, what was tried before is not tried again
(Lowe). What nobody answered may have happened, at any time after it was asked for, or not at all.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from math import inf
from typing import Literal, NamedTuple

Held = tuple[int, int] | None
"""The id and generation of the lease that a key has, if it has one."""

What = Literal["new", "again", "renewed", "released", "gone", "stale", "taken", "free"]


class Seen(NamedTuple):
    """What a client saw of one lease: `new` for it, got `again`, `renewed`, `released`, not there any more (`gone`).

    `stale`: it is of another generation than was said; `taken`: the address is somebody's, whosever; `free`: nobody's.
    Times are in seconds on one clock. `is_known`: it was answered, and so it happened between the two times.
    """

    what: What
    address: str
    owner: str
    lease: int
    generation: int
    called: float
    answered: float
    is_known: bool = True


class Life(NamedTuple):
    """The longest that a lease can have stood: from when it was asked for until its release was answered."""

    since: float
    until: float


class Refused(NamedTuple):
    """How many addresses were asked for, and between which times it was said that there are not so many."""

    asked: int
    called: float
    answered: float


def after(seen: Seen, held: Held) -> tuple[bool, Held]:
    """Whether that can be seen of a key that has this, and what it has then."""
    lease, generation = held or (0, 0)
    own = seen.lease, seen.generation
    match seen.what:
        case "new":
            return held is None, own
        case "again":
            return held == own, held
        case "renewed" if not seen.is_known:
            return lease == seen.lease, (lease, generation + 1)
        case "renewed":
            return held == (seen.lease, seen.generation - 1), own
        case "released":
            return lease == seen.lease, None
        case "gone":
            return lease != seen.lease, held
        case "stale":
            return lease == seen.lease and generation != seen.generation, held
        case "taken":
            return held is not None, held
        case "free":
            return held is None, held


def is_linearizable(part: Iterable[Seen], held: Held = None) -> bool:
    """Whether the part of one key can have happened in some order, which began with what the key had."""
    seen = sorted(part, key=lambda each: each.called)
    needed = sum(1 << index for index, each in enumerate(seen) if each.is_known)
    tried: set[tuple[int, Held]] = set()
    stack = [(0, held)]
    while stack:
        at = done, held = stack.pop()
        if done & needed == needed:
            return True
        if at not in tried:
            tried.add(at)
            stack += [(done | 1 << index, then) for index in possible(seen, done) for then in step(seen[index], held)]
    return False


def step(seen: Seen, held: Held) -> list[Held]:
    """What the key has then, if that can be seen."""
    can_be, then = after(seen, held)
    return [then] if can_be else []


def possible(seen: Sequence[Seen], done: int) -> list[int]:
    """What can have come next, by position: what had begun before anything was answered that is not done."""
    index = (~done & (done + 1)).bit_length() - 1  # the first that is not done
    found, earliest = [], inf
    while index < len(seen) and seen[index].called <= earliest:
        if not done >> index & 1:
            found.append(index)
            earliest = min(earliest, seen[index].answered)
        index += 1
    return [index for index in found if seen[index].called <= earliest]


def flaws(history: Iterable[Seen], before: Mapping[str, Held]) -> list[str]:
    """The keys, addresses and owners, of which the history is not linearizable; `before`: what each had."""
    parts: dict[str, list[Seen]] = {}
    for seen in history:
        for key in (seen.address, seen.owner):
            if key:
                parts.setdefault(key, []).append(seen)
    return [key for key, part in parts.items() if not is_linearizable(part, before.get(key))]


def contradictions(history: Iterable[Seen]) -> list[int]:
    """The leases that were seen under two addresses, or with two owners."""
    said: dict[int, set[tuple[str, str]]] = {}
    for seen in history:
        if seen.lease:
            said.setdefault(seen.lease, set()).add((seen.address, seen.owner))
    return [lease for lease, each in said.items() if len(each) > 1]


def releases(history: Iterable[Seen]) -> list[Seen]:
    """The release of every lease that was released: the one that did it, or the earliest of those that may have."""
    ends: dict[int, Seen] = {}
    for seen in history:
        if seen.what == "released":
            other = ends.get(seen.lease, seen)
            ends[seen.lease] = min(seen, other, key=lambda each: (not each.is_known, each.called))
    return [*ends.values()]


def too_soon(history: Sequence[Seen], seconds: float) -> list[str]:
    """The addresses that somebody got who had not had them, sooner than that after they were released.

    The ids of leases grow, so the one with the greater id is the later one of an address.
    """
    given: dict[str, list[Seen]] = {}
    for seen in history:
        if seen.what == "new":
            given.setdefault(seen.address, []).append(seen)
    return [
        end.address
        for end in releases(history)
        for new in given.get(end.address, ())
        if new.lease > end.lease and new.owner != end.owner and new.answered < end.called + seconds
    ]


def wrongly_exhausted(lives: Sequence[Life], refusals: Sequence[Refused], capacity: int) -> int:
    """How many were told that a pool of that capacity was exhausted while at no time it can have been."""
    turns = sorted([(life.since, 1) for life in lives] + [(life.until, -1) for life in lives], key=lambda turn: turn[0])
    times = [time for time, _ in turns]
    counts = [0, *accumulate(change for _, change in turns)]
    wrong = 0
    for refused in refusals:
        first, last = bisect_left(times, refused.called), bisect_right(times, refused.answered)
        wrong += max(counts[first : last + 1]) + refused.asked <= capacity
    return wrong
