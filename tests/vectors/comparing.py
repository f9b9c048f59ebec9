"""What a vector expects against what came: pure, one function a key of `expect`.

Sections are compared as sets of records (CoreDNS's own tests sort both sides): owner, class, type and RDATA to the
letter, TTL unless the vector leaves it open; of SOA the first name only, of TXT the strings joined, of RRSIG and NSEC
what does not depend on a key. A key that nothing here understands is an error, never a pass.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY import TSIG

from kdns.errors import WireError
from kdns.wire import codes, edns, message, names, records
from kdns.wire.records import RR, Message

Json = Mapping[str, Any]

FLAGS = {"aa": codes.AA, "tc": codes.TC, "rd": codes.RD, "ra": codes.RA, "ad": codes.AD, "cd": codes.CD}
MODIFIERS = frozenset({"ordered", "ttl_slack", "ignore_owner", "then", "note"})  # read by other keys, or a remark


class Came(NamedTuple):
    """What came back: the octets of the reply, or None for nothing at all; of a zone transfer `rest` follow."""

    packet: bytes | None
    rest: tuple[bytes, ...] = ()

    @property
    def message(self) -> Message:
        """The reply taken apart: the answers of all its messages are one section."""
        assert self.packet is not None
        first = records.read_message(self.packet)
        rest = (rr for packet in self.rest for rr in records.read_message(packet).answer)
        return first._replace(answer=(*first.answer, *rest))


class Record(NamedTuple):
    """A record as it is compared; None in an expectation stands for anything."""

    owner: str
    rclass: str
    rtype: str
    rdata: str | None
    ttl: int | None


Check = Callable[[Any, Message, Json], Iterable[str]]


def differences(expect: Json, came: Came) -> list[str]:
    """Every way in which a reply is not what a vector expects, in words; empty if there is none."""
    if expect.get("no_response"):
        return [] if came.packet is None else ["there was a reply"]
    if came.packet is None:
        return ["there was no reply"]
    try:
        reply = came.message
    except WireError as fault:
        return [f"the reply does not unpack: {fault}"]
    found = []
    for key, wanted in expect.items():
        if key in _OF_OCTETS:
            found += _OF_OCTETS[key](wanted, came.packet)
        elif key not in MODIFIERS:
            found += [f"{key}: {each}" for each in CHECKS[key](wanted, reply, expect)]
    return found


def alias_order(reply: Message) -> Iterator[str]:
    """A CNAME that comes behind a record of its target."""
    owners: set[str] = set()
    for record in map(of_record, reply.answer):
        if record.rtype == "CNAME" and record.rdata in owners:
            yield f"CNAME {record.owner} comes after a record of {record.rdata}"
        owners.add(record.owner)


def of_record(rr: RR) -> Record:
    """A record of a reply."""
    kind = records.rtype(rr)
    text = message.rdata_text(kind, records.rdata(rr))
    owner, rclass = names.show(records.owner(rr)), codes.class_name(records.rclass(rr))
    return Record(owner, rclass, codes.type_name(kind), _comparable(kind, text, records.rdata(rr)), records.ttl(rr))


def of_vector(record: Json) -> Record:
    """A record of a vector."""
    owner, rclass, kind, rdata = record["name"], record["class"], record["type"], record["rdata"]
    if rdata is None:
        return Record(owner, rclass, kind, None, record["ttl"])
    if kind in _OF_KEYS:
        return Record(owner, rclass, kind, _OF_KEYS[kind](rdata.split()), record["ttl"])
    made = of_record(message.from_text(f"{owner} 0 {rclass} {kind} {rdata}"))
    return made._replace(owner=owner, ttl=record["ttl"])


def _comparable(kind: int, text: str, rdata: bytes) -> str:
    name = codes.type_name(kind)
    if name in _OF_KEYS:
        return _OF_KEYS[name]([names.show(names.read(rdata, 0)[0])] if name == "NSEC" else text.split())
    match name:
        case "SOA":
            return text.split()[0]
        case "TXT":
            return _joined(rdata)
    return text


# What is compared of records that a key, or who made it, has a part in, by their words.
_OF_KEYS: dict[str, Callable[[Sequence[str]], str]] = {
    "DNSKEY": lambda words: "",
    "NSEC": lambda words: words[0],
    "RRSIG": lambda words: " ".join((words[0], words[2], words[7])),
}


def _joined(rdata: bytes) -> str:
    """The character-strings of a TXT record one behind the other."""
    parts, at = [], 0
    while at < len(rdata):
        parts.append(rdata[at + 1 : at + 1 + rdata[at]])
        at += 1 + rdata[at]
    return b"".join(parts).decode("latin-1")


def _section(wanted: Sequence[Json], found: Sequence[RR], expect: Json) -> Iterator[str]:
    left = [each for each in map(of_vector, wanted) if each.owner not in expect.get("ignore_owner", ())]
    right = [each for each in map(of_record, found) if each.owner not in expect.get("ignore_owner", ())]
    if not expect.get("ordered"):
        left, right = sorted(left, key=_sorting), sorted(right, key=_sorting)
    if len(left) != len(right):
        yield f"{len(left)} records expected, {len(right)} came: {left} != {right}"
        return
    slack = expect.get("ttl_slack", 0)
    for one, other in zip(left, right, strict=True):
        if not _alike(one, other, slack):
            yield f"{one} != {other}"


def _alike(wanted: Record, found: Record, slack: int) -> bool:
    rdata = found.rdata if wanted.rdata is None else wanted.rdata
    ttl = found.ttl if wanted.ttl is None else wanted.ttl
    assert found.ttl is not None
    assert ttl is not None
    return wanted._replace(rdata=rdata, ttl=0) == found._replace(ttl=0) and ttl - slack <= found.ttl <= ttl


def _sorting(record: Record) -> tuple[str, ...]:
    return record.owner, record.rclass, record.rtype, record.rdata or "", f"{record.ttl or 0:010}"


def _same(wanted: object, found: object) -> Iterator[str]:
    if wanted != found:
        yield f"{wanted!r} expected, {found!r} came"


def _flags(wanted: Json, reply: Message, _: Json) -> Iterator[str]:
    yield from _same(dict(wanted), {name: bool(reply.flags & FLAGS[name]) for name in wanted})


def _contains(wanted: Sequence[str], reply: Message, _: Json) -> Iterator[str]:
    texts = [f"{message.to_text(rr)}\n{of_record(rr).rdata}" for rr in reply.answer]
    yield from (f"no record has {each!r}: {texts}" for each in wanted if not any(each in text for text in texts))


def _first_ttl(wanted: int, reply: Message, expect: Json) -> Iterator[str]:
    found = next((records.ttl(rr) for rr in reply.answer or reply.authority), None)
    if found is None or not wanted - expect.get("ttl_slack", 0) <= found <= wanted:
        yield f"{wanted} expected, {found} came"


def _all_ttl(wanted: int, reply: Message, _: Json) -> Iterator[str]:
    found = {records.ttl(rr) for rr in (*reply.answer, *reply.authority, *reply.additional)}
    yield from _same({wanted}, found)


def _opt(wanted: Json | None, reply: Message, _: Json) -> Iterator[str]:
    found = {"bufsize": reply.edns.size, "do": reply.edns.do} if reply.edns else None
    yield from _same(wanted, found)


def _options(wanted: Sequence[Json], reply: Message, _: Json) -> Iterator[str]:
    given = edns.each_option(reply.edns.options) if reply.edns else ()
    yield from _same(list(wanted), [{"code": code, "hex": data.hex()} for code, data in given])


def _error_code(wanted: int, reply: Message, _: Json) -> Iterator[str]:
    yield from _same(wanted, int.from_bytes(_extended_error(reply)[:2], "big"))


def _error_text(wanted: str, reply: Message, _: Json) -> Iterator[str]:
    yield from _same(wanted, _extended_error(reply)[2:].decode())


def _extended_error(reply: Message) -> bytes:
    """The data of the reply's Extended DNS Error (RFC 8914): a code of two octets and a text."""
    found = edns.option(reply.edns.options, edns.EDE) if reply.edns else None
    return found or b"\xff\xff"


