"""Expressions as views and templates have them: text in, value out."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.chain import Client
from kdns.errors import EvaluationError
from kdns.expression import query
from kdns.expression.compiler import compiled, is_reserved
from kdns.expression.functions import Function
from kdns.expression.values import Kind, Value, show, show_float
from kdns.wire import codes, edns
from kdns.wire.edns import Edns
from tests.kdns.asking import question, request

SCOPE: dict[str, Kind | Function] = {
    **query.SCOPE,
    "a": Kind.INT,
    "f": Kind.FLOAT,
    "s": Kind.STRING,
    "l": Kind.LIST,
    "m": Kind.MAP,
    "x": Kind.ANY,
}
NAMES = {"a": 7, "f": 1.5, "s": "abc", "l": [1, 2, 3], "m": {"x": 1, "y": {"z": 2}}, "x": None}


def value(text: str) -> Value:
    """The value of an expression for the query www.example.org. A."""
    return compiled(text, SCOPE).run({**query.frame(request("www.Example.org. A")), **NAMES})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1_000 + 0x10 + 0b11 + 0o7", 1026),
        ("1e3", 1000.0),
        (".5 + 1.5", 2.0),
        (r'"a\n\x41\u00e9\101\""', 'a\nA\u00e9A"'),
        ("'a\"b'", 'a"b'),
        (r"`a\n`", r"a\n"),
        ("[1, 'a', nil, true,]", [1, "a", None, True]),
        ('{a: 1, "b c": 2, (s): 3}', {"a": 1, "b c": 2, "abc": 3}),
        ("1 // one\n + /* two */ 2", 3),
    ],
)
def test_literals_stand_for_themselves(text: str, found: Value) -> None:
    assert value(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 ** 3 ^ 2", 512.0),
        ("-2 ** 2", -4.0),
        ("7 / 2", 3.5),
        ("1 / 0", float("inf")),
        ("-7 % 3", -1),
        ("7 - 2 - 1", 4),
        ("9223372036854775807 + 1", -(2**63)),  # 64 bits, as in Go
        ("a + f", 8.5),
        ("'x' + s", "xabc"),
        ("x == nil", True),
        ("1 == 1.0", True),
        ("[1, [2]] == [1, [2]]", True),
        ("{a: 1} != {a: 2}", True),
        ("a >= 7 and a <= 7 && !(a < 7) && not (a > 7)", True),
        ("'b' > 'a'", True),
        ("false || true", True),
        ("2 in l", True),
        ("1.0 in l", True),
        ("5 not in l", True),
        ("'x' in m", True),
        ("1 in x", False),
        ("s matches '^a.c$'", True),
        ("s matches s", True),
        ("s not matches 'z'", True),
        ("s contains 'b' and s startsWith 'a' and s endsWith 'c'", True),
        ("1..3", [1, 2, 3]),
        ("3..1", []),
        ("x ?? 3", 3),
        ("a ?? 3", 7),
        ("a > 3 ? 'big' : 'small'", "big"),
        ("true ?: false", True),
        ("if a > 9 { 1 } else if a > 6 { 2 } else { 3 }", 2),
        ("let b = a * 2; let c = b + 1; c", 15),
    ],
)
def test_operators_combine_values(text: str, found: Value) -> None:
    assert value(text) == found


@pytest.mark.parametrize(
    "text", ["true or incidr('', '')", "false and incidr('', '')", "'b' in m ? incidr('', '') : true"]
)
def test_what_does_not_matter_is_not_evaluated(text: str) -> None:
    assert value(text) is (text != "false and incidr('', '')")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("m.y.z", 2),
        ("m['x']", 1),
        ("m.none", None),
        ("m?.none?.more", None),
        ("x?.['y']", None),
        ("l[0] + l[-1]", 4),
        ("s[1]", "b"),
        ("l[1:]", [2, 3]),
        ("l[:-1]", [1, 2]),
        ("s[1:2]", "b"),
        ("s[:]", "abc"),
    ],
)
def test_members_are_reached(text: str, found: Value) -> None:
    assert value(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("len(s) + len(l) + len(m)", 8),
        ("abs(-3)", 3),
        ("[ceil(1.2), floor(-1.2), round(2.5), round(-2.5)]", [2.0, -2.0, 3.0, -3.0]),
        ("int('-12') + int(3.9)", -9),
        ("float('1.5')", 1.5),
        ("string(1.0) + string([1, true]) + string({b: nil})", "1[1 true]map[b:<nil>]"),
        ("trim('  a ') + trim('xax', 'x')", "aa"),
        ("trimPrefix('ab', 'a') + trimSuffix('ab', 'b')", "ba"),
        ("upper(s) + lower('D')", "ABCd"),
        ("split('a-b-c', '-', 2)", ["a", "b-c"]),
        ("split('ab', '')", ["a", "b"]),
        ("splitAfter('a-b', '-')", ["a-", "b"]),
        ("replace('10-0-0-1', '-', '.')", "10.0.0.1"),
        ("replace('aaa', 'a', 'b', 2)", "bba"),
        ("repeat('ab', 2)", "abab"),
        ("join(['a', 'b'], '-')", "a-b"),
        ("indexOf(s, 'b') + lastIndexOf('abab', 'b')", 4),
        ("hasPrefix(s, 'a') && hasSuffix(s, 'c')", True),
        ("max(1, 2.5) + min(l)", 3.5),
        ("mean(l) + median([1, 2, 9, 10])", 7.5),
        ("[first(l), last(l), first([])]", [1, 3, None]),
        ("[get(m, 'x'), get(l, 1), get(l, 9)]", [1, 2, None]),
        ("take(l, 2)", [1, 2]),
        ("keys(m)", ["x", "y"]),
        ("values({a: 1})", [1]),
        ("fromPairs(toPairs({a: 1}))", {"a": 1}),
        ("reverse(l)", [3, 2, 1]),
        ("uniq([1, 1.0, true, 2])", [1, True, 2]),
        ("concat(l, [4])", [1, 2, 3, 4]),
        ("flatten([1, [2, [3]]])", [1, 2, 3]),
        ("sort([2, 1], 'desc')", [2, 1]),
        ("fromJSON(toJSON({a: [1]})).a[0]", 1),
        ("fromBase64(toBase64(s))", "abc"),
        ("[bitand(6, 3), bitor(6, 3), bitxor(6, 3), bitnand(6, 3), bitnot(0)]", [2, 7, 5, 4, -1]),
        ("[bitshl(1, 4), bitshr(-16, 2), bitushr(-1, 60)]", [16, -4, 15]),
        ("s | upper() | split('') | len()", 3),
    ],
)
def test_built_in_functions_do_what_they_say(text: str, found: Value) -> None:
    assert value(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("all(l, # > 0)", True),
        ("any(l, {# > 2})", True),
        ("one(l, # > 2)", True),
        ("none(l, # > 3)", True),
        ("map(l, # * #index)", [0, 2, 6]),
        ("filter(l, # != 2)", [1, 3]),
        ("find(l, # > 1)", 2),
        ("find(l, # > 9)", None),
        ("findIndex(l, # > 1)", 1),
        ("findLast(l, # < 3)", 2),
        ("findLastIndex(l, # < 3)", 1),
        ("count(l, # > 1) + count([true, false])", 3),
        ("sum(l) + sum(l, # * 2)", 18),
        ("groupBy(l, # % 2)", {"1": [1, 3], "0": [2]}),
        ("sortBy([{n: 2}, {n: 1}], .n)", [{"n": 1}, {"n": 2}]),
        ("sortBy(l, #, 'desc')", [3, 2, 1]),
        ("reduce(l, #acc + #)", 6),
        ("reduce(l, #acc + #, 10)", 16),
        ("filter(1..9, # % 2 == 0) | map(string(#)) | join(',')", "2,4,6,8"),
        ("map([[1], [2, 3]], len(filter(#, # > 1)))", [0, 2]),
        ("any(['10.0.0.0/8', '127.0.0.0/8'], incidr(client_ip(), #))", True),
    ],
)
def test_predicates_ask_something_of_every_element(text: str, found: Value) -> None:
    assert value(text) == found


def test_a_query_answers_for_itself() -> None:
    asked = question("www.Example.org. AAAA", edns=Edns(1232, flags=edns.DO), flags=codes.NOTIFY << 11)
    client = Client("2001:db8::1", 4711, "udp", "2001:db8::53", 53)
    names = query.frame(request(asked, client=client, size=50, labels={"a/b": "c"}))
    text = (
        "[type(), name(), class(), proto(), size(), client_ip(), port(), id(), opcode(), do(), bufsize(), server_ip(),"
        " server_port(), metadata('a/b'), metadata('a/c'), incidr(client_ip(), '2001:db8::/32')]"
    )

    assert compiled(text, query.SCOPE).run(names) == [
        "AAAA", "www.example.org.", "IN", "udp", 50, "2001:db8::1", "4711", 4711, 4, True, 1232, "2001:db8::53",
        "53", "c", "", True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "unexpected token 'end of expression'"),
        ("name() ==", "unexpected token 'end of expression' at 9"),
        ("invalid expression", "unexpected token 'expression' at 8"),
        ("1 +* 2", r"unexpected token '\*'"),
        ("(1", "unexpected token"),
        ("[1 2]", "unexpected token '2'"),
        ("{a 1}", "unexpected token '1'"),
        ("@", "unrecognized character: '@' at 0"),
        ("'abc", 'unrecognized character: "\'"'),
        (r"'\q'", r"unknown escape: \\q"),
        ("99999999999999999999", "integer literal is too large"),
        ("let let = 1; 1", "cannot redeclare let"),
        ("let len = 1; 1", "cannot redeclare len"),
        ("undefined == 1", "unknown name undefined"),
        ("now()", "unknown name now"),
        ("name", "unknown name name"),
        ("a()", "a is not callable"),
        ("a + 'x'", r"invalid operation: \+ \(mismatched types int and string\)"),
        ("name() + 1", r"invalid operation: \+ \(mismatched types string and int\)"),
        ("1 == 'a'", "invalid operation: == "),
        ("true and 1", "invalid operation: and "),
        ("s < 1", "invalid operation: < "),
        ("s matches 1", "invalid operation: matches "),
        ("1 in s", "invalid operation: in "),
        ("1.5 % 2", "invalid operation: % "),
        ("1.5..2", r"invalid operation: \.\. "),
        ("-s", "invalid operation: - "),
        ("not 1", "invalid operation: not "),
        ("1 ? 2 : 3", "non-bool expression"),
        ("a.b", "type int has no members"),
        ("a[1:]", "cannot slice int"),
        ("l['a':]", "non-integer slice index string"),
        ("s matches '('", "error parsing regexp"),
        ("incidr(s)", "not enough arguments to call incidr"),
        ("upper(s, s)", "too many arguments to call upper"),
        ("upper(1)", r"cannot use int as argument \(type string\) to call upper"),
        ("filter(l)", r"invalid number of arguments for filter \(expected 2 to 2, got 1\)"),
        ("filter(s, true)", "cannot use string as argument"),
        ("filter(l, 1)", r"predicate should return boolean \(got int\)"),
        ("(" * 200 + "1", "maximum allowed nodes"),
        ("1+" * 5000 + "1", "maximum allowed nodes"),
        ("-" * 200 + "1", "unexpected token"),
    ],
)
def test_what_can_be_known_to_be_wrong_is_refused_before_any_query(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        compiled(text, SCOPE)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("incidr('notanip', '10.0.0.0/8')", "first argument is not an IP address"),
        ("incidr('10.0.0.1', 'net')", "invalid CIDR address: net"),
        ("l[3]", r"index out of range: 3 \(array length is 3\)"),
        ("m.none.more", "cannot fetch more from nil"),
        ("m.x + 'a'", r"invalid operation: \+ \(mismatched types int and string\)"),
        ("m.x < 'a'", "invalid operation: < "),
        ("m.x and true", "invalid operation: 1 is no bool"),
        ("-m.y", "invalid operation: -"),
        ("m.x matches 'a'", "invalid operation: matches"),
        ("s matches m.x", "invalid operation: matches"),
        ("s matches trim('( ')", "error parsing regexp"),
        ("1 in m.x", 'operator "in" not defined on int'),
        ("1 .. m.y", r"invalid operation: \.\."),
        ("1 % 0", "integer divide by zero"),
        ("m.x[1:]", "cannot slice 1"),
        ("l[m.y:]", "non-integer slice index"),
        ("upper(m.x)", r"cannot use int as argument \(type string\) to call upper"),
        ("any(l, m.x)", "1 is no bool"),
        ("int('x')", r"invalid operation: int\(x\)"),
        ("int(float('inf'))", "int: cannot convert float infinity"),
        ("float('x')", r"invalid operation: float\(x\)"),
        ("abs(s)", "invalid argument for abs"),
        ("len(1)", "invalid argument for len"),
        ("max([])", "not enough arguments to call max"),
        ("sort([1, 'a'])", "cannot sort"),
        ("sort(l, 'up')", "invalid order up"),
        ("take(l, -1)", "cannot take -1 elements"),
        ("fromPairs([1])", "invalid pair 1"),
        ("fromJSON('{')", "fromJSON: "),
        ("fromBase64('?')", "fromBase64: "),
        ("reduce([], #acc)", "reduce of empty array with no initial value"),
        ("bitshl(1, 64)", "shift by 64"),
        ("repeat('a', -1)", "negative count"),
        ("repeat('a', 2000000)", "memory budget exceeded"),
        ("1..2000000", "memory budget exceeded"),
        ("replace(repeat('a', 1000), 'a', repeat('b', 2000))", "memory budget exceeded"),
    ],
)
def test_what_has_no_value_for_a_query_says_why(text: str, complaint: str) -> None:
    with pytest.raises(EvaluationError, match=complaint):
        value(text)


@pytest.mark.parametrize("name", ["name", "len", "filter", "true", "nil", "let", "in", "type", "now", "a"])
def test_names_that_mean_something_are_reserved(name: str) -> None:
    assert is_reserved(name, SCOPE)
    assert not is_reserved("mine", SCOPE)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (123456789.125, "123456789.125"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (2.5e-7, "2.5e-07"),
        (0.0001, "0.0001"),
        (1e-05, "1e-05"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_floats_are_shown_as_go_shows_them(number: float, text: str) -> None:
    assert show_float(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_shown_float_is_read_back(number: float) -> None:
    assert float(show_float(number)) == pytest.approx(number, rel=1e-15)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text("ab\"\\'", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_written_as_an_expression_is_that_value(found: Value) -> None:
    assert show(compiled(f"fromJSON(toJSON({_written(found)}))", {}).run({})) == show(found)


def _written(found: Value) -> str:
    if isinstance(found, list):
        return f"[{', '.join(map(_written, found))}]"
    if isinstance(found, dict):
        return "{" + ", ".join(f"{_written(key)}: {_written(inner)}" for key, inner in found.items()) + "}"
    if isinstance(found, str):
        return '"' + found.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "nil" if found is None else show(found)


PIECES = st.sampled_from(
    ["a", "s", "l", "m", "x", "1", "2.5", "'a'", "true", "nil", "(", ")", "[", "]", "{", "}", ",", ".", "?.", "?", ":",
     "+", "-", "*", "/", "%", "**", "==", "<", "in", "not", "and", "|", "..", "#", "let", ";", "=", "len(", "map(l, ",
     "filter(", "sort(", "split(", "int(", "fromPairs(", "sum(", "matches"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=30))
def test_any_text_has_a_value_or_says_why_not(text: str) -> None:
    with suppress(ValueError, EvaluationError):
        value(text)
