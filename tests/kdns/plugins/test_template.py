"""template: answers made from the queries themselves."""

from collections.abc import Awaitable

import pytest

from kdns.chain import Client, Keep, Reply, Request
from kdns.errors import ConfigError, NoAnswer
from kdns.metrics import Metrics
from kdns.plugins import template
from kdns.wire import codes, edns, names
from kdns.wire.edns import Edns
from kdns.wire.names import Name
from tests.kdns.asking import args, ask, question, records, request, texts

BELOW = Reply(codes.REFUSED, by="below")
IP = "^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)[.]example[.]$"


def answer(lines: str, asked: str, head: str = "IN A example", zones: str = ".", **fields: object) -> Reply:
    """What a directive of these lines replies."""
    block = f"template {head} {{\n{lines}\n}}"
    return ask(template.setup(args(block, zones=zones)), request(asked, **fields), BELOW)


def test_a_record_is_made_from_the_name() -> None:
    reply = answer(
        f'match {IP}\nanswer "{{{{ .Name }}}} 60 IN A 10.0.{{{{ .Group.a }}}}.{{{{ .Group.b }}}}"', "IP-1-2.example. A"
    )

    assert texts(reply.answer) == ["ip-1-2.example. 60 IN A 10.0.1.2"]
    assert (reply.rcode, reply.flags, reply.by) == (codes.NOERROR, codes.AA, "template")


def test_every_section_is_filled() -> None:
    reply = answer(
        'answer "{{ .Name }} 60 IN MX 10 a.example." "{{ .Name }} 60 IN MX 20 b.example."\n'
        'additional "a.example. 60 IN A 192.0.2.1"\n'
        'authority "example. 60 IN NS ns.example."',
        "x.example. MX",
        head="ANY ANY",
    )

    assert texts(reply.answer) == ["x.example. 60 IN MX 10 a.example.", "x.example. 60 IN MX 20 b.example."]
    assert texts(reply.authority) == ["example. 60 IN NS ns.example."]
    assert texts(reply.additional) == ["a.example. 60 IN A 192.0.2.1"]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("{{ .Zone }} {{ .Class }} {{ .Type }}", "example. IN TXT"),
        ("{{ index .Match 0 }} {{ index .Match 1 }} {{ .Group.n }}{{ .Group.none }}", "a7 7 7"),
        ("{{ .Remote }} {{ .Meta `x/y` }} {{ .Regex }}", "192.0.2.1 z a(?P<n>[0-9]+)"),
        ("{{ .Var.m }} {{ .Var.k }} {{ len .Var }}", "8 a7 2"),
        ("{{ .Message.Id }} {{ .Question.Qtype }}", "4711 16"),
    ],
)
def test_templates_see_what_is_known_of_the_query(form: str, text: str) -> None:
    reply = answer(
        f"match b a(?P<n>[0-9]+)\nvar m int(group('n')) + 1\nvar k 'a' + group(1)\n"
        f'answer "{{{{ .Name }}}} TXT \\"{form}\\""',
        "A7.example. TXT",
        head="ANY ANY example",
        client=Client("192.0.2.1", 53),
        labels={"x/y": "z"},
    )

    assert texts(reply.answer) == [f'a7.example. 3600 IN TXT "{text}"']


@pytest.mark.parametrize(
    ("head", "asked", "qclass", "takes"),
    [
        ("IN A example", "a.example. A", codes.IN, True),
        ("IN A example", "a.example. AAAA", codes.IN, False),
        ("IN ANY example", "a.example. AAAA", codes.IN, True),
        ("IN A example", "a.example. ANY", codes.IN, True),
        ("CH A example", "a.example. A", codes.IN, False),
        ("ANY A example", "a.example. A", codes.CH, True),
        ("IN A example", "a.example. A", codes.ANY_CLASS, True),
        ("IN A example", "a.example.org. A", codes.IN, False),
        ("IN A", "a.example. A", codes.IN, True),
        ("IN A", "a.net. A", codes.IN, False),
        ("IN A net a.example", "x.a.example. A", codes.IN, True),
    ],
)
def test_a_template_is_for_its_class_type_and_zones(head: str, asked: str, qclass: int, takes: bool) -> None:
    plugin = template.setup(args(f"template {head} {{\n rcode NXDOMAIN\n}}", zones="example"))

    reply = ask(plugin, question(asked, qclass=qclass), rest=BELOW)

    assert reply.rcode == (codes.NXDOMAIN if takes else codes.REFUSED)


