"""Transaction signatures (RFC 8945): read and checked on what came, made for what goes.

A signature is the last record of a message. What it signs is the message as it was before the record was put on, behind
the signature that came before: a reply's goes over the query's, the second message of a zone transfer's over the
first's, and so on. Nothing here knows the time: it is an argument, in Unix seconds.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from struct import Struct
from typing import NamedTuple

from kdns.errors import WireError
from kdns.wire import codes, names, records
from kdns.wire.names import Name

BADSIG, BADKEY, BADTIME = 16, 17, 18  # RFC 8945 section 3
FUDGE = 300  # seconds by which clocks may differ, as section 10 recommends
ALGORITHMS = {
    names.parse(f"hmac-{digest}."): digest for digest in ("sha1", "sha224", "sha256", "sha384", "sha512")
}  # section 6; not MD5, which CoreDNS does not have either

_HEAD = Struct("!HIHH")  # time (high 16, low 32 bits), fudge, octets of the MAC
_TAIL = Struct("!HHH")  # original ID, error, octets of other data
_COUNT = 10  # where the header has the number of additional records


class Signature(NamedTuple):
    """A TSIG record: names as they were sent, `time` and `fudge` in seconds, `error` of section 3."""

    key: Name
    algorithm: Name
    time: int
    fudge: int
    mac: bytes
    id: int
    error: int = 0
    other: bytes = b""

    def record(self) -> bytes:
        """The record in wire form."""
        rdata = b"".join(
            (
                self.algorithm,
                _HEAD.pack(self.time >> 32, self.time & 0xFFFFFFFF, self.fudge, len(self.mac)),
                self.mac,
                _TAIL.pack(self.id, self.error, len(self.other)),
                self.other,
            )
        )
        return records.make(self.key, codes.TSIG, 0, rdata, codes.ANY_CLASS)

    def variables(self) -> bytes:
        """What is signed of the record itself (section 4.3.3)."""
        lead = self.key.lower() + b"\0\xff\0\0\0\0" + self.algorithm.lower()  # class ANY, TTL 0
        return lead + self.timers() + _TAIL.pack(0, self.error, len(self.other))[2:] + self.other

    def timers(self) -> bytes:
        """What is signed of the record in a transfer's messages but the first (section 5.3.1)."""
        return _HEAD.pack(self.time >> 32, self.time & 0xFFFFFFFF, self.fudge, 0)[:8]


class Checked(NamedTuple):
    """A query's signature and what is wrong with it: 0, BADSIG, BADKEY or BADTIME. `secret`: empty with BADKEY."""

    signature: Signature
    error: int
    secret: bytes = b""


class Signer(NamedTuple):
    """How the reply to a signed query is signed. `clock` tells Unix seconds."""

    checked: Checked
    clock: Callable[[], float]

    @property
    def room(self) -> int:
        """Octets that the record takes."""
        query = self.checked.signature
        return len(query._replace(mac=bytes(64), other=bytes(6)).record())

    def sign(self, message: bytes) -> bytes:
        """The only message of a reply, with its record."""
        return next(self.each((message,)))

    def each(self, messages: Iterable[bytes]) -> Iterator[bytes]:
        """The messages of a reply, each with its record."""
        query, error, secret = self.checked
        before, is_first = query.mac, True
        for message in messages:
            mine = self._unsigned(message)
            if error not in (BADSIG, BADKEY):  # those are not signed: section 5.3.2
                signed = _chained(before) + message + (mine.variables() if is_first else mine.timers())
                mine = mine._replace(mac=_mac(query.algorithm, secret, signed))
            before, is_first = mine.mac, False
            yield _with_record(message, mine)

    def _unsigned(self, message: bytes) -> Signature:
        query, error, _ = self.checked
        now, id_ = int(self.clock()), int.from_bytes(message[:2], "big")
        if error == BADTIME:  # the client's time, and ours beside it: section 5.2.3
            return query._replace(id=id_, fudge=FUDGE, error=error, other=now.to_bytes(6, "big"))
        time = 0 if error else now
        return Signature(query.key, query.algorithm, time, FUDGE, b"", id_, error)


def check(message: bytes, secrets: Mapping[Name, bytes | None], now: int) -> Checked:
    """The signature of a signed message, checked with the secret of its key (names lower-cased).

    WireError if its record is broken. MACs cut short are not taken (section 5.2.4 leaves that to us).
    """
    signature, bare = _taken_off(message)
    secret = secrets.get(signature.key.lower())
    if secret is None or signature.algorithm.lower() not in ALGORITHMS:
        return Checked(signature, BADKEY)
    mac = _mac(signature.algorithm, secret, bare + signature.variables())
    if not hmac.compare_digest(mac, signature.mac):
        return Checked(signature, BADSIG, secret)
    late = abs(now - signature.time) > signature.fudge
    return Checked(signature, BADTIME if late else 0, secret)


def _taken_off(message: bytes) -> tuple[Signature, bytes]:
    """The signature, and the message as it was when that was made (section 4.3.2)."""
    counts = [int.from_bytes(message[at : at + 2], "big") for at in (4, 6, 8, 10)]
    at = 12
    for _ in range(counts[0]):
        at = names.read(message, at)[1] + 4
    last = at
    for _ in range(sum(counts[1:])):
        last = at
        _, at = records.read_record(message, at)
    record, _ = records.read_record(message, last)
    signature = _read(record)
    count = (counts[3] - 1).to_bytes(2, "big")
    return signature, signature.id.to_bytes(2, "big") + message[2:_COUNT] + count + message[12:last]


def _read(record: bytes) -> Signature:
    rdata = records.rdata(record)
    at = names.end_of(rdata, 0)
    if len(rdata) < at + _HEAD.size:
        raise WireError("TSIG record cut short")
    high, low, fudge, size = _HEAD.unpack_from(rdata, at)
    behind = at + _HEAD.size + size
    if len(rdata) < behind + _TAIL.size:
        raise WireError("TSIG record cut short")
    id_, error, length = _TAIL.unpack_from(rdata, behind)
    other = rdata[behind + _TAIL.size :]
    if len(other) != length:
        raise WireError(f"TSIG record with {len(other)} octets of other data, {length} announced")
    mac = rdata[at + _HEAD.size : behind]
    return Signature(records.owner(record), rdata[:at], high << 32 | low, fudge, mac, id_, error, other)


def _mac(algorithm: Name, secret: bytes, octets: bytes) -> bytes:
    return hmac.digest(secret, octets, ALGORITHMS[algorithm.lower()])


def _chained(mac: bytes) -> bytes:
    return len(mac).to_bytes(2, "big") + mac


def _with_record(message: bytes, signature: Signature) -> bytes:
    count = int.from_bytes(message[_COUNT:12], "big") + 1
    return message[:_COUNT] + count.to_bytes(2, "big") + message[12:] + signature.record()
