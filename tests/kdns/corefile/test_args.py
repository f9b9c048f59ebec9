"""What a plugin's set-up gets."""

import pytest

from kdns.corefile.args import Fall
from kdns.errors import ConfigError
from kdns.wire import names
from kdns.wire.names import Name
from tests.kdns.asking import args


def zones(*texts: str) -> tuple[Name, ...]:
    return tuple(map(names.parse, texts))


def test_a_directive_has_words_and_lines() -> None:
    (directive,) = args("forward . 192.0.2.1 {\n policy random\n next SERVFAIL\n}").directives

    assert directive.words == (".", "192.0.2.1")
    assert [(line.name, line.args, line.line) for line in directive.lines] == [
        ("policy", ("random",), 3),
        ("next", ("SERVFAIL",), 4),
    ]
    assert directive.has_block


def test_every_occurrence_is_a_directive_of_its_own() -> None:
    found = args("log a {\n class all\n}\nlog b\nlog c {\n}").directives

    assert [(each.words, len(each.lines), each.has_block) for each in found] == [
        (("a",), 1, True),
        (("b",), 0, False),
        (("c",), 0, True),
    ]


@pytest.mark.parametrize(
    ("directive", "lines"),
    [
        ("template ANY ANY { rcode NXDOMAIN\n}", [("rcode", "NXDOMAIN")]),  # behind the brace
        ('hosts {\n 192.0.2.1 "a\nb" c\n d\n}', [("192.0.2.1", "a\nb", "c"), ("d",)]),
        ("rewrite {\n name a b {\n  c\n }\n}", [("name", "a", "b", "{"), ("c",), ("}",)]),
    ],
)
def test_lines_are_those_of_the_text(directive: str, lines: list[tuple[str, ...]]) -> None:
    assert [line.words for line in args(directive).directives[0].lines] == lines


def test_what_stands_behind_a_property_of_known_size_is_the_next_property() -> None:
    (directive,) = args("dns64 {\n prefix 64:ff9b::/96 allow_ipv4 more of it\n translate_all\n}").directives

    found = directive.properties({"prefix": 1, "allow_ipv4": 0, "translate_all": 0})

    assert [(line.words, line.line) for line in found] == [
        (("prefix", "64:ff9b::/96"), 3),
        (("allow_ipv4",), 3),
        (("more", "of", "it"), 3),
        (("translate_all",), 4),
    ]


def test_a_directive_that_may_stand_once_refuses_a_second() -> None:
    assert args("cache").once().words == ()
    with pytest.raises(ConfigError, match=r"Corefile:3 - .*this plugin can only be used once per Server Block"):
        args("cache\ncache").once()


def test_a_word_that_cannot_be_read_is_an_error_of_its_line() -> None:
    head = args("cache 30").once().head

    assert head.read("30", int) == 30
    with pytest.raises(ConfigError, match=r"Corefile:2 - .*invalid literal"):
        head.read("x", int)
    with pytest.raises(ConfigError, match=r"Corefile:2 - .*: invalid time: invalid literal"):
        args("cache x").once().read("x", int, "invalid time: ")


@pytest.mark.parametrize(
    ("words", "low", "high", "refused"),
    [("", 0, None, None), ("a", 1, None, None), ("a b", 0, 2, None), ("a", 0, None, "a"), ("", 1, 2, "log")],
)
def test_the_number_of_words_is_checked(words: str, low: int, high: int | None, refused: str | None) -> None:
    directive = args(f"log {words}").directives[0]
    if refused is None:
        assert list(directive.expect(low, high)) == words.split()
        return
    with pytest.raises(ConfigError) as complaint:
        directive.expect(low, high)
    assert str(complaint.value) == (
        f"Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '{refused}'"
    )


def test_a_directive_that_stands_alone_refuses_a_block() -> None:
    assert args("log a").directives[0].alone(1) == ("a",)
    with pytest.raises(
        ConfigError, match=r"Corefile:2 - Error during parsing: Unexpected token '\{', expecting argument"
    ):
        args("log a {\n}").directives[0].alone(1)


@pytest.mark.parametrize(
    ("block", "words", "found"),
    [
        ("a.test b.test:53", [], zones("a.test.", "b.test.")),
        ("a.test", ["C.test", "d."], zones("c.test.", "d.")),
        ("a.test", ["c.test:53", "dns://d."], zones("c.test.", "d.")),  # as if they were keys
        ("a.test", ["10.0.0.0/15"], zones("0.10.in-addr.arpa.", "1.10.in-addr.arpa.")),
        ("10.0.0.0/15 a.test", [], zones("0.10.in-addr.arpa.", "a.test.")),  # of a key the first only
    ],
)
def test_origins_are_those_written_or_the_blocks_own(block: str, words: list[str], found: tuple[Name, ...]) -> None:
    assert args("log", zones=block).origins(words) == found


def test_the_zones_of_a_block_are_all_of_them() -> None:
    assert args("log", zones="10.0.0.0/15 a.test").zones == zones("0.10.in-addr.arpa.", "1.10.in-addr.arpa.", "a.test.")


@pytest.mark.parametrize(
    ("line", "through", "held_back"),
    [
        ("fallthrough", zones(".", "a.test."), ()),
        (
            "fallthrough A.test 10.0.0.0/8",
            zones("a.test.", "b.a.test.", "1.10.in-addr.arpa."),
            zones("test.", "ba.test."),
        ),
    ],
)
def test_fallthrough_is_for_the_names_below_its_zones(
    line: str, through: tuple[Name, ...], held_back: tuple[Name, ...]
) -> None:
    given = args(f"hosts {{\n {line}\n}}")

    fall = given.fallthrough(given.directives[0].lines[0])

    assert all(map(fall.through, through))
    assert not any(map(fall.through, held_back))


def test_without_fallthrough_nothing_goes_through() -> None:
    assert not Fall().through(names.ROOT)


def test_a_word_that_is_no_zone_is_passed_over_with_a_warning() -> None:
    said: list[tuple[str, str]] = []
    given = args("hosts {\n fallthrough a..b\n}", log=lambda *line: said.append(line))

    assert given.origins(["a..b", "c.test"]) == zones("c.test.")
    assert not given.fallthrough(given.directives[0].lines[0]).through(names.parse("a.test"))

    assert said == [("WARNING", "no zone, and ignored: 'a..b'")] * 2


def test_a_warning_is_logged() -> None:
    said: list[tuple[str, str]] = []

    args("log", log=lambda *line: said.append(line)).warn("beware")

    assert said == [("WARNING", "beware")]