@pytest.mark.parametrize(
    ("lines", "goes_on"),
    [
        ("match b", False),
        ("match b\nfallthrough", True),
        ("match b\nfallthrough example", True),
        ("match b\nfallthrough net", False),
        ("expr name() == 'b.example.'", False),
        ("expr name() == 'b.example.'\nfallthrough", True),
        ("expr true\nexpr 1\nfallthrough", True),  # what is no bool is not true
        ("expr incidr('x', 'y')\nfallthrough", False),
        ("var x incidr('x', 'y')\nfallthrough", False),
    ],
)
def test_what_does_not_match_goes_on_or_fails(lines: str, goes_on: bool) -> None:
    if goes_on:
        assert answer(lines, "a.example. A") == BELOW
        return
    with pytest.raises(NoAnswer) as failure:
        answer(lines, "a.example. A")
    assert (failure.value.rcode, failure.value.reason) == (codes.SERVFAIL, None)


def test_templates_are_tried_in_their_order() -> None:
    plugin = template.setup(
        args(
            "template IN TXT . {\n rcode REFUSED\n}\n"
            "template IN A . {\n match ^a\n rcode NXDOMAIN\n fallthrough\n}\n"
            'template IN A . {\n answer "{{ .Name }} A 192.0.2.1"\n}'
        )
    )

    assert ask(plugin, "a.example. A", rest=BELOW).rcode == codes.NXDOMAIN
    assert texts(ask(plugin, "b.example. A", rest=BELOW).answer) == ["b.example. 3600 IN A 192.0.2.1"]


@pytest.mark.parametrize(
    ("lines", "matched"),
    [
        ("expr name() == 'a.example.'\nexpr type() == 'A'", True),
        ("expr incidr(client_ip(), '127.0.0.0/8')", True),
        ("expr \"any(['10.0.0.0/8', '127.0.0.0/8'], incidr(client_ip(), #))\"", True),
        ("match ^(?P<l>[a-z])\nvar l group('l')\nexpr l == 'a' && group(0) == 'a' && group('x') == ''", True),
        ("var n 1\nvar m n + 1\nexpr m == 2", True),
        ("expr metadata('x/y') == 'z'", False),
    ],
)
def test_conditions_decide(lines: str, matched: bool) -> None:
    assert (answer(f"{lines}\nrcode NXDOMAIN\nfallthrough", "a.example. A") != BELOW) == matched


def test_an_rcode_of_servfail_is_left_to_the_server() -> None:
    with pytest.raises(NoAnswer) as failure:
        answer("rcode SERVFAIL\nfallthrough", "a.example. A")

    assert (failure.value.rcode, failure.value.reason) == (codes.SERVFAIL, None)


@pytest.mark.parametrize(("line", "option"), [("ederror 21", b"\0\x15"), ('ederror 15 "not here"', b"\0\x0fnot here")])
def test_an_extended_error_says_why(line: str, option: bytes) -> None:
    reply = answer(f"rcode NXDOMAIN\n{line}", "a.example. A")

    assert reply.edns == Edns(4096, edns.pack_options([(edns.EDE, option)]), edns.DO)


@pytest.mark.parametrize(
    ("asked", "found", "answered"),
    [
        ("a.example. A", Reply(answer=records("b.example. 5 IN A 192.0.2.2")), ["b.example. 5 IN A 192.0.2.2"]),
        ("a.example. AAAA", Reply(codes.SERVFAIL), []),
    ],
)
def test_an_alias_is_followed_by_asking_this_server(asked: str, found: Reply, answered: list[str]) -> None:
    questions: list[tuple[str, int]] = []

    def lookup(request: Request, name: Name, qtype: int) -> Awaitable[Reply]:
        questions.append((names.show(name), qtype))
        return at_once(found._replace(flags=codes.TC))

    reply = answer('answer "{{ .Name }} 60 CNAME b.example"', asked, head="ANY ANY", ask=lookup)

    assert texts(reply.answer) == ["a.example. 60 IN CNAME b.example.", *answered]
    assert questions == [("b.example.", codes.type_number(asked.split()[1]))]
    assert reply.flags == codes.AA | codes.TC
    assert reply.keep is None


async def at_once(reply: Reply) -> Reply:
    return reply


def test_an_alias_that_was_asked_for_stands_alone() -> None:
    reply = answer('answer "{{ .Name }} 60 CNAME b.example."', "a.example. CNAME", head="ANY ANY")

    assert texts(reply.answer) == ["a.example. 60 IN CNAME b.example."]


