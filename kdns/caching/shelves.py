"""The two stores of a cache, and the rules: what is kept, where, for how long, and which entry answers a question.

Positive replies and referrals stand on one shelf, denials and failures on the other. Time is an argument: `now` in
monotonic seconds, `wall` in Unix seconds for the validity of signatures.
"""

from collections.abc import Callable
from typing import NamedTuple

from kdns.caching.entries import Entry, Key, Store, name_of
from kdns.caching.settings import Settings, Shelf
from kdns.chain import Reply
from kdns.wire import codes, names, records, ttl, verdict
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.verdict import ANSWER, DENIALS, FAILURE, NODATA, NXDOMAIN, UNFIT, Verdict

SUCCESS, DENIAL = "success", "denial"
_TIMED = ANSWER, NODATA, NXDOMAIN
FAIL_SAFE = 5  # seconds that a reply counts that has no TTL, or is of no class that has one


class Judged(NamedTuple):
    """A reply with all TTLs at what the rules make of them. `resolves`: its answer section answers the question."""

    reply: Reply
    verdict: Verdict
    lifetime: int  # seconds; 0: not kept
    resolves: bool

    @property
    def is_usable(self) -> bool:
        """Whether it is a whole, valid answer to the question."""
        return not self.reply.flags & codes.TC and self.verdict is ANSWER and self.resolves


class Found(NamedTuple):
    """An entry and the shelf that it stood on."""

    shelf: str
    entry: Entry


class Shelves:
    """See the module's head. `choose(n)` draws a number below n: which entry leaves a full store."""

    def __init__(self, settings: Settings, choose: Callable[[int], int]) -> None:
        self._settings = settings
        self._success = Store(settings.success.capacity, choose)
        self._denial = Store(settings.denial.capacity, choose)
        self.stores = {SUCCESS: self._success, DENIAL: self._denial}

    def find(self, key: Key, now: float) -> Found | None:
        """The entry that answers, fresh or stale within the settings' bounds.

        A denial comes before a positive entry, but a failure does not hide one. With prefer_positive an entry that
        answers comes first.
        """
        good = self._stands(SUCCESS, key, now)
        if self._settings.prefer_positive and self._settings.stale > 0:
            known = self._answering(key)
            if known is not None and known.is_within(now, self._settings.stale):
                return Found(SUCCESS, known)
        denied = self._stands(DENIAL, key, now)
        if denied is None or (denied.rcode == codes.SERVFAIL and good is not None):
            return Found(SUCCESS, good) if good is not None else None
        return Found(DENIAL, denied)

    def has(self, key: Key) -> bool:
        """Whether there is an entry, fresh or stale."""
        return key in self._success.entries or key in self._denial.entries

    def newest(self, key: Key) -> Entry | None:
        """The entry of a key on either shelf, however old; the denial first."""
        return self.stores[DENIAL].get(key) or self.stores[SUCCESS].get(key)

    def judge(self, question: Question, reply: Reply, wall: Callable[[], float]) -> Judged:
        """What a reply to a question is, and for how long it may be kept. Its OPT is for one hop and goes."""
        rcode, answer, authority, additional, flags, edns, cleared, bound, by, signer, keep = reply
        resolves = rcode == codes.NOERROR and verdict.resolves(question, answer)
        found = verdict.of_resolved(rcode, answer, authority, resolves)
        asked = question.edns
        wants_signatures = (asked is not None and asked.do) or (edns is not None and edns.do)
        if wants_signatures and _has_invalid_signature(reply, wall):
            found = UNFIT
        everything = (*answer, *authority, *additional)
        alike, seconds = ttl.levelled(everything, *self._bounds(found, bool(everything)))
        end = len(answer)
        rest = end + len(authority)
        answer, authority, additional = alike[:end], alike[end:rest], alike[rest:]
        plain = Reply(rcode, answer, authority, additional, flags, None, cleared, bound, by, signer, keep)
        return Judged(plain, found, seconds if _is_fit(found, reply, resolves) else 0, resolves)

    def keep(self, key: Key, judged: Judged, now: float, *, refreshing: bool) -> tuple[str, bool] | None:
        """Put a reply on its shelf: (which, whether another entry had to leave), or None if it is not to be kept.

        `refreshing`: it replaces what was kept before, so that an older denial goes.
        """
        reply, found, lifetime, resolves = judged
        shelf = DENIAL if found in DENIALS else SUCCESS
        settings = self._settings
        excepted = settings.except_denial if shelf == DENIAL else settings.except_success
        if lifetime <= 0 or (excepted and _is_in(name_of(key), excepted)):
            return None
        entry = Entry(reply, now, lifetime, resolves)
        if shelf == SUCCESS:
            if settings.prefer_positive and not resolves:
                entry.known_good = self._answering(key)
            if resolves if settings.prefer_positive else refreshing:
                self.stores[DENIAL].remove(key)
        return shelf, self.stores[shelf].put(key, entry)

    def _stands(self, shelf: str, key: Key, now: float) -> Entry | None:
        entry = self.stores[shelf].get(key)
        return entry if entry is not None and entry.is_within(now, self._settings.stale) else None

    def _answering(self, key: Key) -> Entry | None:
        entry = self.stores[SUCCESS].get(key)
        return entry if entry is None or entry.answering else entry.known_good

    def _bounds(self, found: Verdict, timed: bool) -> tuple[int, int]:
        """The least and the most seconds that a reply may be kept for; `timed`: it has records."""
        bounds: Shelf = self._settings.denial if found in DENIALS else self._settings.success
        if timed and found in _TIMED:
            return bounds.least, bounds.most
        seconds = int(self._settings.servfail) if found is FAILURE else ttl.clamp(FAIL_SAFE, bounds.least, bounds.most)
        return seconds, seconds


def _is_fit(found: Verdict, reply: Reply, resolves: bool) -> bool:
    """Whether a reply may be kept at all: whole, no error, a denial with its SOA, an answer that answers.

    An empty NOERROR is kept, since it may carry its data in the additional section.
    """
    if reply.flags & codes.TC or found is UNFIT:
        return False
    if found is NXDOMAIN:
        return verdict.has_soa(reply.authority)
    return found is not ANSWER or resolves or not reply.answer


def _has_invalid_signature(reply: Reply, wall: Callable[[], float]) -> bool:
    everything = (*reply.answer, *reply.authority, *reply.additional)
    signatures = [rr for rr in everything if records.rtype(rr) == codes.RRSIG]
    return any(not verdict.is_valid_at(rr, wall()) for rr in signatures)


def _is_in(name: Name, zones: tuple[Name, ...]) -> bool:
    return name.endswith(zones) and any(names.is_below(name, zone) for zone in zones)
