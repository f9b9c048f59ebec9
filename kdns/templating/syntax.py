"""Template text to a tree."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from kdns.templating.tokens import (
    CLOSE,
    FIELD,
    NAME,
    NUMBER,
    SIGN,
    STRING,
    TEXT,
    VARIABLE,
    Token,
    tokenize,
)

MAX_DEPTH = 50  # blocks and parentheses within each other

_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_BLOCKS = frozenset({"if", "range", "with"})
_UNSUPPORTED = frozenset({"define", "template", "block"})


class Dot(NamedTuple):
    """`.`, the data at hand."""


class Variable(NamedTuple):
    """`$name`; `$` is the data that the template began with."""

    name: str


class Literal(NamedTuple):
    """A constant."""

    value: object


class Function(NamedTuple):
    """A function by its name."""

    name: str


class Fields(NamedTuple):
    """`of.a.b`: one member after the other."""

    of: "Operand"
    names: tuple[str, ...]


class Pipeline(NamedTuple):
    """`$x := first | second`: the variables that are set (`is_new`: declared), and commands fed one by the other."""

    variables: tuple[str, ...]
    is_new: bool
    commands: tuple[tuple["Operand", ...], ...]


Operand = Dot | Variable | Literal | Function | Fields | Pipeline


class Text(NamedTuple):
    """Text that stands for itself."""

    text: str


class Action(NamedTuple):
    """`{{ pipeline }}`: its value is written, unless it sets variables."""

    pipeline: Pipeline


class Block(NamedTuple):
    """`if`, `range` or `with`, and what stands in it and behind its `else`."""

    kind: str
    pipeline: Pipeline
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...]


class Jump(NamedTuple):
    """`break` or `continue`."""

    kind: str


Node = Text | Action | Block | Jump


def parse(text: str, functions: Collection[str]) -> tuple[Node, ...]:
    """The tree of a template that may call `functions`. ValueError for a text that is none."""
    parser = _Parser(tokenize(text), functions)
    nodes, end = parser.nodes()
    if end:
        raise ValueError(f"unexpected {{{{{end}}}}}")
    return nodes


def members(tree: object) -> Iterator[str]:
    """The members that a tree asks of its data, or of anything; "" where it takes the whole."""
    if isinstance(tree, Fields) and isinstance(tree.of, Dot | Variable):
        yield tree.names[0]
    elif isinstance(tree, Dot) or tree == Variable("$"):
        yield ""
    elif isinstance(tree, tuple):
        for part in tree:
            yield from members(part)


class _Parser:
    def __init__(self, tokens: Sequence[Token], functions: Collection[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._functions = functions
        self._known = ["$"]  # the variables in sight
        self._depth = 0
        self._loops = 0

    def nodes(self) -> tuple[tuple[Node, ...], str]:
        """Nodes up to the end of the text, or to `end` or `else`, which is given back."""
        found: list[Node] = []
        while self._at < len(self._tokens):
            token = self._next()
            if token.kind == TEXT:
                found.append(Text(token.text))
                continue
            word = self._peek().text if self._peek().kind == NAME else ""
            if word in ("end", "else"):
                self._at += 1
                if word == "end":
                    self._expect(CLOSE)
                return tuple(found), word
            found.append(self._control(word))
        return tuple(found), ""

    def _control(self, word: str) -> Node:
        if word in _UNSUPPORTED:
            raise ValueError(f"{word} is not supported: a record is made by one template")
        if word in ("break", "continue"):
            self._at += 1
            self._expect(CLOSE)
            if not self._loops:
                raise ValueError(f"{{{{{word}}}}} outside {{{{range}}}}")
            return Jump(word)
        if word in _BLOCKS:
            self._at += 1
            return self._block(word)
        pipeline = self._pipeline()
        self._expect(CLOSE)
        return Action(pipeline)

    def _block(self, kind: str) -> Block:
        self._enter()
        mark = len(self._known)
        pipeline = self._pipeline(is_range=kind == "range")
        self._expect(CLOSE)
        self._loops += kind == "range"
        body, end = self.nodes()
        self._loops -= kind == "range"
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            otherwise, end = self._otherwise(kind)
        if end != "end":
            raise ValueError("unexpected EOF")
        del self._known[mark:]
        self._depth -= 1
        return Block(kind, pipeline, body, otherwise)

    def _otherwise(self, kind: str) -> tuple[tuple[Node, ...], str]:
        """What follows `else`: an `else if` (or `else with`) is a block of its own, and ends with the outer one."""
        if kind != "range" and self._peek().text == kind:
            self._at += 1
            return (self._block(kind),), "end"
        self._expect(CLOSE)
        return self.nodes()

    def _pipeline(self, *, is_range: bool = False) -> Pipeline:
        self._enter()
        variables, is_new = self._declared(is_range=is_range)
        commands = [self._command()]
        while self._take("|"):
            commands.append(self._command())
        self._known += variables if is_new else ()
        if any(isinstance(command[0], Literal | Dot) for command in commands[1:]):
            raise ValueError("non executable command in pipeline")
        self._depth -= 1
        return Pipeline(variables, is_new, tuple(commands))

    def _declared(self, *, is_range: bool) -> tuple[tuple[str, ...], bool]:
        """The variables in front of `:=` or `=`."""
        start = self._at
        names: list[str] = []
        while self._peek().kind == VARIABLE and len(names) < 1 + is_range:
            names.append(self._next().text)
            if self._take(":="):
                return tuple(names), True
            if self._take("="):
                self._check(names)
                return tuple(names), False
            if not self._take(","):
                break
        self._at = start
        return (), False

    def _check(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self._known:
                raise ValueError(f'undefined variable "{name}"')

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while self._peek().kind != CLOSE and not (self._peek().kind == SIGN and self._peek().text in "|)"):
            operands.append(self._operand())
        if not operands:
            raise ValueError("missing value for command")
        return tuple(operands)

    def _operand(self) -> Operand:
        token = self._next()
        found = self._term(token)
        names: list[str] = [token.text[1:]] if token.kind == FIELD else []
        while self._peek().kind == FIELD and not self._peek().spaced:
            names.append(self._next().text[1:])
        if names and isinstance(found, Literal):
            raise ValueError(f"unexpected .{names[0]} after term {token.text!r}")
        return Fields(found, tuple(names)) if names else found

    def _term(self, token: Token) -> Operand:
        if token.kind == FIELD or token.text == ".":
            return Dot()
        if token.kind in (NUMBER, STRING):
            return Literal(token.value)
        if token.kind == VARIABLE:
            self._check([token.text])
            return Variable(token.text)
        if token.kind == NAME and token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        if token.kind == NAME:
            if token.text not in self._functions:
                raise ValueError(f'function "{token.text}" not defined')
            return Function(token.text)
        if token.text == "(":
            pipeline = self._pipeline()
            if not self._take(")"):
                raise ValueError("unclosed left paren")
            return pipeline
        raise ValueError(f"unexpected {token.text!r} in operand")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("template is nested too deeply")

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _peek(self) -> Token:
        """The token at hand; in an action there always is one, since it ends with CLOSE."""
        return self._tokens[self._at]

    def _take(self, sign: str) -> bool:
        if self._peek().kind == SIGN and self._peek().text == sign:
            self._at += 1
            return True
        return False

    def _expect(self, kind: str) -> None:
        token = self._next()
        if token.kind != kind:
            raise ValueError(f"unexpected {token.text!r} in command")