def _counts(wanted: Json, reply: Message, _: Json) -> Iterator[str]:
    lengths = {"answer": len(reply.answer), "ns": len(reply.authority), "extra": len(reply.additional)}
    yield from _same(dict(wanted), {name: lengths[name] for name in wanted})


def _rdata_groups(wanted: Sequence[Sequence[str]], reply: Message, _: Json) -> Iterator[str]:
    found = [of_record(rr).rdata for rr in reply.answer]
    at = 0
    for group in wanted:
        yield from _same(sorted(group), sorted(map(str, found[at : at + len(group)])))
        at += len(group)
    yield from _same(at, len(found))


def _group_order(wanted: Sequence[str], reply: Message, _: Json) -> Iterator[str]:
    """Records come grouped in this order, in answer and additional; a group is types with a slash between them."""
    rank = {kind: at for at, group in enumerate(wanted) for kind in group.split("/")}
    for section in (reply.answer, reply.additional):
        ranks = [rank[of_record(rr).rtype] for rr in section]
        if any(one > other for one, other in pairwise(ranks)):
            yield f"{[of_record(rr).rtype for rr in section]} is not in the order {wanted}"


def _types(section: Sequence[RR]) -> list[str]:
    return [of_record(rr).rtype for rr in section]


def _owners(section: Sequence[RR]) -> list[str]:
    return [of_record(rr).owner for rr in section]


