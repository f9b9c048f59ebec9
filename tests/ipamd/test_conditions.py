"""Conditions of requests: If-Match and If-None-Match."""

import pytest

from ipamd.conditions import ALWAYS, Condition
from ipamd.errors import PreconditionFailed

SOME, ANY = frozenset({"7", "8"}), frozenset({"*"})


@pytest.mark.parametrize(
    ("condition", "holds_at"),
    [
        (ALWAYS, {None, 6, 7}),
        (Condition(match=SOME), {7}),
        (Condition(match=ANY), {6, 7}),
        (Condition(match=frozenset()), set()),
        (Condition(none_match=SOME), {None, 6}),
        (Condition(none_match=ANY), {None}),
        (Condition(match=ANY, none_match=SOME), {6}),
    ],
)
def test_a_condition_holds_at_some_revisions(condition: Condition, holds_at: set[int | None]) -> None:
    for revision in (None, 6, 7):
        if revision in holds_at:
            condition.check(revision)
        else:
            with pytest.raises(PreconditionFailed) as refused:
                condition.check(revision)
            assert refused.value.members == {"revision": None if revision is None else str(revision)}
