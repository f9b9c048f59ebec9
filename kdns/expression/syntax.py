"""Tokens of an expression to a tree, by operator precedence."""

from collections.abc import Sequence
from typing import NamedTuple

from kdns.expression.functions import PREDICATES
from kdns.expression.tokens import END, NAME, NUMBER, SIGN, STRING, Token, tokenize

MAX_DEPTH = 100  # expressions within expressions

# Binding strength of the operators; those that bind to the right are in _TO_RIGHT.
_BINARY = {
    "|": 0, "or": 10, "||": 10, "and": 15, "&&": 15, "==": 20, "!=": 20, "<": 20, ">": 20, "<=": 20, ">=": 20,
    "in": 20, "matches": 20, "contains": 20, "startsWith": 20, "endsWith": 20, "..": 25, "+": 30, "-": 30, "*": 60,
    "/": 60, "%": 60, "**": 100, "^": 100, "??": 500,
}  # fmt: skip
_UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
_TO_RIGHT = frozenset({"**", "^"})
_SAME = {"||": "or", "&&": "and", "^": "**"}
_NEGATABLE = frozenset({"in", "matches", "contains", "startsWith", "endsWith"})
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
KEYWORDS = frozenset({*_CONSTANTS, "not", "or", "and", "let", "if", "else", *_NEGATABLE})


class Literal(NamedTuple):
    """A value."""

    value: object


class Name(NamedTuple):
    """A variable; `#`, `#index` and `#acc` are those of a predicate."""

    name: str


class Unary(NamedTuple):
    """`not` or a sign in front of an operand."""

    operator: str
    operand: "Node"


class Binary(NamedTuple):
    """Two operands."""

    operator: str
    left: "Node"
    right: "Node"


class Choice(NamedTuple):
    """`test ? yes : no` or `if test { yes } else { no }`."""

    test: "Node"
    yes: "Node"
    no: "Node"


class Member(NamedTuple):
    """`of.key` or `of[key]`; with `?.` nil has nil members."""

    of: "Node"
    key: "Node"
    is_optional: bool = False


class Slice(NamedTuple):
    """`of[low:high]`, None where a bound is left out."""

    of: "Node"
    low: "Node | None"
    high: "Node | None"


class Call(NamedTuple):
    """A function by its name, and its arguments."""

    name: str
    arguments: tuple["Node", ...]


class Predicate(NamedTuple):
    """What a function like `filter` asks of every element."""

    body: "Node"


class ListOf(NamedTuple):
    """`[a, b]`."""

    items: tuple["Node", ...]


class MapOf(NamedTuple):
    """`{a: 1, "b": 2}`."""

    pairs: tuple[tuple["Node", "Node"], ...]


class Let(NamedTuple):
    """`let name = value; body`."""

    name: str
    value: "Node"
    body: "Node"


Node = Literal | Name | Unary | Binary | Choice | Member | Slice | Call | Predicate | ListOf | MapOf | Let


def parse(text: str) -> Node:
    """The tree of an expression. ValueError for a text that is none."""
    parser = _Parser(tokenize(text))
    tree = parser.whole()
    parser.expect_end()
    return tree


