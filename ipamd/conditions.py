"""Conditions of requests (RFC 9110 section 13): the entity tag of a thing is its revision. Pure.

Strategy: a condition is looked at in the transaction that it is for, so that nothing can change in between.
"""

from typing import NamedTuple

from ipamd.errors import PreconditionFailed

ANY = "*"


class Condition(NamedTuple):
    """Of which revisions a thing has to be (`match`) and must not be (`none_match`), as texts; `*` is any, None is all.

    Without the thing, `match` never holds and `none_match` always does.
    """

    match: frozenset[str] | None = None
    none_match: frozenset[str] | None = None

    def check(self, revision: int | None) -> None:
        """Raise PreconditionFailed unless what is at that revision, None if it is not there, is as it has to be."""
        here = frozenset() if revision is None else frozenset({ANY, str(revision)})
        if self.match is not None and not self.match & here:
            at = "it is not there" if revision is None else f"it is at revision {revision}"
            raise PreconditionFailed(f"If-Match does not hold: {at}", revision=revision and str(revision))
        if self.none_match is not None and self.none_match & here:
            raise PreconditionFailed(
                f"If-None-Match does not hold: it is at revision {revision}", revision=str(revision)
            )


ALWAYS = Condition()
