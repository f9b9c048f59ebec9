"""Queries that we send ourselves: to upstreams, for their health, for the loop plugin's probe.

A query passed on is the client's own: its header bits, its question as sent and its OPT with all options, under a new
ID. `answers` is what a reply must pass before anybody looks at the rest of it.
"""

from struct import Struct

from kdns.wire import codes, edns
from kdns.wire.names import Name
from kdns.wire.question import Question

_HEADER = Struct("!HHHHHH")
_TAIL = Struct("!HH")


def make(qname: Name, qtype: int, *, recursion: bool = True) -> Question:
    """A question of our own, class IN, without EDNS; `recursion` sets RD."""
    return Question(0, codes.RD if recursion else 0, qname, qname.lower(), qtype, codes.IN)


def pack(question: Question, id_: int) -> bytes:
    """The packet that asks `question` under the ID `id_`."""
    opt = b"" if question.edns is None else edns.to_record(question.edns)
    header = _HEADER.pack(id_, question.flags & ~codes.QR & 0xFFFF, 1, 0, 0, 1 if opt else 0)
    return header + question.qname + _TAIL.pack(question.qtype, question.qclass) + opt


def answers(message: bytes, question: Question) -> bool:
    """Whether octets are a reply to `question`: QR set, one question, the same name in any case, type and class.

    The ID is not looked at, nor anything behind the question.
    """
    if len(message) < 12 or not message[2] & 0x80 or message[4:6] != b"\x00\x01":
        return False
    end = 12 + len(question.key)
    # Names of equal octets have equal labels, and a pointer (192 and up) cannot be at the place of a length octet here.
    same_name = message[12:end].lower() == question.key
    return same_name and message[end : end + 4] == _TAIL.pack(question.qtype, question.qclass)


def rcode(message: bytes) -> int:
    """The RCODE of a message of 12 octets or more, without the high bits that EDNS has."""
    return message[3] & codes.RCODE_MASK


def is_truncated(message: bytes) -> bool:
    """Whether TC is set in a message of 12 octets or more."""
    return bool(message[2] & codes.TC >> 8)