def test_failures_are_servfail_with_a_reason_and_counted() -> None:
    metrics = Metrics()
    block = (
        'template IN A {\n answer "{{ index .Match 2 }}"\n}\ntemplate IN TXT {\n additional "{{ .Name }}"\n}\n'
        "template IN MX {\n rcode SERVFAIL\n}"
    )
    plugin = template.setup(args(block, metrics=metrics))

    for kind, reason in [("A", "index out of range: 2"), ("TXT", "not a record"), ("MX", "no answer")]:
        with pytest.raises(NoAnswer, match=reason):
            ask(plugin, f"a.example. {kind}", view="v")

    where = ("dns://:53", ".", "v", "IN")
    assert metrics.family("template_matches_total").values == {(*where, "A"): 1, (*where, "TXT"): 1, (*where, "MX"): 1}
    assert metrics.family("template_template_failures_total").values == {
        (*where, "A", "answer", "{{ index .Match 2 }}"): 1
    }
    assert metrics.family("template_rr_failures_total").values == {(*where, "TXT", "additional", "{{ .Name }}"): 1}


@pytest.mark.parametrize(
    ("lines", "is_repeated"),
    [
        ("rcode NXDOMAIN", True),
        ('answer "{{ .Name }} 60 IN A 10.0.{{ len .Match }}.1"', True),
        ('answer "{{ .Name }} 60 IN A {{ .Remote }}"', False),
        ('answer "{{ .Name }} 60 IN A 10.0.0.1"\nexpr true', False),
    ],
)
def test_what_depends_on_the_packet_alone_is_sent_again_and_counted(lines: str, is_repeated: bool) -> None:
    metrics = Metrics()
    plugin = template.setup(args(f"template IN A {{\n{lines}\n}}", metrics=metrics))

    reply = ask(plugin, "a.example. A")

    assert (reply.keep is not None) == is_repeated
    for tally in reply.keep.tallies if reply.keep else ():
        tally(4)
    assert sum(metrics.family("template_matches_total").values.values()) == (5 if is_repeated else 1)


def test_what_falls_through_stays_as_it_is() -> None:
    below = Reply(keep=Keep())

    assert ask(template.setup(args("template IN A net {\n rcode NXDOMAIN\n}")), "a.example. A", rest=below) == below


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("template", "Wrong argument count or unexpected line ending after 'template'"),
        ("template ANY", "Wrong argument count or unexpected line ending after 'ANY'"),
        ("template X A", "invalid query class X"),
        ("template in A", "invalid query class in"),
        ("template ANY X", "invalid RR class X"),
        ("template ANY ANY {\n notavailable\n}", "Wrong argument count or unexpected line ending after 'notavailable'"),
        ("template ANY ANY {\n match\n}", "Wrong argument count"),
        ("template ANY ANY {\n match (\n}", r"could not parse regex: \(, error parsing regexp: missing \): `\(`"),
        ("template ANY ANY {\n answer\n}", "Wrong argument count"),
        ('template ANY ANY {\n additional "{{"\n}', "could not compile template: {{, unclosed action"),
        ("template ANY ANY {\n rcode\n}", "Wrong argument count"),
        ("template ANY ANY {\n rcode UNDEFINED\n}", "unknown rcode UNDEFINED"),
        ("template ANY ANY {\n rcode nxdomain\n}", "unknown rcode nxdomain"),
        ("template ANY ANY {\n ederror many\n}", "error parsing extended DNS error code many, strconv.ParseUint"),
        ("template ANY ANY {\n ederror 1 2 3\n}", "Wrong argument count"),
        ("template ANY ANY {\n var a\n}", "Wrong argument count"),
        ("template ANY ANY {\n var 1a 1\n}", 'invalid variable name "1a"'),
        ("template ANY ANY {\n var name 1\n}", 'variable name "name" is reserved'),
        ("template ANY ANY {\n var group 1\n}", 'variable name "group" is reserved'),
        ("template ANY ANY {\n var a 1\n var a 2\n}", 'variable name "a" is reserved'),
        ("template ANY ANY {\n var a 1 +\n}", "could not compile expression: a, unexpected token"),
        ("template ANY ANY {\n expr\n}", "Wrong argument count"),
        ("template ANY ANY {\n expr undefined == 1\n}", "could not compile expression: unknown name undefined"),
        ("template ANY ANY {\n var a 1\n expr a + 'x'\n}", "mismatched types int and string"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        template.setup(args(directive))


def test_the_old_upstream_property_means_nothing() -> None:
    assert answer("upstream 192.0.2.53\nrcode NXDOMAIN", "a.example. A").rcode == codes.NXDOMAIN
