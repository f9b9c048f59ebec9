"""A zone transfer on its way in: records in, a zone out, whole (RFC 5936) or by its differences (RFC 1995). Pure.

The first record is the zone's new SOA. What comes second tells the form: another SOA begins the differences, from the
serial that is there to the new one; anything else is the whole zone up to the SOA again.
"""

from enum import Enum

from kdns.errors import ZoneError
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone.change import Identity, changed, identity
from kdns.zone.zone import Builder, Zone

_WITH_RDATA = frozenset(
    {codes.A, codes.NS, codes.CNAME, codes.SOA, codes.PTR, codes.MX, codes.AAAA, codes.SRV, codes.DNAME, codes.SVCB}
    | {codes.HTTPS, codes.RRSIG, codes.NSEC}
)


class _Form(Enum):
    BEGUN = "the SOA came"
    WHOLE = "all records"
    DELETED = "records to take out"
    ADDED = "records to put in"


class Incoming:
    """One transfer. `before` is what is there of the zone; None for a transfer that must be whole."""

    def __init__(self, origin: Name, before: Zone | None = None) -> None:
        self._origin = origin
        self._before = before
        self._builder = Builder(origin)
        self._form: _Form | None = None
        self._serial = 0
        self._deleted: dict[Identity, RR] = {}
        self._added: dict[Identity, RR] = {}
        self.is_done = False

    @property
    def says_nothing_new(self) -> bool:
        """Whether all that came is one SOA, no newer than what is there."""
        return (
            self._form is _Form.BEGUN and self._before is not None and not is_newer(self._serial, self._before.serial)
        )

    def take(self, rr: RR) -> None:
        """The next record. ZoneError for one that has no place here."""
        if self.is_done:
            raise ZoneError("records behind the end of the transfer")
        kind = records.rtype(rr)
        if kind in _WITH_RDATA and not records.rdata(rr):
            raise ZoneError(f"{codes.type_name(kind)} without RDATA")
        is_soa = kind == codes.SOA
        if is_soa and records.owner(rr).lower() != self._origin:
            raise ZoneError(f"SOA of another zone: {names.show(records.owner(rr))}")
        if self._form is None:
            self._begin(rr, is_soa)
        elif self._form is _Form.BEGUN:
            self._second(rr, is_soa)
        elif self._form is _Form.WHOLE:
            self._whole(rr, is_soa)
        else:
            self._difference(rr, is_soa)

    def zone(self) -> Zone:
        """The zone that came, once `is_done`. ZoneError if it is none."""
        if self._form is _Form.WHOLE or self._before is None:
            return self._builder.build()
        return changed(self._before, self._deleted.values(), self._added.values())

    def _begin(self, rr: RR, is_soa: bool) -> None:
        if not is_soa:
            raise ZoneError("the transfer does not begin with an SOA")
        self._builder.add(rr)
        self._serial = records.soa_serial(rr)
        self._form = _Form.BEGUN

    def _second(self, rr: RR, is_soa: bool) -> None:
        differs = is_soa and self._before is not None and records.soa_serial(rr) != self._serial
        self._form = _Form.ADDED if differs else _Form.WHOLE
        (self._difference if differs else self._whole)(rr, is_soa)

    def _whole(self, rr: RR, is_soa: bool) -> None:
        if is_soa:
            self.is_done = True
        else:
            self._builder.add(rr)

    def _difference(self, rr: RR, is_soa: bool) -> None:
        if self._form is _Form.DELETED and not is_soa:
            key = identity(rr)
            self._added.pop(key, None)
            self._deleted[key] = rr
        elif not is_soa:
            self._added[identity(rr)] = rr
        elif self._form is _Form.DELETED:
            self._added[(self._origin, codes.SOA, b"")] = rr
            self._form = _Form.ADDED
        else:
            self._next_difference(records.soa_serial(rr))

    def _next_difference(self, serial: int) -> None:
        """An SOA behind additions: the end, or the serial from which the next differences lead on."""
        last = self._added.get((self._origin, codes.SOA, b""))
        here = records.soa_serial(last) if last else self._before.serial if self._before else 0
        if serial != here:
            raise ZoneError(f"differences from serial {serial}, but {here} is there")
        if last and serial == self._serial:
            self.is_done = True
        self._form = _Form.DELETED


def is_newer(serial: int, than: int) -> bool:
    """Serial number arithmetic (RFC 1982 section 3.2)."""
    return 0 < (serial - than) % (1 << 32) < 1 << 31
