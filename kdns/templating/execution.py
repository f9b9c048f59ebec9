"""A tree and its data to text."""

from collections.abc import Sequence
from typing import NamedTuple

from kdns.errors import EvaluationError
from kdns.expression.values import Value, kind_of, show
from kdns.templating.functions import FUNCTIONS, LAZY, counted, member, truth
from kdns.templating.syntax import (
    Action,
    Block,
    Dot,
    Fields,
    Function,
    Jump,
    Literal,
    Node,
    Operand,
    Pipeline,
    Text,
    Variable,
    parse,
)

MAX_OUTPUT = 65_536  # characters: more than any record has
_NOTHING = object()  # no value came through the pipe


class Template(NamedTuple):
    """A compiled template and its text."""

    source: str
    nodes: tuple[Node, ...]

    def execute(self, data: Value) -> str:
        """What it makes of the data. EvaluationError if it cannot."""
        execution = _Execution(data)
        execution.walk(self.nodes, data)
        return "".join(execution.parts)


def compiled(text: str) -> Template:
    """The template of a text. ValueError for a text that is none."""
    return Template(text, parse(text, FUNCTIONS.keys() | LAZY))


class _Execution:
    def __init__(self, data: Value) -> None:
        self.parts: list[str] = []
        self._size = 0
        self._variables: list[tuple[str, Value]] = [("$", data)]

    def walk(self, nodes: Sequence[Node], dot: Value) -> str:
        """Write what the nodes make; `break` or `continue` if that ended it."""
        for node in nodes:
            jump = self._node(node, dot)
            if jump:
                return jump
        return ""

    def _node(self, node: Node, dot: Value) -> str:
        match node:
            case Text(text):
                self._write(text)
            case Action(pipeline):
                value = self._pipeline(pipeline, dot)
                if not pipeline.variables:
                    self._write("<no value>" if value is None else show(value))
            case Block():
                return self._block(node, dot)
            case Jump(kind):
                return kind
        return ""

    def _block(self, block: Block, dot: Value) -> str:
        mark = len(self._variables)
        if block.kind == "range":
            jump = self._range(block, dot)
        else:
            value = self._pipeline(block.pipeline, dot)
            inner = value if block.kind == "with" and truth(value) else dot
            jump = self.walk(block.body if truth(value) else block.otherwise, inner)
        del self._variables[mark:]
        return jump

    def _range(self, block: Block, dot: Value) -> str:
        loop = block.pipeline
        items = counted(self._pipeline(loop._replace(variables=()), dot))
        if not items:
            return self.walk(block.otherwise, dot)
        mark = len(self._variables)
        for key, item in items:
            values = (item,) if len(loop.variables) == 1 else (key, item)
            for name, value in zip(loop.variables, values, strict=False):
                self._set(name, value, is_new=loop.is_new)
            jump = self.walk(block.body, item)
            del self._variables[mark:]
            if jump == "break":
                break
        return ""

    def _pipeline(self, pipeline: Pipeline, dot: Value) -> Value:
        value: Value = _NOTHING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        for name in pipeline.variables:
            self._set(name, value, is_new=pipeline.is_new)
        return value

    def _set(self, name: str, value: Value, *, is_new: bool) -> None:
        if is_new:
            self._variables.append((name, value))
            return
        at = max(number for number, (known, _) in enumerate(self._variables) if known == name)
        self._variables[at] = name, value

    def _command(self, command: Sequence[Operand], dot: Value, piped: Value) -> Value:
        first, *rest = command
        extra = [] if piped is _NOTHING else [piped]
        if isinstance(first, Function) and first.name in LAZY:
            return self._decided(first.name, rest, dot, extra)
        if isinstance(first, Function):
            return _call(first.name, FUNCTIONS[first.name], [*self._values(rest, dot), *extra])
        if isinstance(first, Fields):
            return self._fields(first, dot, [*self._values(rest, dot), *extra])
        if rest or extra:
            raise EvaluationError(f"can't give argument to non-function {show(self._value(first, dot))}")
        return self._value(first, dot)

    def _decided(self, name: str, operands: Sequence[Operand], dot: Value, extra: list[Value]) -> Value:
        """`and`: the first that is false, else the last; `or`: the first that is true, else the last."""
        if not operands and not extra:
            raise EvaluationError(f"wrong number of args for {name}: want at least 1 got 0")
        value: Value = None
        for operand in operands:
            value = self._value(operand, dot)
            if truth(value) is (name == "or"):
                return value
        return extra[0] if extra else value

    def _values(self, operands: Sequence[Operand], dot: Value) -> list[Value]:
        return [self._value(operand, dot) for operand in operands]

    def _value(self, operand: Operand, dot: Value) -> Value:
        match operand:
            case Dot():
                return dot
            case Literal(value):
                return value
            case Variable(name):
                return next(value for known, value in reversed(self._variables) if known == name)
            case Fields():
                return self._fields(operand, dot, [])
            case Pipeline():
                return self._pipeline(operand, dot)
            case Function(name):
                return self._command([operand], dot, _NOTHING)

    def _fields(self, fields: Fields, dot: Value, arguments: list[Value]) -> Value:
        """Member after member; the last may be a method, and takes the arguments."""
        value = self._value(fields.of, dot)
        for number, name in enumerate(fields.names, 1):
            value = member(value, name)
            is_last = number == len(fields.names)
            if callable(value):
                value = _call(name, value, arguments if is_last else [])
            elif is_last and arguments:
                raise EvaluationError(f"{name} is not a method but has arguments")
        return value

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_OUTPUT:
            raise EvaluationError(f"template makes more than {MAX_OUTPUT} characters")
        self.parts.append(text)


def _call(name: str, function: object, arguments: list[Value]) -> Value:
    assert callable(function)
    try:
        found: Value = function(*arguments)
    except TypeError:
        kinds = ", ".join(kind_of(argument).value for argument in arguments)
        raise EvaluationError(f"error calling {name}: wrong number or type of arguments ({kinds})") from None
    return found
