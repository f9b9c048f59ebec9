"""DNS over HTTPS (RFC 8484): GET with the query in `dns=`, POST with it as the body, the reply with its lifetime."""

import base64
import binascii
from collections.abc import Callable
from urllib.parse import parse_qs

from kdns.errors import WireError
from kdns.web.exchange import MAX_MESSAGE, Request, Response
from kdns.wire import codes, question, records, ttl, verdict

PATH = "/dns-query"
MEDIA_TYPE = "application/dns-message"
PLAIN = ("content-type", "text/plain; charset=utf-8")

SHORTEST, LONGEST = 5, 3600  # seconds: the lifetime of a reply that says nothing of its own, and the most of any


class Doh:
    """The application. `count` is told the HTTP status of every response."""

    largest_body = MAX_MESSAGE + 1

    def __init__(self, count: Callable[[int], None]) -> None:
        self._count = count

    def packet(self, request: Request) -> bytes | Response:
        """The query of a request: 404 for another path, 400 for what carries no DNS message that can be read."""
        if request.path != PATH:
            return self._refused(404, "")
        packet = _carried(request)
        if packet is None or not _is_query(packet):
            return self._refused(400, "invalid request")
        return packet

    def response(self, reply: bytes | None) -> Response:
        """A reply with the time for which HTTP caches may keep it (section 5.1); 500 if there is none."""
        if reply is None:
            return self._refused(500, "No response")
        self._count(200)
        headers = (("content-type", MEDIA_TYPE), ("cache-control", f"max-age={lifetime(reply)}"))
        return Response(200, headers, reply)

    def _refused(self, status: int, text: str) -> Response:
        self._count(status)
        return Response(status, (PLAIN, ("x-content-type-options", "nosniff")), f"{text}\n".encode())


def lifetime(reply: bytes) -> int:
    """For how many seconds a reply may be kept: the least TTL of its records, and little for errors and empty ones."""
    found = records.read_message(reply)
    everything = (*found.answer, *found.authority, *(rr for rr in found.additional if records.rtype(rr) != codes.OPT))
    kind = verdict.at_sight(found.rcode, found.answer, found.authority)
    if not everything or kind not in (verdict.Verdict.ANSWER, verdict.Verdict.NODATA, verdict.Verdict.NXDOMAIN):
        return SHORTEST
    return ttl.least(everything, LONGEST)


def _carried(request: Request) -> bytes | None:
    """The octets that a request carries as its DNS message, or None."""
    if request.method == "POST":
        return request.body if len(request.body) <= MAX_MESSAGE else None
    if request.method != "GET":
        return None
    match parse_qs(request.query, keep_blank_values=True).get("dns"):
        case [text] if len(text) <= MAX_MESSAGE * 4 // 3 + 3:
            return _decoded(text)
    return None


def _decoded(text: str) -> bytes | None:
    """Base64url without padding (section 6)."""
    if "=" in text:
        return None
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None


def _is_query(packet: bytes) -> bool:
    """Whether octets unpack as a query: otherwise the fault is of HTTP's layer, not of DNS'."""
    if len(packet) < 12 or packet[2] & 0x80:
        return False
    if question.refusal(packet) is not None or len(packet) == 12:
        return True
    try:
        question.parse(packet)
    except WireError:
        return False
    return True
