"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902, with the pointers of RFC 6901).

Every function takes the document and the patch and returns a new document. Those given are never changed: what a patch
does not touch is shared between the old and the new one. A JSON patch copies a list or an object when it first changes
it and goes on in that copy, so that many operations on one long list cost no copy each.
"""

import msgspec

from ipamd.errors import Invalid, Malformed, TooLarge
from ipamd.json import Json, Object

# The bounds of a Kubernetes API server on one JSON patch.
MOST_OPERATIONS = 10_000
LARGEST_COPIES = 3 << 20  # octets of JSON that its copies add: each could double the document
# Ours: items that are copied or moved along while lists and objects change, about a tenth of a second's work.
MOST_MOVED = 10_000_000


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
    for more than MOST_OPERATIONS of them, LARGEST_COPIES octets copied or MOST_MOVED items moved.
    """
    if not isinstance(operations, list):
        raise Malformed("a JSON patch is a list of operations")
    if len(operations) > MOST_OPERATIONS:
        raise TooLarge(f"a JSON patch has at most {MOST_OPERATIONS} operations")
    draft = Draft(document)
    for operation in operations:
        operate(draft, operation)
    return draft.document


class Draft:
    """A document while it is patched: the lists and objects in it that are our own copies are changed in place."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self._own: dict[int, list[Json] | Object] = {}  # by id; held here, so that no id comes again
        self._copies = LARGEST_COPIES
        self._moves = MOST_MOVED

    def add(self, path: tuple[str, ...], value: Json) -> None:
        """Put `value` at `path`: set in an object, inserted into a list (`-` is its end)."""
        if not path:
            self.document = value
            return
        parent, token = self._parent(path), path[-1]
        if isinstance(parent, dict):
            parent[token] = value
            return
        place = len(parent) if token == "-" else index(token, len(parent))
        self._move(len(parent) - place)
        parent.insert(place, value)

    def replace(self, path: tuple[str, ...], value: Json) -> None:
        """Put `value` in the place of what is at `path`."""
        find(self.document, path)
        if not path:
            self.document = value
            return
        parent, token = self._parent(path), path[-1]
        if isinstance(parent, dict):
            parent[token] = value
        else:
            parent[index(token, len(parent) - 1)] = value

    def remove(self, path: tuple[str, ...]) -> Json:
        """Take away what is at `path`, and return it."""
        value = find(self.document, path)
        if not path:
            self.document = None
            return value
        parent, token = self._parent(path), path[-1]
        if isinstance(parent, dict):
            return parent.pop(token)
        place = index(token, len(parent) - 1)
        self._move(len(parent) - place)
        return parent.pop(place)

    def copy(self, source: tuple[str, ...], path: tuple[str, ...]) -> None:
        """Put at `path` what is at `source`."""
        value = find(self.document, source)
        self._copies -= len(msgspec.json.encode(value))
        if self._copies < 0:
            raise TooLarge(f"the copies of a JSON patch have at most {LARGEST_COPIES} octets")
        if isinstance(value, dict | list):
            self._own.clear()  # it stands in two places now: neither may change with the other
        self.add(path, value)

    def _parent(self, path: tuple[str, ...]) -> list[Json] | Object:
        """The list or object that holds the end of `path`, as our own. Raises Invalid when there is none."""
        parent = self.document = self._owned(self.document, path)
        for token in path[:-1]:
            if isinstance(parent, dict):
                if token not in parent:
                    raise Invalid(f"no value at {show(path)}")
                inner = parent[token] = self._owned(parent[token], path)
            else:
                place = index(token, len(parent) - 1)
                inner = parent[place] = self._owned(parent[place], path)
            parent = inner
        return parent

    def _owned(self, value: Json, path: tuple[str, ...]) -> list[Json] | Object:
        if not isinstance(value, dict | list):
            raise Invalid(f"no value at {show(path)}")
        if id(value) not in self._own:
            self._move(len(value))
            value = value.copy()
            self._own[id(value)] = value
        return value

    def _move(self, items: int) -> None:
        self._moves -= items
        if self._moves < 0:
            raise TooLarge(f"a JSON patch moves at most {MOST_MOVED} items of lists and objects")


def operate(draft: Draft, operation: Json) -> None:
    """Do one operation of a JSON patch."""
    if not isinstance(operation, dict):
        raise Malformed("an operation of a JSON patch is an object")
    path = pointer(operation.get("path"))
    match operation.get("op"):
        case "add":
            draft.add(path, required(operation, "value"))
        case "remove":
            draft.remove(path)
        case "replace":
            draft.replace(path, required(operation, "value"))
        case "move":
            source = pointer(operation.get("from"))
            if path[: len(source)] == source and path != source:
                raise Invalid("cannot move a value into itself")
            draft.add(path, draft.remove(source))
        case "copy":
            draft.copy(pointer(operation.get("from")), path)
        case "test":
            if not same(find(draft.document, path), required(operation, "value")):
                raise Invalid(f"testing value {show(path)} failed")
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


def same(one: Json, other: Json) -> bool:
    """Equality of JSON values (RFC 6902 section 4.6): unlike Python's, true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)
