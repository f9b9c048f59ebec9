"""A tree to a function of the names' values, its kinds checked on the way.

What can be known of kinds before a query comes is known here: `name() + 1` is refused when the Corefile is read. What
cannot (the member of a map, say) is checked when it is met, and raises EvaluationError then.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kdns.errors import EvaluationError
from kdns.expression import operators, predicates
from kdns.expression.functions import BUILTINS, PREDICATES, RESERVED, Function
from kdns.expression.syntax import (
    KEYWORDS,
    Binary,
    Call,
    Choice,
    Let,
    ListOf,
    Literal,
    MapOf,
    Member,
    Name,
    Node,
    Predicate,
    Slice,
    Unary,
    parse,
)
from kdns.expression.values import Kind, Value, kind_of, show

Frame = Mapping[str, Value]  # the values of the names in sight
Run = Callable[[Frame], Value]
Scope = Mapping[str, "Kind | Function"]  # what is known of the names before a query comes


class Program(NamedTuple):
    """A compiled expression: the kind of its value, and the function that finds it (EvaluationError if it cannot)."""

    kind: Kind
    run: Run


def compiled(text: str, scope: Scope) -> Program:
    """The program of an expression whose names `scope` knows. ValueError for a text that is none."""
    try:
        return _compile(parse(text), scope)
    except RecursionError:
        raise ValueError("compilation failed: expression exceeds maximum allowed nodes") from None


def is_reserved(name: str, scope: Scope) -> bool:
    """Whether a name means something already."""
    return name in KEYWORDS or name in scope or name in BUILTINS or name in PREDICATES or name in RESERVED


def _compile(tree: Node, scope: Scope) -> Program:
    match tree:
        case Literal(value):
            return Program(kind_of(value), lambda frame: value)
        case Name(name):
            return _name(name, scope)
        case Unary(operator, operand):
            return _unary(operator, _compile(operand, scope))
        case Binary("matches", left, Literal(str() as pattern)):
            return _matching(_compile(left, scope), pattern)
        case Binary(operator, left, right):
            return _binary(operator, _compile(left, scope), _compile(right, scope))
        case Choice(test, yes, no):
            return _choice(_compile(test, scope), _compile(yes, scope), _compile(no, scope))
        case Member(of, key, is_optional):
            return _member(_compile(of, scope), _compile(key, scope), is_optional=is_optional)
        case Slice():
            return _slice(tree, scope)
        case Call(name, arguments):
            return _call(name, arguments, scope)
        case Let(name, value, body):
            return _let(name, _compile(value, scope), body, scope)
        case ListOf(items):
            runs = [_compile(item, scope).run for item in items]
            return Program(Kind.LIST, lambda frame: [run(frame) for run in runs])
        case MapOf(pairs):
            both = [(_compile(key, scope).run, _compile(value, scope).run) for key, value in pairs]
            return Program(Kind.MAP, lambda frame: {show(key(frame)): value(frame) for key, value in both})
        case Predicate(body):
            return _compile(body, scope)


def _name(name: str, scope: Scope) -> Program:
    known = scope.get(name)
    if known is None or isinstance(known, Function):
        raise ValueError(f"unknown name {name}")
    return Program(known, lambda frame: frame[name])


def _unary(operator: str, operand: Program) -> Program:
    wanted = (Kind.BOOL,) if operator == "not" else (Kind.INT, Kind.FLOAT)
    if operand.kind not in (*wanted, Kind.ANY):
        raise ValueError(f"invalid operation: {operator} (mismatched type {operand.kind.value})")
    act = operators.UNARY[operator]
    return Program(operand.kind, lambda frame: act(operand.run(frame)))


def _binary(operator: str, left: Program, right: Program) -> Program:
    kind = operators.result_kind(operator, left.kind, right.kind)
    if operator in ("and", "or"):
        return Program(kind, _short_circuit(operator, left.run, right.run))
    if operator == "??":
        return Program(kind, lambda frame: right.run(frame) if (found := left.run(frame)) is None else found)
    act = operators.BINARY[operator]
    return Program(kind, lambda frame: act(left.run(frame), right.run(frame)))


def _matching(left: Program, pattern: str) -> Program:
    """`matches` with a pattern that is known: a wrong one is refused at once."""
    act = operators.matching(pattern)
    return Program(operators.result_kind("matches", left.kind, Kind.STRING), lambda frame: act(left.run(frame)))


def _short_circuit(operator: str, left: Run, right: Run) -> Run:
    decisive = operator == "or"

    def run(frame: Frame) -> Value:
        first = operators.truth(left(frame))
        return first if first is decisive else operators.truth(right(frame))

    return run


def _choice(test: Program, yes: Program, no: Program) -> Program:
    if test.kind not in (Kind.BOOL, Kind.ANY):
        raise ValueError(f"non-bool expression (type {test.kind.value}) used as condition")
    kind = yes.kind if yes.kind is no.kind else Kind.ANY
    return Program(kind, lambda frame: (yes if operators.truth(test.run(frame)) else no).run(frame))


def _member(of: Program, key: Program, *, is_optional: bool) -> Program:
    if of.kind not in (Kind.ANY, Kind.NIL, Kind.LIST, Kind.MAP, Kind.STRING):
        raise ValueError(f"type {of.kind.value} has no members")
    kind = Kind.STRING if of.kind is Kind.STRING else Kind.ANY

    def run(frame: Frame) -> Value:
        found = of.run(frame)
        return None if is_optional and found is None else operators.member(found, key.run(frame))

    return Program(kind, run)


def _slice(tree: Slice, scope: Scope) -> Program:
    of = _compile(tree.of, scope)
    if of.kind not in (Kind.ANY, Kind.LIST, Kind.STRING):
        raise ValueError(f"cannot slice {of.kind.value}")
    low, high = (None if bound is None else _integer(_compile(bound, scope)) for bound in (tree.low, tree.high))
    return Program(
        of.kind,
        lambda frame: operators.sliced(of.run(frame), low and low(frame), None if high is None else high(frame)),
    )


def _integer(bound: Program) -> Run:
    if bound.kind not in (Kind.INT, Kind.ANY):
        raise ValueError(f"non-integer slice index {bound.kind.value}")
    return bound.run


def _let(name: str, value: Program, body: Node, scope: Scope) -> Program:
    if is_reserved(name, scope):
        raise ValueError(f"cannot redeclare {name}")
    inner = _compile(body, {**scope, name: value.kind})
    return Program(inner.kind, lambda frame: inner.run({**frame, name: value.run(frame)}))


def _call(name: str, arguments: tuple[Node, ...], scope: Scope) -> Program:
    known = scope.get(name)
    if isinstance(known, Function):
        runs = _checked(name, known, arguments, scope)
        return Program(known.result, _called(name, runs, lambda frame: frame[name]))
    if name in PREDICATES:
        return _predicate(name, arguments, scope)
    if name not in BUILTINS:
        raise ValueError(f"unknown name {name}" if known is None else f"{name} is not callable")
    builtin = BUILTINS[name]
    runs = _checked(name, builtin, arguments, scope)
    return Program(builtin.result, _called(name, runs, lambda frame: builtin.call))


def _called(name: str, runs: list[Run], function: Callable[[Frame], Value]) -> Run:
    def run(frame: Frame) -> Value:
        call = function(frame)
        assert callable(call)
        arguments = [each(frame) for each in runs]
        try:
            result: Value = call(*arguments)
        except (TypeError, ValueError, ArithmeticError) as fault:  # values that the kinds let pass: int(infinity)
            raise EvaluationError(f"{name}: {fault}") from None
        return result

    return run


def _checked(name: str, function: Function, arguments: tuple[Node, ...], scope: Scope) -> list[Run]:
    """The arguments' programs, each with a check of its kind where it could not be known."""
    if len(arguments) < function.low:
        raise ValueError(f"not enough arguments to call {name}")
    if function.high is not None and len(arguments) > function.high:
        raise ValueError(f"too many arguments to call {name}")
    runs: list[Run] = []
    for number, argument in enumerate(arguments):
        wanted = function.kinds[min(number, len(function.kinds) - 1)]
        runs.append(_of_kind(name, wanted, _compile(argument, scope)))
    return runs


