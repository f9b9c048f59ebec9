"""The functions that ask something of every element of a list: `any(list, # > 1)`.

`ask(item, index, so_far)` gives the predicate's value; `#`, `#index` and `#acc` are its names in the expression.
"""

from collections.abc import Callable, Mapping

from kdns.errors import EvaluationError
from kdns.expression.functions import sorted_values
from kdns.expression.operators import BINARY, truth
from kdns.expression.values import Kind, Value, show

Ask = Callable[..., Value]
Act = Callable[..., Value]

YES_OR_NO = frozenset(
    {"all", "any", "one", "none", "filter", "find", "findIndex", "findLast", "findLastIndex", "count"}
)

# Arguments at least and at most, and the kind of the result.
SHAPES: Mapping[str, tuple[int, int, Kind]] = {
    "all": (2, 2, Kind.BOOL), "any": (2, 2, Kind.BOOL), "one": (2, 2, Kind.BOOL), "none": (2, 2, Kind.BOOL),
    "map": (2, 2, Kind.LIST), "filter": (2, 2, Kind.LIST), "find": (2, 2, Kind.ANY), "findIndex": (2, 2, Kind.ANY),
    "findLast": (2, 2, Kind.ANY), "findLastIndex": (2, 2, Kind.ANY), "count": (1, 2, Kind.INT),
    "sum": (1, 2, Kind.ANY), "groupBy": (2, 2, Kind.MAP), "sortBy": (2, 3, Kind.LIST), "reduce": (2, 3, Kind.ANY),
}  # fmt: skip


def _hits(items: list[Value], ask: Ask) -> list[int]:
    """The places of the items of which the predicate is true."""
    return [index for index, item in enumerate(items) if truth(ask(item, index))]


def _find(items: list[Value], ask: Ask) -> Value:
    return next((item for index, item in enumerate(items) if truth(ask(item, index))), None)


def _find_index(items: list[Value], ask: Ask) -> Value:
    return next((index for index, item in enumerate(items) if truth(ask(item, index))), None)


def _find_last(items: list[Value], ask: Ask) -> Value:
    hits = _hits(items, ask)
    return items[hits[-1]] if hits else None


def _find_last_index(items: list[Value], ask: Ask) -> Value:
    hits = _hits(items, ask)
    return hits[-1] if hits else None


def _sum(items: list[Value], ask: Ask) -> Value:
    total: Value = 0
    for index, item in enumerate(items):
        total = BINARY["+"](total, ask(item, index))
    return total


def _group_by(items: list[Value], ask: Ask) -> Value:
    found: dict[str, list[Value]] = {}
    for index, item in enumerate(items):
        found.setdefault(show(ask(item, index)), []).append(item)
    return found


def _reduce(items: list[Value], ask: Ask, start: Value = None) -> Value:
    rest = list(enumerate(items))
    if start is None:
        if not rest:
            raise EvaluationError("reduce of empty array with no initial value")
        start = rest.pop(0)[1]
    for index, item in rest:
        start = ask(item, index, start)
    return start


def _each(items: list[Value], ask: Ask) -> list[Value]:
    return [ask(item, index) for index, item in enumerate(items)]


def _sort_by(items: list[Value], ask: Ask, order: Value = "asc") -> Value:
    return sorted_values(items, order, ask)


ACTS: Mapping[str, Act] = {
    "all": lambda items, ask: all(truth(ask(item, index)) for index, item in enumerate(items)),
    "any": lambda items, ask: any(truth(ask(item, index)) for index, item in enumerate(items)),
    "one": lambda items, ask: len(_hits(items, ask)) == 1,
    "none": lambda items, ask: not any(truth(ask(item, index)) for index, item in enumerate(items)),
    "map": _each,
    "filter": lambda items, ask: [items[index] for index in _hits(items, ask)],
    "find": _find,
    "findIndex": _find_index,
    "findLast": _find_last,
    "findLastIndex": _find_last_index,
    "count": lambda items, ask: len(_hits(items, ask)),
    "sum": _sum,
    "groupBy": _group_by,
    "sortBy": _sort_by,
    "reduce": _reduce,
}
