"""Label and field selectors in the API server's text form: parse once, then match.

Labels: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, `a>1`, `a<1`, joined by commas (all must hold).
Fields: `path=value`, `path==value`, `path!=value`, joined by commas. In a value a backslash takes `\\`,
`,` and `=` as they are.
A selector is a tuple of requirements, each a plain value, so it can be compared, hashed and kept.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from ipamd.errors import Malformed

TOKEN = re.compile(r"\s*(?:(?P<op>==|!=|=|!|>|<|\(|\)|,)|(?P<word>[^\s=!<>(),]+))")
KEY = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
INTEGER = re.compile(r"-?[0-9]{1,18}")
VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
COMPARISONS = {"=": "in", "==": "in", "!=": "notin", ">": ">", "<": "<"}


class Requirement(NamedTuple):
    """One condition on one label. `op` is `in`, `notin`, `exists`, `!`, `>` or `<`."""

    key: str
    op: str
    values: frozenset[str]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """True when `labels` meet the condition; `notin` and `!` are also met by an absent label."""
        value = labels.get(self.key)
        match self.op:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        return value is not None and compares(value, self.op, next(iter(self.values)))


class FieldRequirement(NamedTuple):
    """One condition on one field: `equal` says whether the field must have the value or must not have it."""

    path: str
    equal: bool
    value: str


LabelSelector = tuple[Requirement, ...]
FieldSelector = tuple[FieldRequirement, ...]


def matches_labels(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """True when every requirement holds; the empty selector matches everything."""
    return all(requirement.matches(labels) for requirement in selector)


def matches_fields(selector: FieldSelector, fields: Mapping[str, str]) -> bool:
    """True when every requirement holds. A field that the object has not is the empty string."""
    return all((fields.get(r.path, "") == r.value) == r.equal for r in selector)


def compares(value: str, op: str, bound: str) -> bool:
    """`value` op `bound` as integers; a label that is no integer never compares."""
    if not INTEGER.fullmatch(value):
        return False
    return int(value) > int(bound) if op == ">" else int(value) < int(bound)


def parse_labels(text: str) -> LabelSelector:
    """Read a label selector. Raises Malformed saying what was found and what was expected."""
    tokens = Tokens(text)
    requirements: list[Requirement] = []
    while tokens.peek() or requirements:  # after a comma another requirement must follow
        requirements.append(requirement(tokens))
        if not tokens.peek():
            break
        if tokens.take() != ",":
            raise tokens.error("expected: ',' or 'end of string'")
    return tuple(requirements)


def requirement(tokens: "Tokens") -> Requirement:
    """Read one requirement from the tokens, leaving the comma that follows it."""
    if tokens.peek() == "!":
        tokens.take()
        return Requirement(label_key(tokens), "!", frozenset())
    key = label_key(tokens)
    if tokens.peek() in ("", ","):
        return Requirement(key, "exists", frozenset())
    op = tokens.take()
    if op in ("in", "notin"):
        return Requirement(key, op, value_set(tokens))
    if op not in COMPARISONS:
        raise tokens.error("expected: in, notin, =, ==, !=, >, <")
    return Requirement(key, COMPARISONS[op], frozenset([single_value(tokens, op)]))


def label_key(tokens: "Tokens") -> str:
    """The next token as a label key."""
    key = tokens.take()
    if not KEY.fullmatch(key):
        raise invalid_value(key, "not a qualified label name")
    return key


def single_value(tokens: "Tokens", op: str) -> str:
    """The value after `op`: empty when nothing or a comma follows, an integer after `>` and `<`."""
    value = "" if tokens.peek() in ("", ",") else tokens.take()
    if op in "><" and not INTEGER.fullmatch(value):
        raise invalid_value(value, "for 'Gt', 'Lt' operators, the value must be an integer")
    return checked_value(value)


def value_set(tokens: "Tokens") -> frozenset[str]:
    """The values of `(a,b)`; an empty place between commas is the empty string."""
    if tokens.take() != "(":
        raise tokens.error("expected: '('")
    values: set[str] = set()
    word = ""
    while (token := tokens.take()) != ")":
        if token == "" or (word and token != ","):
            raise tokens.error("expected: ',' or ')'")
        if token == ",":
            values.add(checked_value(word))
        word = "" if token == "," else token
    return frozenset(values | {checked_value(word)})


def checked_value(value: str) -> str:
    """`value` if it can be the value of a label."""
    if not VALUE.fullmatch(value):
        raise invalid_value(value, VALUE_RULE)
    return value


def invalid_value(value: str, rule: str) -> Malformed:
    """The error that `value` breaks `rule`."""
    return Malformed(f'unable to parse requirement: Invalid value: "{value}": {rule}')


class Tokens:
    """The tokens of a label selector, read one after another; "" at the end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [match["op"] or match["word"] for match in TOKEN.finditer(text)]
        self.place = 0

    def peek(self) -> str:
        """The next token, which stays."""
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        """The next token, which is used up."""
        token = self.peek()
        self.place += 1
        return token

    def error(self, expected: str) -> Malformed:
        """The error that the token taken last, or the end, is not what was expected."""
        found = self.tokens[self.place - 1] if 0 < self.place <= len(self.tokens) else ""
        return Malformed(f"unable to parse requirement: found '{found}', {expected}")


def parse_fields(text: str) -> FieldSelector:
    """Read a field selector. Raises Malformed. Whether a kind has the field is for the caller to say."""
    return tuple(field_requirement(term) for term in split_terms(text) if term)


def split_terms(text: str) -> list[str]:
    """`text` cut at the commas that have no backslash before them."""
    return re.findall(r"(?:[^\\,]|\\.)+", text, re.DOTALL)


def field_requirement(term: str) -> FieldRequirement:
    """Read `path=value`, `path==value` or `path!=value`; in the value a bare `=` or another escape is refused."""
    match = re.fullmatch(r"([^=!]+)(!=|==|=)((?:[^\\=]|\\[\\,=])*)", term, re.DOTALL)
    if match is None:
        raise Malformed(f"invalid selector: '{term}'; can't understand '{term}'")
    path, op, value = match.groups()
    return FieldRequirement(path, op != "!=", re.sub(r"\\([\\,=])", r"\1", value))
