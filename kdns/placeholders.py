"""Text with placeholders for what is known of a query and its reply: the formats of *log* and *dnstap*."""

import re
from collections.abc import Callable
from typing import NamedTuple

from kdns.chain import Reply, Request
from kdns.wire import codes, edns, fit, names

_QUERY = '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}"'
COMMON = _QUERY + " {rcode} {>rflags} {rsize} {duration}"
COMBINED = COMMON + ' "{>opcode}"'

_FLAGS = {
    "qr": codes.QR, "aa": codes.AA, "tc": codes.TC, "rd": codes.RD, "ra": codes.RA, "z": 0x40, "ad": codes.AD,
    "cd": codes.CD,
}  # fmt: skip


class Seen(NamedTuple):
    """A query, its reply (None if it was dropped), and the seconds between them; None if there is no reply yet."""

    request: Request
    reply: Reply | None
    seconds: float | None


Part = str | Callable[[Seen], str]


def parse_format(text: str) -> tuple[Part, ...]:
    """A FORMAT in pieces: literal text, and functions for its placeholders. Unknown placeholders are literal."""
    text = text.replace("{common}", COMMON).replace("{combined}", COMBINED)
    return tuple(_part(piece) for piece in re.split(r"(\{[^{}]*\})", text) if piece)


def filled(form: tuple[Part, ...], seen: Seen) -> str:
    """The text for one query."""
    return "".join(part if isinstance(part, str) else part(seen) for part in form)


def _part(piece: str) -> Part:
    if piece.startswith("{/"):
        label = piece[2:-1]
        return lambda seen: (seen.request.labels or {}).get(label, "-")
    return _FIELDS.get(piece, piece)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _rcode(seen: Seen) -> str:
    if seen.reply is None:
        return "-"
    return codes.RCODES.get(seen.reply.rcode) or str(seen.reply.rcode)


def _reply_flags(seen: Seen) -> str:
    if seen.reply is None:
        return "-"
    word = fit.flags(seen.request.question, seen.reply.flags, seen.reply.rcode) & ~seen.reply.cleared
    return ",".join(name for name, bit in _FLAGS.items() if word & bit)


def _reply_size(seen: Seen) -> str:
    reply = seen.reply
    if reply is None:
        return "0" if seen.seconds is not None else "-"
    opt = edns.to_record(reply.edns) if reply.edns else b""
    return str(fit.uncompressed_size(seen.request.question, (reply.answer, reply.authority, reply.additional), opt))


def _duration(seen: Seen) -> str:
    if seen.seconds is None:
        return "-"
    return f"{seen.seconds:.9f}".rstrip("0").rstrip(".") + "s"


def _buffer_size(seen: Seen) -> str:
    return str(fit.limits(seen.request.question, seen.request.client.proto, False)[0])


_FIELDS: dict[str, Callable[[Seen], str]] = {
    "{type}": lambda seen: codes.type_name(seen.request.question.qtype),
    "{class}": lambda seen: codes.class_name(seen.request.question.qclass),
    "{name}": lambda seen: names.show(seen.request.question.key),
    "{proto}": lambda seen: seen.request.client.proto,
    "{size}": lambda seen: str(seen.request.size),
    "{remote}": lambda seen: _host(seen.request.client.address),
    "{port}": lambda seen: str(seen.request.client.port),
    "{local}": lambda seen: _host(seen.request.client.local_address),
    "{>id}": lambda seen: str(seen.request.question.id),
    "{>opcode}": lambda seen: str((seen.request.question.flags & codes.OPCODE_MASK) >> 11),
    "{>do}": lambda seen: "true" if seen.request.question.do else "false",
    "{>bufsize}": _buffer_size,
    "{rcode}": _rcode,
    "{>rflags}": _reply_flags,
    "{rsize}": _reply_size,
    "{duration}": _duration,
}
