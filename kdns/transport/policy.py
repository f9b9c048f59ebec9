"""In which order the upstreams are tried. Pure: chance is an argument, health is asked by a function.

A policy makes the list for one query; `tries` walks round it, passing over those that are down. When all are, the
health checks may be what is broken: one upstream is chosen by chance and tried all the same, as a last resort.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from typing import TypeVar

T = TypeVar("T")
Policy = Callable[[Sequence[T]], Sequence[T]]


def sequential(upstreams: Sequence[T]) -> Sequence[T]:
    """As the Corefile has them."""
    return upstreams


def random(chance: Random) -> Policy[T]:
    """Any order, each as likely."""
    return lambda upstreams: chance.sample(upstreams, len(upstreams)) if len(upstreams) > 1 else upstreams


def round_robin() -> Policy[T]:
    """Each upstream comes first in turn, the others follow in the Corefile's order. The second one is the first to."""
    turns = count(1)

    def order(upstreams: Sequence[T]) -> Sequence[T]:
        turn = next(turns) % len(upstreams)
        return [upstreams[turn], *upstreams[:turn], *upstreams[turn + 1 :]]

    return order


def tries(listing: Sequence[T], is_down: Callable[[T], bool], chance: Random) -> Iterator[tuple[T, bool]]:
    """Whom to ask next, without end, and whether that is a last resort since all are down."""
    while True:
        down = 0
        for upstream in listing:
            if not is_down(upstream):
                yield upstream, False
                continue
            down += 1
            if down == len(listing):
                yield chance.choice(listing), True