class _Parser:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        """An expression with everything that may stand in it. ValueError."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("compilation failed: expression exceeds maximum allowed nodes")
        if self._take("let"):
            name = self._name()
            self._expect("=")
            value = self.whole()
            self._expect(";")
            tree: Node = Let(name, value, self.whole())
        elif self._take("if"):
            tree = self._if()
        else:
            tree = self._conditional(self._operation(0))
        self._depth -= 1
        return tree

    def expect_end(self) -> None:
        """ValueError if tokens are left."""
        if self._token.kind != END:
            raise self._unexpected()

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _if(self) -> Node:
        test = self._operation(0)
        yes = self._braced()
        if not self._take("else"):
            raise self._unexpected()
        return Choice(test, yes, self._if() if self._take("if") else self._braced())

    def _braced(self) -> Node:
        self._expect("{")
        tree = self.whole()
        self._expect("}")
        return tree

    def _conditional(self, tree: Node) -> Node:
        if not self._take("?"):
            return tree
        if self._take(":"):
            return Choice(tree, tree, self.whole())
        yes = self.whole()
        self._expect(":")
        return Choice(tree, yes, self.whole())

    def _operation(self, strength: int) -> Node:
        left = self._operand()
        while True:
            negated = self._is_negated()
            operator = self._tokens[self._at + negated].text
            if self._tokens[self._at + negated].kind not in (SIGN, NAME) or _BINARY.get(operator, -1) < strength:
                return left
            self._at += 1 + negated
            left = self._joined(left, operator)
            left = Unary("not", left) if negated else left

    def _is_negated(self) -> bool:
        return self._token.text == "not" and self._tokens[self._at + 1].text in _NEGATABLE

    def _joined(self, left: Node, operator: str) -> Node:
        if operator == "|":
            return self._piped(left)
        right = self._operation(_BINARY[operator] + (operator not in _TO_RIGHT))
        return Binary(_SAME.get(operator, operator), left, right)

    def _piped(self, first: Node) -> Node:
        name = self._name()
        if self._token.text != "(":
            raise self._unexpected()
        return self._postfixed(Call(name, (first, *self._arguments(name, 1))))

    def _operand(self) -> Node:
        token = self._token
        if token.kind in (SIGN, NAME) and token.text in _UNARY:
            self._at += 1
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self._unexpected()
            tree: Node = Unary("not" if token.text == "!" else token.text, self._operation(_UNARY[token.text]))
            self._depth -= 1
            return tree
        return self._postfixed(self._primary())

    def _primary(self) -> Node:
        token = self._token
        self._at += 1
        if token.kind in (NUMBER, STRING):
            return Literal(token.value)
        if token.kind == NAME and token.text not in KEYWORDS:
            if self._token.text == "(":
                return Call(token.text, self._arguments(token.text, 0))
            return Name(token.text)
        if token.kind == NAME and token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        match token.text if token.kind == SIGN else "":
            case "(":
                tree = self.whole()
                self._expect(")")
                return tree
            case "[":
                return self._list()
            case "{":
                return self._map()
            case ".":
                return Member(Name("#"), Literal(self._name()))
        self._at -= 1
        raise self._unexpected()

    def _postfixed(self, tree: Node) -> Node:
        while True:
            if self._take("."):
                tree = Member(tree, Literal(self._name()))
            elif self._take("?."):
                key = self._key() if self._take("[") else Literal(self._name())
                tree = Member(tree, key, is_optional=True)
            elif self._take("["):
                tree = self._indexed(tree)
            else:
                return tree

    def _indexed(self, tree: Node) -> Node:
        if self._take(":"):
            return Slice(tree, None, None if self._take("]") else self._key())
        low = self.whole()
        if self._take(":"):
            return Slice(tree, low, None if self._take("]") else self._key())
        self._expect("]")
        return Member(tree, low)

    def _key(self) -> Node:
        key = self.whole()
        self._expect("]")
        return key

    def _list(self) -> Node:
        found: list[Node] = []
        while not self._take("]"):
            found.append(self.whole())
            if self._token.text != "]":
                self._expect(",")
        return ListOf(tuple(found))

    def _map(self) -> Node:
        pairs: list[tuple[Node, Node]] = []
        while not self._take("}"):
            token = self._token
            if token.kind in (NAME, STRING, NUMBER):
                self._at += 1
                key: Node = Literal(token.value if token.kind == STRING else token.text)
            else:
                self._expect("(")
                key = self.whole()
                self._expect(")")
            self._expect(":")
            pairs.append((key, self.whole()))
            if self._token.text != "}":
                self._expect(",")
        return MapOf(tuple(pairs))

    def _arguments(self, name: str, given: int) -> tuple[Node, ...]:
        """What stands in parentheses; from its place on, a predicate's is one."""
        self._expect("(")
        found: list[Node] = []
        while not self._take(")"):
            found.append(self._argument(PREDICATES.get(name) == given + len(found)))
            if self._token.text != ")":
                self._expect(",")
        return tuple(found)

    def _argument(self, is_predicate: bool) -> Node:
        if not is_predicate:
            return self.whole()
        return Predicate(self._braced() if self._token.text == "{" else self.whole())

    def _name(self) -> str:
        token = self._token
        if token.kind != NAME or token.text[0] in "#$":
            raise self._unexpected()
        self._at += 1
        return token.text

    def _take(self, text: str) -> bool:
        if self._token.kind in (SIGN, NAME) and self._token.text == text:
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected()

    def _unexpected(self) -> ValueError:
        return ValueError(f"unexpected token {self._token.text!r} at {self._token.at}")
