"""The data that a query gives to a template, and the record that a template's text is."""

import re
from collections.abc import Mapping

from kdns.chain import Request
from kdns.errors import WireError, ZoneError
from kdns.expression.values import Value
from kdns.templating.functions import Struct
from kdns.wire import codes, message, names
from kdns.wire.records import RR
from kdns.zone.text import read

_OUTSIDE_QUOTES = re.compile(r'"(?:\\.|[^"\\])*"|;[^\n]*|[()\n]')
_TTL_WITH_UNITS = re.compile(r"(?:\d+[smhdwSMHDW])+\Z")
DEFAULT_TTL = 3600  # seconds
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def data(request: Request, **members: Value) -> Struct:
    """What every template sees of a query; `members` come beside."""
    labels: Mapping[str, str] = request.labels or {}
    return Struct(
        Name=names.show(request.question.key),
        Message=_message(request),
        Question=_question(request),
        Remote=request.client.address,
        Meta=lambda label: labels.get(label, ""),
        **members,
    )


def record(text: str) -> RR:
    """The record of a line of zone-file text: parentheses and comments as there, TTL 3600 by default. WireError."""
    line = _OUTSIDE_QUOTES.sub(lambda match: match[0] if match[0][0] == '"' else " ", text)
    owner, *words = line.split(maxsplit=3) or [""]
    if not words:
        raise WireError(f"not a record: {text!r}")
    spelled = [str(_seconds(word)) if _TTL_WITH_UNITS.match(word) else word for word in words[:2]]
    line = " ".join([owner, *spelled, *words[2:]])
    try:
        return message.from_text(line)
    except WireError as fault:
        return _of_master_file(line, fault)


def _of_master_file(line: str, fault: WireError) -> RR:
    """The record of a type that dnslib does not know; `fault` if it is none for the reader of zones either."""
    try:
        (rr,) = read("", names.ROOT, lambda path: (f"$TTL {DEFAULT_TTL}", line))
    except (ZoneError, ValueError):
        raise fault from None
    return rr


def _seconds(text: str) -> int:
    return sum(int(number) * _UNITS[unit.lower()] for number, unit in re.findall(r"(\d+)(\D)", text))


def _question(request: Request) -> Struct:
    asked = request.question
    return Struct(Name=names.show(asked.qname), Qtype=asked.qtype, Qclass=asked.qclass)


def _message(request: Request) -> Struct:
    """The message with the members that Go's DNS library gives it. The sections behind the question stay empty."""
    word = request.question.flags
    return Struct(
        Id=request.question.id,
        Response=bool(word & codes.QR),
        Opcode=(word & codes.OPCODE_MASK) >> 11,
        Authoritative=bool(word & codes.AA),
        Truncated=bool(word & codes.TC),
        RecursionDesired=bool(word & codes.RD),
        RecursionAvailable=bool(word & codes.RA),
        Zero=bool(word & 0x40),
        AuthenticatedData=bool(word & codes.AD),
        CheckingDisabled=bool(word & codes.CD),
        Rcode=word & codes.RCODE_MASK,
        Question=[_question(request)],
        Answer=[],
        Ns=[],
        Extra=[],
    )
