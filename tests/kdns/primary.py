"""A primary for tests: an upstream on loopback that gives a zone, whole or by its differences."""

from collections.abc import Sequence

from kdns.wire import codes, names, records
from kdns.wire.records import RR
from tests.kdns.upstream import Received
from tests.kdns.zones import rrs

REFUSED = 5


class Primary:
    """The script of a primary. `serve` gives it another zone; `differences` is what it answers to IXFR with, if set."""

    def __init__(self, master: str, serial: int = 1, origin: str = "example.org.") -> None:
        self.origin = names.parse(origin)
        self.differences: list[RR] | None = None
        self.refuses = False
        self.serve(master, serial)

    def soa(self, serial: int, times: str = "7200 1800 86400 30") -> RR:
        """The zone's SOA at a serial."""
        return rrs(f"@ 60 SOA ns hostmaster {serial} {times}", names.show(self.origin))[0]

    def serve(self, master: str, serial: int, times: str = "7200 1800 86400 30") -> None:
        """Give these records from now on."""
        self.now = self.soa(serial, times)
        self.records = rrs("$TTL 60\n@ NS ns\n" + master, names.show(self.origin))

    def __call__(self, received: Received) -> Sequence[bytes]:
        """The reply, in a message for every two records of a transfer."""
        asked = received.question
        if self.refuses:
            return [_message(received, [], codes.REFUSED)]
        if asked.qtype == codes.SOA:
            return [_message(received, [self.now])]
        if asked.qtype == codes.IXFR and self.differences is not None:
            return [_message(received, self.differences)]
        if asked.qtype == codes.IXFR and records.soa_serial(asked.authority[0]) == records.soa_serial(self.now):
            return [_message(received, [self.now])]
        whole = [self.now, *self.records, self.now]
        return [_message(received, whole[at : at + 2]) for at in range(0, len(whole), 2)]


def _message(received: Received, answer: Sequence[RR], rcode: int = codes.NOERROR) -> bytes:
    asked = received.question
    head = asked.id.to_bytes(2, "big") + (codes.QR | codes.AA | asked.flags | rcode).to_bytes(2, "big")
    counts = b"".join(n.to_bytes(2, "big") for n in (1, len(answer), 0, 0))
    return b"".join((head, counts, received.packet[12 : 12 + len(asked.qname) + 4], *answer))