def _of_kind(name: str, wanted: Kind, given: Program) -> Run:
    if wanted is Kind.ANY or given.kind is wanted:
        return given.run
    if given.kind is not Kind.ANY:
        raise ValueError(f"cannot use {given.kind.value} as argument (type {wanted.value}) to call {name}")

    def run(frame: Frame) -> Value:
        found = given.run(frame)
        if kind_of(found) is not wanted:
            raise EvaluationError(f"cannot use {kind_of(found).value} as argument (type {wanted.value}) to call {name}")
        return found

    return run


def _predicate(name: str, arguments: tuple[Node, ...], scope: Scope) -> Program:
    """A function that asks something of every element: of a list, in the third argument's order or from its start."""
    low, high, result = predicates.SHAPES[name]
    if not low <= len(arguments) <= high:
        raise ValueError(f"invalid number of arguments for {name} (expected {low} to {high}, got {len(arguments)})")
    items = _of_kind(name, Kind.LIST, _compile(arguments[0], scope))
    inner = {**scope, "#": Kind.ANY, "#index": Kind.INT, "#acc": Kind.ANY}
    body = _compile(arguments[1], inner) if len(arguments) > 1 else None
    if body is not None and name in predicates.YES_OR_NO and body.kind not in (Kind.BOOL, Kind.ANY):
        raise ValueError(f"predicate should return boolean (got {body.kind.value})")
    third = _compile(arguments[2], scope).run if len(arguments) > 2 else None
    act = predicates.ACTS[name]

    def run(frame: Frame) -> Value:
        def ask(item: Value, index: int = 0, so_far: Value = None) -> Value:
            return item if body is None else body.run({**frame, "#": item, "#index": index, "#acc": so_far})

        found = items(frame)
        assert isinstance(found, list)
        return act(found, ask) if third is None else act(found, ask, third(frame))

    return Program(result, run)
