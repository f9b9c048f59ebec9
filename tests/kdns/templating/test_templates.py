"""Go's templates: text and data in, text out."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import EvaluationError, WireError
from kdns.expression.values import Value
from kdns.templating.execution import compiled
from kdns.templating.formatting import sprintf
from kdns.templating.functions import Struct, Texts
from kdns.templating.query import data, record
from kdns.templating.syntax import members
from kdns.wire import codes, message
from tests.kdns.asking import question, request

DATA = Struct(
    Name="www.example.org.",
    Match=["www.example.org.", "www"],
    Group=Texts({"a": "10", "h": "1f"}),
    Var={"n": 7, "f": 1.5, "yes": True, "none": None, "list": [1, 2, 3], "map": {"b": 2, "a": 1}},
    Meta={"a/b": "c"}.get,
    Inner=Struct(Id=5),
)


def made(text: str) -> str:
    return compiled(text).execute(DATA)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("plain } text {", "plain } text {"),
        ("{{ .Name }} 60", "www.example.org. 60"),
        ("a {{- .Name -}} b", "awww.example.org.b"),
        ("a {{- 1 }} b", "a1 b"),
        ("a{{/* note */}}b", "ab"),
        ("a {{- /* note */ -}} b", "ab"),
        ("{{ .Group.a }}{{.Group.none}}", "10"),
        ("{{ .Var.none }}|{{ .Var.missing }}", "<no value>|<no value>"),
        ("{{ .Var.n }} {{ .Var.f }} {{ .Var.yes }} {{ .Var.list }} {{ .Var.map }}", "7 1.5 true [1 2 3] map[a:1 b:2]"),
        ("{{ .Inner.Id }} {{ (index .Match 1) }}", "5 www"),
        ('{{ .Meta "a/b" }} {{ "a/b" | .Meta }}', "c c"),
        ('{{ "a\\tb" }}{{ `a\\tb` }}', "a\tba\\tb"),
        ("{{ 'a' }} {{ 0x1f }} {{ -3 }} {{ 1e3 }} {{ true }}", "97 31 -3 1000 true"),
        ("{{ $x := .Name }}{{ $x }}{{ $x = 1 }}{{ $x }}", "www.example.org.1"),
        ("{{ $.Name }}", "www.example.org."),
        ("{{ if .Var.yes }}a{{ else }}b{{ end }}", "a"),
        ("{{ if .Var.none }}a{{ else if eq .Var.n 7 }}b{{ else }}c{{ end }}", "b"),
        ("{{ if .Var.none }}a{{ else if eq .Var.n 8 }}b{{ else }}c{{ end }}d", "cd"),
        ("{{ if $x := .Var.n }}{{ $x }}{{ end }}", "7"),
        ("{{ with .Var.n }}{{ . }}{{ else }}none{{ end }}", "7"),
        ("{{ with .Var.none }}{{ . }}{{ else with .Var.f }}{{ . }}{{ end }}", "1.5"),
        ("{{ range .Var.list }}{{ . }},{{ end }}", "1,2,3,"),
        ("{{ range $i, $x := .Var.list }}{{ $i }}{{ $x }} {{ end }}", "01 12 23 "),
        ("{{ range $k, $v := .Var.map }}{{ $k }}={{ $v }} {{ end }}", "a=1 b=2 "),
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
        ("{{ range .Var.none }}a{{ else }}b{{ end }}", "b"),
        ("{{ range .Var.list }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ end }}", "13"),
        ("{{ range .Var.list }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}", "1"),
        ("{{ $s := 0 }}{{ range .Var.list }}{{ $s = . }}{{ end }}{{ $s }}", "3"),
        ("{{ range .Var.list }}{{ $.Name | len }}{{ end }}", "161616"),
    ],
)
def test_a_template_becomes_text(text: str, result: str) -> None:
    assert made(text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ parseInt .Group.h 16 8 }}", "31"),
        (
            '{{ parseInt "0x1f" 0 8 }} {{ parseInt "017" 0 8 }} {{ parseInt "0b11" 0 0 }} {{ parseInt "9" 0 8 }}',
            "31 15 3 9",
        ),
        ("{{ and 1 0 2 }} {{ or 0 3 4 }} {{ and 1 2 }} {{ or 0 0 }}", "0 3 2 0"),
        ("{{ and .Var.none .Inner.Missing }}", "<no value>"),  # the rest is not looked at
        ("{{ 1 | and 2 }} {{ 0 | or 0 }}", "1 0"),
        ("{{ not 0 }} {{ not .Inner }}", "true false"),
        ("{{ eq 1 2 1 }} {{ eq 1.0 1.5 }} {{ ne `a` `b` }} {{ eq .Var.none nil }}", "true false true true"),
        ("{{ lt 1 2 }} {{ le `b` `a` }} {{ gt 2 1 }} {{ ge 1 2 }}", "true false true false"),
        ("{{ len .Name }} {{ len .Var }} {{ len .Match }}", "16 6 2"),
        ("{{ index .Var `map` `b` }} {{ index .Var.list 2 }} {{ index `ab` 1 }} {{ index .Group `x` }}.", "2 3 98 ."),
        ("{{ slice .Name 0 3 }} {{ slice .Var.list 1 }} {{ slice .Name }}", "www [2 3] www.example.org."),
        ("{{ print 1 2 `a` 3 nil }} {{ println `a` 1 }}", "1 2a3 <nil> a 1\n"),
        ("{{ printf `%s-%d` .Group.a .Var.n }}", "10-7"),
        ('{{ `<a href="x">\'&` | html }}', "&lt;a href=&#34;x&#34;&gt;&#39;&amp;"),
        ("{{ js `'<` }} {{ urlquery `a b&` }}", r"\'\u003C a+b%26"),
    ],
)
def test_built_in_functions_do_what_they_say(text: str, result: str) -> None:
    assert made(text) == result


@pytest.mark.parametrize(
    ("form", "values", "text"),
    [
        ("%v %s %d", ["a", "b", 3], "a b 3"),
        ("%5d|%-5d|%05d|%+d|% d", [1, 2, 3, 4, 5], "    1|2    |00003|+4| 5"),
        ("%x %X %#x %o %b %c %U %q", [255, 255, 255, 8, 5, 65, 65, 65], "ff FF 0xff 10 101 A U+0041 'A'"),
        ("%x %X", ["az", "az"], "617a 617A"),
        ("%q %#v %5s|%-5s|%.1s", ['a"\n\x01é\u200b', "b", "c", "d", "ef"], '"a\\"\\n\\x01é\\u200b" "b"     c|d    |e'),
        ("%t %v %T", [True, [1, None], 1.5], "true [1 <nil>] float64"),
        ("%f %.2f %8.1f %e %g %G", [1.5, 1.256, 1.25, 1500.0, 1.5, 2.5], "1.500000 1.26      1.2 1.500000e+03 1.5 2.5"),
        ("%*d %.*f", [4, 1, 1, 1.25], "   1 1.2"),
        ("%-4d|%04d|%.3d", [-1, -1, 7], "-1  |-001|007"),
        ("%+v", [1], "+1"),
        ("100%% %", [], "100% %!(NOVERB)"),
        ("%d %s", ["a"], "%!d(string=a) %!s(MISSING)"),
        ("%t %z", [1, None], "%!t(int=1) %!z(<nil>)"),
        ("a", [1, "b"], "a%!(EXTRA int=1, string=b)"),
    ],
)
def test_printf_is_gos(form: str, values: list[Value], text: str) -> None:
    assert sprintf(form, values) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{", "unclosed action"),
        ("{{ .Name", "unclosed action"),
        ('{{ "a }}', "unterminated quoted string"),
        ("{{ % }}", "unexpected '%' in command"),
        ("{{ }}", "missing value for command"),
        ("{{ notAFunction }}", 'function "notAFunction" not defined'),
        ("{{ $x }}", r'undefined variable "\$x"'),
        ("{{ $x = 1 }}", r'undefined variable "\$x"'),
        ("{{ if 1 }}{{ $x := 1 }}{{ end }}{{ $x }}", "undefined variable"),
        ("{{ if 1 }}", "unexpected EOF"),
        ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", "unexpected EOF"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ else }}", "unexpected {{else}}"),
        ("{{ break }}", "{{break}} outside {{range}}"),
        ("{{ (1 }}", "unclosed left paren"),
        ("{{ 1) }}", r"unexpected '\)' in command"),
        ("{{ | print }}", "missing value for command"),
        ("{{ 1 | 2 }}", "non executable command in pipeline"),
        ("{{ 1 .x.y }}{{ `a`.b }}", "unexpected .b after term"),
        ("{{ := 1 }}", "unexpected ':=' in operand"),
        ('{{ template "x" }}', "template is not supported"),
        ("{{ " + "(" * 60 + "1" + ")" * 60 + " }}", "nested too deeply"),
        ("{{ if 1 }}" * 60 + "{{ end }}" * 60, "nested too deeply"),
    ],
)
def test_what_is_no_template_is_refused_when_it_is_read(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        compiled(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ .Grup.d }}", "can't evaluate field Grup"),
        ("{{ .Name.x }}", "can't evaluate field x in type string"),
        ("{{ .Var.none.x }}", "can't evaluate field x in type nil"),
        ("{{ .Name 1 }}", "Name is not a method but has arguments"),
        ("{{ .Meta }}", "error calling Meta: wrong number or type of arguments"),
        ("{{ 1 2 }}", "can't give argument to non-function 1"),
        ("{{ parseInt }}", "error calling parseInt: wrong number or type of arguments"),
        ('{{ parseInt "gg" 16 8 }}', 'strconv.ParseUint: parsing "gg": invalid syntax'),
        ('{{ parseInt "0x1f" 16 8 }}', "invalid syntax"),
        ('{{ parseInt "" 10 8 }}', "invalid syntax"),
        ('{{ parseInt "1" 99 8 }}', "invalid syntax"),
        ('{{ parseInt "256" 10 8 }}', 'parsing "256": value out of range'),
        ('{{ parseInt "18446744073709551616" 10 64 }}', "value out of range"),
        ("{{ parseInt 1 10 8 }}", "wrong type of argument"),
        ("{{ index .Match 2 }}", "index out of range: 2"),
        ("{{ index .Match -1 }}", "index out of range: -1"),
        ("{{ index .Match `a` }}", "cannot index slice/array with type string"),
        ("{{ index 1 1 }}", "can't index item of type int"),
        ("{{ slice .Name 2 1 }}", "index out of range: 2:1"),
        ("{{ slice .Name `a` }}", "cannot index slice/array"),
        ("{{ slice 1 }}", "can't slice item of type int"),
        ("{{ len 1 }}", "len of type int"),
        ("{{ eq 1 `a` }}", "error calling eq: incompatible types for comparison"),
        ("{{ eq 1 }}", "missing argument for comparison"),
        ("{{ lt true false }}", "error calling lt: invalid type for comparison"),
        ("{{ lt nil 1 }}", "error calling lt: invalid type for comparison"),
        ("{{ range .Name }}{{ end }}", "range can't iterate over www.example.org."),
        ("{{ range 9999999 }}{{ end }}", "memory budget exceeded"),
        ("{{ range 100000 }}aaaaaaaa{{ end }}", "more than 65536 characters"),
        ("{{ and }}", "wrong number of args for and"),
        ("{{ printf 1 }}", "expected string"),
        ("{{ printf `%99999d` 1 }}", "width or precision 99999 out of range"),
    ],
)
def test_what_cannot_be_executed_says_why(text: str, complaint: str) -> None:
    with pytest.raises(EvaluationError, match=complaint):
        made(text)


PIECES = st.sampled_from(
    ["{{ ", " }}", "{{- ", " -}}", ".", ".Name", ".Var.list", ".Meta", "$", "$x", " := ", "=", "|", "(", ")", "if ",
     "else ", "end ", "range ", "with ", "break ", "index ", "printf ", "`%d`", '"a"', "1 ", "nil ", "/* a */", "text"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join) | st.text('{}.$ab"`()|-', max_size=20))
def test_any_text_becomes_text_or_says_why_not(text: str) -> None:
    with suppress(ValueError, EvaluationError):
        made(text)


@given(st.text(st.characters(exclude_characters="{")))
def test_text_without_actions_stands_for_itself(text: str) -> None:
    assert made(text) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{ .Name }} 1.2. {{ .Group.a }}", {"Name", "Group"}),
        ("{{ if .Remote }}{{ range .Match }}{{ end }}{{ end }}", {"Remote", "Match"}),
        ("{{ index .Match 1 | printf `%s` }}", {"Match"}),
        ("{{ $.Message.Id }}", {"Message"}),
        ("{{ . }}", {""}),
        ("{{ print $ }}", {""}),
    ],
)
def test_what_a_template_looks_at_is_known(text: str, found: set[str]) -> None:
    assert set(members(compiled(text).nodes)) == found


def test_a_query_is_seen_as_go_sees_it() -> None:
    asked = question("www.Example.org. MX", flags=codes.RD | codes.AD | codes.NOTIFY << 11)
    seen = data(request(asked, labels={"a/b": "c"}), Zone="org.")
    text = (
        "{{ .Name }} {{ .Zone }} {{ .Remote }} {{ .Question.Name }} {{ .Question.Qtype }} {{ .Question.Qclass }}"
        " {{ .Message.Id }} {{ .Message.Opcode }} {{ .Message.RecursionDesired }} {{ .Message.CheckingDisabled }}"
        ' {{ (index .Message.Question 0).Qtype }} {{ .Meta "a/b" }}{{ .Meta "a/c" }}'
    )

    assert compiled(text).execute(seen) == (
        "www.example.org. org. 127.0.0.1 www.Example.org. 15 1 4711 4 true false 15 c"
    )


@pytest.mark.parametrize(
    ("text", "rr"),
    [
        ("www.example.org. 60 IN A 192.0.2.1", "www.example.org. 60 IN A 192.0.2.1"),
        ("www.example.org A 192.0.2.1", "www.example.org. 3600 IN A 192.0.2.1"),
        ("example.org. IN 1h30m MX 10 mail.example.org", "example.org. 5400 IN MX 10 mail.example.org."),
        ("example.org. 1w NS ns.example.org. ; the first", "example.org. 604800 IN NS ns.example.org."),
        (
            "example.org. 60 IN SOA ns.example.org. root.example.org. (1 60 60\n60 60)",
            "example.org. 60 IN SOA ns.example.org. root.example.org. 1 60 60 60 60",
        ),
        (
            "a.example.org. 60 IN DNAME b.example.org",
            "a.example.org. 60 IN DNAME \\# 15 0162076578616d706c65036f726700",
        ),
        ('a. IN URI 10 1 "ftp://x/"', "a. 3600 IN URI \\# 12 000a00016674703a2f2f782f"),
        ("a. CDS 1 13 0 00", "a. 3600 IN CDS \\# 5 00010d0000"),
        ('example.org. 60 CH TXT "a (b); \\"c"', 'example.org. 60 CH TXT "a (b); \\"c"'),
    ],
)
def test_a_line_is_a_record(text: str, rr: str) -> None:
    assert message.to_text(record(text)) == rr


@pytest.mark.parametrize(
    "text", ["", " ", "www.example.org.", "www.example.org. 60 IN", "a. IN A nonsense", ";a. A 1.1.1.1"]
)
def test_a_line_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        record(text)


@given(st.text('a.1 ()";\\\nINATX', max_size=40))
def test_any_line_is_a_record_or_refused(text: str) -> None:
    with suppress(WireError):
        record(text)
