"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902, with the pointers of RFC 6901).

Every function takes the document and the patch and returns a new document. Those given are never changed: what a patch
does not touch is shared between the old and the new one.
"""

import msgspec

from ipamd.errors import Invalid, Malformed, TooLarge
from ipamd.json import Json, Object

# The bounds of a Kubernetes API server on one JSON patch.
MOST_OPERATIONS = 10_000
LARGEST_COPIES = 3 << 20  # octets of JSON that its copies add: each could double the document


def merge(document: Json, patch: Json) -> Json:
    """RFC 7386: members of `patch` replace those of `document`, null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    result: Object = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def json_patch(document: Json, operations: Json) -> Json:
    """RFC 6902: the operations one after another; all of them or none.

    Raises Malformed when `operations` is no JSON patch, Invalid when one of them cannot be done on `document`, TooLarge
    for more than MOST_OPERATIONS of them or LARGEST_COPIES octets copied.
    """
    if not isinstance(operations, list):
        raise Malformed("a JSON patch is a list of operations")
    if len(operations) > MOST_OPERATIONS:
        raise TooLarge(f"a JSON patch has at most {MOST_OPERATIONS} operations")
    room = LARGEST_COPIES
    for operation in operations:
        room -= copied(document, operation)
        if room < 0:
            raise TooLarge(f"the copies of a JSON patch have at most {LARGEST_COPIES} octets")
        document = operate(document, operation)
    return document


def copied(document: Json, operation: Json) -> int:
    """The octets that an operation adds by copying, 0 for one that is no copy."""
    if not isinstance(operation, dict) or operation.get("op") != "copy":
        return 0
    return len(msgspec.json.encode(find(document, pointer(operation.get("from")))))


def operate(document: Json, operation: Json) -> Json:
    """Does one operation of a JSON patch."""
    if not isinstance(operation, dict):
        raise Malformed("an operation of a JSON patch is an object")
    path = pointer(operation.get("path"))
    match operation.get("op"):
        case "add":
            return add(document, path, required(operation, "value"))
        case "remove":
            return remove(document, path)
        case "replace":
            return add(remove(document, path), path, required(operation, "value"))
        case "move":
            source = pointer(operation.get("from"))
            if path[: len(source)] == source and path != source:
                raise Invalid("cannot move a value into itself")
            return add(remove(document, source), path, find(document, source))
        case "copy":
            return add(document, path, find(document, pointer(operation.get("from"))))
        case "test":
            if not same(find(document, path), required(operation, "value")):
                raise Invalid(f"testing value {show(path)} failed")
            return document
        case other:
            raise Malformed(f"Unexpected kind: {other}")


def required(operation: Object, member: str) -> Json:
    """The member of an operation that has to be there (it may be null)."""
    if member not in operation:
        raise Malformed(f"an operation {operation.get('op')} needs a {member}")
    return operation[member]


def pointer(text: Json) -> tuple[str, ...]:
    """RFC 6901: `/a~1b/0` to ("a/b", "0"); "" is the whole document."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise Malformed(f"not a JSON pointer: {text!r}")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:])


def show(path: tuple[str, ...]) -> str:
    """`path` as a JSON pointer."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in path)


def find(document: Json, path: tuple[str, ...]) -> Json:
    """The value at `path`. Raises Invalid when there is none."""
    for token in path:
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list):
            document = document[index(token, len(document) - 1)]
        else:
            raise Invalid(f"no value at {show(path)}")
    return document


def index(token: str, last: int) -> int:
    """`token` as an index into a list, 0 to `last` inclusive. Raises Invalid."""
    if (
        not (token.isascii() and token.isdigit() and (token == "0" or token[0] != "0") and len(token) < 10)
        or int(token) > last
    ):
        raise Invalid(f"no list index here: {token!r}")
    return int(token)


def add(document: Json, path: tuple[str, ...], value: Json) -> Json:
    """`document` with `value` at `path`: set in an object, inserted into a list (`-` is its end)."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(document, dict):
        if rest and head not in document:
            raise Invalid(f"no value at {show(path)}")
        return {**document, head: add(document.get(head), rest, value)}
    if not isinstance(document, list):
        raise Invalid(f"no value at {show(path)}")
    if rest:
        place = index(head, len(document) - 1)
        return [*document[:place], add(document[place], rest, value), *document[place + 1 :]]
    place = len(document) if head == "-" else index(head, len(document))
    return [*document[:place], value, *document[place:]]


def remove(document: Json, path: tuple[str, ...]) -> Json:
    """`document` without the value at `path`. Raises Invalid when there is none."""
    if not path:
        return None
    head, rest = path[0], path[1:]
    if isinstance(document, dict) and head in document:
        if rest:
            return {**document, head: remove(document[head], rest)}
        return {key: value for key, value in document.items() if key != head}
    if isinstance(document, list):
        place = index(head, len(document) - 1)
        kept = [remove(document[place], rest)] if rest else []
        return [*document[:place], *kept, *document[place + 1 :]]
    raise Invalid(f"no value at {show(path)}")


def same(one: Json, other: Json) -> bool:
    """Equality of JSON values (RFC 6902 section 4.6): unlike Python's, true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)
