"""A zone that clients may change (RFC 2136): each update is checked, written down and served in one step of the loop.

Nothing is awaited between looking at the zone and replacing it, so that updates come one after the other and each
prerequisite holds when its update is made. The step includes the sync of the journal; the bounds on zone and update
keep it short.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from kdns.authority.journal import Journal
from kdns.errors import StartError, WireError, ZoneError
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone import update
from kdns.zone.change import changed
from kdns.zone.update import Change
from kdns.zone.zone import Zone, built

SLACK = 1 << 20  # octets of changes that a journal may always have

May = Callable[[Name, int], bool]  # whether a client may change records of a name (lower-cased) and type


class Size(NamedTuple):
    """How many records a zone has, and the octets of their wire form."""

    records: int
    octets: int

    def after(self, change: Change) -> "Size":
        """The size of the zone that a change makes of one of this size."""
        count = len(change.added) - len(change.deleted)
        came, went = sum(map(len, (change.after, *change.added))), sum(map(len, (change.before, *change.deleted)))
        return Size(self.records + count, self.octets + came - went)


def size_of(zone: Zone) -> Size:
    """The size of a zone, counted."""
    sizes = [len(rr) for rr in zone.records()][1:]  # the SOA comes twice
    return Size(len(sizes), sum(sizes))


class Limits(NamedTuple):
    """How many records a zone may have, and octets of them; how many records an update may have."""

    records: int = 10_000
    octets: int = 8 << 20
    update: int = 1024

    def admit(self, size: Size) -> bool:
        """Whether a zone of that size is within them."""
        return size.records <= self.records and size.octets <= self.octets


class Updated(NamedTuple):
    """What an update was answered: an RCODE, and the zone that it made, None if it is the one before."""

    rcode: int
    zone: Zone | None = None


class Writable:
    """The state of one zone: what is served, the changes that led there, the journal (None: memory only)."""

    def __init__(self, zone: Zone, journal: Journal | None = None, changes: Sequence[Change] = ()) -> None:
        self.zone = zone
        self.size = size_of(zone)
        self.holders = 1
        self._journal = journal
        self._changes = list(changes)

    def update(self, wanted: Sequence[RR], updates: Sequence[RR], may: May, limits: Limits) -> Updated:
        """Process an update's two sections, in the RFC's order (section 3.8). OSError if it cannot be written down."""
        if len(wanted) + len(updates) > limits.update:
            return Updated(codes.REFUSED)
        rcode = update.prerequisites(self.zone, wanted)
        if rcode:
            return Updated(rcode)
        if not all(may(records.owner(rr).lower(), records.rtype(rr)) for rr in updates):
            return Updated(codes.REFUSED)
        rcode = update.prescan(self.zone.origin, updates)
        if rcode:
            return Updated(rcode)
        change = update.worked_out(self.zone, updates)
        return Updated(codes.NOERROR) if change is None else self._commit(change, limits)

    def differences(self, serial: int) -> tuple[RR, ...] | None:
        """An IXFR from a serial to what is served; None where the changes do not go back that far."""
        at = next((at for at, each in enumerate(self._changes) if records.soa_serial(each.before) == serial), None)
        if at is None:
            return None
        soa = self.zone.soa
        return (soa, *(rr for change in self._changes[at:] for rr in change.sequence()), soa)

    def hold(self) -> "Writable":
        """The same for one holder more: each has to let it go."""
        self.holders += 1
        return self

    def let_go(self) -> None:
        """Close the journal with its last holder."""
        self.holders -= 1
        if not self.holders and self._journal is not None:
            self._journal.close()

    def _commit(self, change: Change, limits: Limits) -> Updated:
        size = self.size.after(change)
        if not limits.admit(size):
            return Updated(codes.REFUSED)
        zone = changed(self.zone, change.deleted, (change.after, *change.added))
        if self._journal is not None:
            self._write(self._journal, change, zone)
        self._changes.append(change)
        self._forget_old(limits)
        self.zone, self.size = zone, size
        return Updated(codes.NOERROR, zone)

    def _write(self, journal: Journal, change: Change, zone: Zone) -> None:
        """Append the change; where changes take more room than the zone, begin with the zone anew."""
        if journal.size <= journal.first * 2 + SLACK:
            journal.append(change.sequence())
            return
        self._journal = journal.remade(tuple(zone.records())[:-1])
        self._changes.clear()

    def _forget_old(self, limits: Limits) -> None:
        """Differences longer than the zone may be are of no use to secondaries."""
        while sum(len(each.deleted) + len(each.added) + 2 for each in self._changes) > limits.records:
            del self._changes[0]


def restored(path: Path, origin: Name) -> Writable:
    """A zone as its journal has it. FileNotFoundError without a journal; StartError for a damaged one."""
    journal, entries = Journal.open(path)
    try:
        zone = built(origin, entries[0])
        if records.owner(zone.soa).lower() != origin:
            raise StartError(f"database {path} has another zone than {names.show(origin)}")
        changes = [update.of_sequence(entry) for entry in entries[1:]]
        for change in changes:
            if change.before != zone.soa:
                raise ZoneError("a change that does not follow from the one before")
            zone = changed(zone, change.deleted, (change.after, *change.added))
    except (ZoneError, WireError) as fault:
        journal.close()
        raise StartError(f"database {path} is damaged: {fault}") from None
    except StartError:
        journal.close()
        raise
    return Writable(zone, journal, changes)


def begun(path: Path | None, zone: Zone) -> Writable:
    """A zone of which nothing is written down yet. OSError if the journal cannot be."""
    return Writable(zone, Journal.create(path, tuple(zone.records())[:-1]) if path else None)


def faults(zone: Zone) -> str | None:
    """Why a zone cannot be changed by its clients, in words; None of one that can."""
    for key, node in zone.nodes.items():
        kinds = {records.rtype(rr) for rr in node}
        if kinds & update.UNSIGNABLE:
            return f"{names.show(key)} has records that an update would leave wrong (DNSSEC)"
        if node and not names.is_below(key, zone.origin):
            return f"{names.show(key)} is outside of the zone"
        if codes.CNAME in kinds and len(node) > 1:
            return f"{names.show(key)} has other records beside its CNAME"
    if zone.soa_signatures or zone.ns_signatures:
        return "it is signed"
    if not zone.ns or not zone.serial:
        return "it needs an NS at its apex, and a serial other than 0"
    return None