def _is_signed(wanted: bool, reply: Message, _: Json) -> Iterator[str]:
    yield from _same(wanted, codes.TSIG in map(records.rtype, reply.additional))


def _signature(reply: Message) -> TSIG.TSIG:
    """The reply's transaction signature; one that says nothing if there is none."""
    rdata = b"".join(records.rdata(rr) for rr in reply.additional if records.rtype(rr) == codes.TSIG)
    found = dns.rdata.from_wire(dns.rdataclass.ANY, dns.rdatatype.TSIG, rdata, 0, len(rdata))
    assert isinstance(found, TSIG.TSIG)
    return found


def _time_signed(wanted: int | str, reply: Message, _: Json) -> Iterator[str]:
    """The time of a signature; `client`: the query's, which is not the server's."""
    found = _signature(reply)
    if wanted == "client":
        yield from _same(True, found.time_signed > int.from_bytes(found.other, "big") > 0)
    else:
        yield from _same(wanted, found.time_signed)


def _size_of(wanted: int, packet: bytes) -> list[str]:
    return [] if len(packet) <= wanted else [f"size_max: {len(packet)} octets"]


def _header_only(wanted: bool, packet: bytes) -> list[str]:
    return [] if (len(packet) == 12) == wanted else [f"header_only: {len(packet)} octets"]


_OF_OCTETS: dict[str, Callable[[Any, bytes], list[str]]] = {"size_max": _size_of, "header_only": _header_only}

CHECKS: dict[str, Check] = {
    "rcode": lambda wanted, reply, _: _same(codes.rcode_number(wanted), reply.rcode),
    "answer": lambda wanted, reply, expect: _section(wanted, reply.answer, expect),
    "ns": lambda wanted, reply, expect: _section(wanted, reply.authority, expect),
    "extra": lambda wanted, reply, expect: _section(wanted, reply.additional, expect),
    "answer_types": lambda wanted, reply, _: _same(wanted, _types(reply.answer)),
    "extra_types": lambda wanted, reply, _: _same(wanted, _types(reply.additional)),
    "extra_owners": lambda wanted, reply, _: _same(wanted, _owners(reply.additional)),
    "extra_owner": lambda wanted, reply, _: _same({wanted}, set(_owners(reply.additional))),
    "answer_contains": _contains,
    "txt": lambda wanted, reply, _: _same([wanted], [of_record(rr).rdata for rr in reply.answer]),
    "all_ttl": _all_ttl,
    "ttl_first": _first_ttl,
    "flags": _flags,
    "opcode": lambda wanted, reply, _: _same(wanted, (reply.flags & codes.OPCODE_MASK) >> 11),
    "question": lambda wanted, reply, _: _same(wanted, names.show(reply.question[0]) if reply.question else None),
    "counts": _counts,
    "opt": _opt,
    "edns_options": _options,
    "ede": _error_code,
    "ede_text": _error_text,
    "rdata_groups": _rdata_groups,
    "group_order": _group_order,
    "axfr": lambda wanted, reply, expect: _section(wanted, reply.answer, expect),
    "axfr_types": lambda wanted, reply, _: _same(wanted, _types(reply.answer)),
    "first_last": lambda wanted, reply, _: _same([wanted] * 2, [*_types(reply.answer[:1]), *_types(reply.answer[-1:])]),
    "tsig": _is_signed,
    "tsig_error": lambda wanted, reply, _: _same(wanted, dns.rcode.to_text(_signature(reply).error, tsig=True)),
    "tsig_other_len": lambda wanted, reply, _: _same(wanted, len(_signature(reply).other)),
    "tsig_time_signed": _time_signed,
    "count_min": lambda wanted, reply, _: _same(True, len(reply.answer) >= wanted),
}
