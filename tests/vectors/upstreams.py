"""The upstreams that vectors describe, as scripts of the tests' own DNS server."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from kdns.wire import codes, fit, message, names
from tests.kdns.upstream import Received, Script, other_question, silence, wrong_id
from tests.vectors.comparing import FLAGS

Json = Mapping[str, Any]

COPIED = codes.RD | codes.CD  # header bits of a query that its reply repeats


def script(behaviour: Json) -> Script:
    """What an upstream of this `mode` does. KeyError for a mode that is not known."""
    return _MODES[behaviour["mode"]](behaviour)


def is_probe(received: Received) -> bool:
    """Whether a query only looks if the upstream lives: `. NS`, as CoreDNS asks it."""
    return received.text == ". NS"


def _reply(received: Received, behaviour: Json) -> bytes:
    asked = received.question
    flags = sum(FLAGS[name] for name, is_set in behaviour.get("flags", {}).items() if is_set)
    rcode = codes.rcode_number(behaviour.get("rcode", "NOERROR"))
    sections = [[_record(each) for each in behaviour.get(name, ())] for name in ("answer", "ns", "extra")]
    word = codes.QR | asked.flags & COPIED | flags | rcode
    answer, authority, additional = sections
    return fit.fit(asked, word, (answer, authority, additional), b"", fit.MAX_TCP, fit.MIN_UDP)


def _record(record: Json | str) -> bytes:
    if isinstance(record, str):
        return message.from_text(record)
    return message.from_text("{name} {ttl} {class} {type} {rdata}".format_map(record))


def _static(behaviour: Json) -> Script:
    return lambda received: [_reply(received, behaviour)]


def _table(behaviour: Json) -> Script:
    """Replies by name and type; to everything else NXDOMAIN."""
    rows = {f"{row['name'].lower()} {row['type']}": row for row in behaviour["table"]}

    def answer(received: Received) -> Sequence[bytes]:
        row = rows.get(received.text.lower().removesuffix(received.text.split()[1].lower()) + received.text.split()[1])
        if row is None:
            return [_reply(received, {"rcode": "NXDOMAIN"})]
        return [_reply(received, {"flags": {"tc": row.get("tc", False)}, **row})]

    return answer


def _echo_address(_: Json) -> Script:
    return lambda received: [
        _reply(received, {"answer": [f"{names.show(received.question.qname)} 5 IN A 10.0.0.1"]}),
    ]


def _counter(behaviour: Json) -> Script:
    """The n-th query is answered with 127.0.0.n."""
    numbers = count(1)

    def answer(received: Received) -> Sequence[bytes]:
        line = f"{behaviour['name']} {behaviour['ttl']} IN A 127.0.0.{next(numbers)}"
        return [_reply(received, {"answer": [line]})]

    return answer


def _wrong_id(_: Json) -> Script:
    """A reply under another ID, then the right one."""

    def answer(received: Received) -> Sequence[bytes]:
        right = _reply(received, {"answer": [f"{names.show(received.question.qname)} 5 IN A 10.0.0.1"]})
        return [wrong_id(right), right]

    return answer


def _cut_on_udp(behaviour: Json) -> Script:
    """TC and no records over UDP, the whole over TCP."""

    def answer(received: Received) -> Sequence[bytes]:
        whole = received.proto == "tcp"
        return [_reply(received, behaviour if whole else {"flags": {"tc": True}})]

    return answer


_MODES: dict[str, Callable[[Json], Script]] = {
    "static": _static,
    "rcode": _static,
    "table": _table,
    "echo_a": _echo_address,
    "counter_a": _counter,
    "drop": lambda _: silence,
    "wrong_question": lambda _: lambda received: [other_question(received)],
    "wrong_id": _wrong_id,
    "tc_on_udp": _cut_on_udp,
}
