"""Kubernetes' protobuf, as far as `kubectl create namespace` and `kubectl create service` send it.

Everything else that kubectl sends is JSON, and so is every reply. Strategy: a table for each message says which field
number means what; one reader walks the octets by it. Values that are empty count as absent, as in JSON (Go's encoder
writes them all). A field that has a value and is in no table is refused: silently dropped, it would surprise later.
Pure.

Sources: protobuf.dev/programming-guides/encoding; generated.proto of k8s.io/apimachinery (runtime, meta/v1,
util/intstr) and of k8s.io/api (core/v1).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ipamd.json import Json, Object
from ipamd.kube.status import bad_request

MEDIA = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"

Wire = int | bytes  # what a field carries: a number, or octets


class Field(NamedTuple):
    """A field of a message: its name in JSON, what it is (a scalar or another message), and whether it repeats."""

    name: str
    kind: str
    is_list: bool = False


TEXT, NUMBER, FLAG, MAP, PORT, STATUS = "text", "number", "flag", "map", "IntOrString", "status"

MESSAGES: Mapping[str, Mapping[int, Field]] = {
    "TypeMeta": {1: Field("apiVersion", TEXT), 2: Field("kind", TEXT)},
    "ObjectMeta": {
        1: Field("name", TEXT),
        2: Field("generateName", TEXT),
        3: Field("namespace", TEXT),
        11: Field("labels", MAP),
        12: Field("annotations", MAP),
    },
    "Namespace": {1: Field("metadata", "ObjectMeta"), 3: Field("status", STATUS)},
    "Service": {1: Field("metadata", "ObjectMeta"), 2: Field("spec", "ServiceSpec"), 3: Field("status", STATUS)},
    "ServiceSpec": {
        1: Field("ports", "ServicePort", is_list=True),
        2: Field("selector", MAP),
        3: Field("clusterIP", TEXT),
        4: Field("type", TEXT),
        5: Field("externalIPs", TEXT, is_list=True),
        7: Field("sessionAffinity", TEXT),
        10: Field("externalName", TEXT),
        11: Field("externalTrafficPolicy", TEXT),
        13: Field("publishNotReadyAddresses", FLAG),
        17: Field("ipFamilyPolicy", TEXT),
        18: Field("clusterIPs", TEXT, is_list=True),
        19: Field("ipFamilies", TEXT, is_list=True),
        22: Field("internalTrafficPolicy", TEXT),
    },
    "ServicePort": {
        1: Field("name", TEXT),
        2: Field("protocol", TEXT),
        3: Field("port", NUMBER),
        4: Field("targetPort", PORT),
        5: Field("nodePort", NUMBER),
        6: Field("appProtocol", TEXT),
    },
}
KINDS = ("Namespace", "Service")


def decode(body: bytes) -> Object:
    """The object of a request's body. Raises StatusError 400 if it is none, or holds more than these tables know."""
    if not body.startswith(MAGIC):
        raise bad_request("the body does not begin as Kubernetes' protobuf does")
    envelope = dict(_fields(body[len(MAGIC) :]))  # runtime.Unknown: 1 is a TypeMeta, 2 the object
    head = _message("TypeMeta", _octets(envelope.get(1, b"")))
    kind = head.get("kind")
    if head.get("apiVersion") != "v1" or kind not in KINDS:
        raise bad_request(f"only {' and '.join(KINDS)} of v1 are read as protobuf: send JSON")
    return {**head, **_message(str(kind), _octets(envelope.get(2, b"")))}


def _message(kind: str, body: bytes) -> Object:
    made: Object = {}
    for number, value in _fields(body):
        field = MESSAGES[kind].get(number)
        if field is not None:
            _take(made, field, value)
        elif value:
            raise bad_request(f"field {number} of {kind} is not read as protobuf: send JSON")
    return made


def _take(made: Object, field: Field, value: Wire) -> None:
    """Put a field's value where it belongs in the message."""
    read = _value(field.kind, value)
    before = made.get(field.name)
    if field.is_list:
        made[field.name] = [*(before if isinstance(before, list) else ()), read]
    elif isinstance(before, dict) and isinstance(read, dict):  # one entry more of a map
        made[field.name] = {**before, **read}
    elif read:
        made[field.name] = read


def _value(kind: str, value: Wire) -> Json:
    reader = READERS.get(kind)
    return _message(kind, _octets(value)) if reader is None else reader(value)


def _entry(value: Wire) -> Json:
    """An entry of a map, as a map."""
    entry = dict(_fields(_octets(value)))
    return {_text(entry.get(1, b"")): _text(entry.get(2, b""))}


def _port(value: Wire) -> Json:
    """An IntOrString: 1 says which of the two it is."""
    either = dict(_fields(_octets(value)))
    return _text(either.get(3, b"")) if either.get(1) else _signed(either.get(2, 0))


def _ignored(_value: Wire) -> Json:
    return None


def _signed(value: Wire) -> int:
    """A number as two's complement in 64 bits has it."""
    if isinstance(value, bytes):
        raise bad_request("octets stand in the place of a number")
    return value - (1 << 64) if value >> 63 else value


def _octets(value: Wire) -> bytes:
    if isinstance(value, int):
        raise bad_request("a number stands in the place of octets")
    return value


def _text(value: Wire) -> str:
    try:
        return _octets(value).decode()
    except UnicodeDecodeError:
        raise bad_request("a text is not in UTF-8") from None


def _fields(body: bytes) -> Iterator[tuple[int, Wire]]:
    """The fields of a message: number and value."""
    at = 0
    while at < len(body):
        tag, at = _varint(body, at)
        value, at = _varint(body, at)
        match tag & 7:
            case 0:
                yield tag >> 3, value
            case 2:
                if at + value > len(body):
                    raise bad_request("the body ends within a field")
                yield tag >> 3, body[at : at + value]
                at += value
            case other:
                raise bad_request(f"wire type {other} is in no message that is read here")


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """The number that begins at an offset, and the offset behind it; at most 64 bits in ten octets."""
    value = 0
    for shift in range(0, 70, 7):
        if at == len(body):
            raise bad_request("the body ends within a number")
        value |= (body[at] & 0x7F) << shift
        at += 1
        if body[at - 1] < 0x80:
            return value & (1 << 64) - 1, at
    raise bad_request("a number takes more than ten octets")


# How a value is read that is no message of its own.
READERS: Mapping[str, Callable[[Wire], Json]] = {
    TEXT: _text,
    NUMBER: _signed,
    FLAG: bool,
    MAP: _entry,
    PORT: _port,
    STATUS: _ignored,  # the server's to tell
}
