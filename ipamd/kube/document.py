"""Reading and changing JSON documents by path.

A Kubernetes object is kept and changed as the document that the client sent, so that fields which we do not know
survive. What we read of it is read through the structs of `ipamd.kube.shapes`.
"""

import msgspec

from ipamd.errors import Malformed
from ipamd.json import Json, Object

DEEPEST = (
    100  # levels; a Kubernetes object has about ten, and recursion over a document must stay far below Python's limit
)


def decode(raw: bytes) -> Object:
    """Read one JSON object. Raises Malformed when `raw` is anything else, or nested deeper than DEEPEST."""
    value = decode_any(raw)
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    return value


def decode_any(raw: bytes) -> Json:
    """Read one JSON value. Raises Malformed when `raw` is none, or nested deeper than DEEPEST."""
    try:
        value: Json = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"not JSON: {error}") from error
    if too_deep(value, DEEPEST):
        raise Malformed(f"nested deeper than {DEEPEST} levels")
    return value


def too_deep(value: Json, levels: int) -> bool:
    """True when containers in `value` are nested more than `levels` deep."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(too_deep(item, levels - 1) for item in inner)


def without_nulls(value: Json) -> Json:
    """`value` without the members that are null: to the API server a null field is an absent one."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def child(document: Object, *path: str) -> Object:
    """The object at `path`, made when absent; what is there and no object is replaced by one."""
    for key in path:
        inner = document.get(key)
        if not isinstance(inner, dict):
            inner = document[key] = {}
        document = inner
    return document


def peek(document: Object, *path: str) -> Json:
    """The value at `path`, or None when any step of it is missing."""
    value: Json = document
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def text(document: Object, *path: str) -> str:
    """The string at `path`; "" when it is missing or no string."""
    value = peek(document, *path)
    return value if isinstance(value, str) else ""


def strings(document: Object, *path: str) -> dict[str, str]:
    """The members of the object at `path` that are strings (labels, annotations, a selector); empty when missing."""
    value = peek(document, *path)
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}
