"""erratic: which of its replies go wrong, and how."""

import asyncio

import pytest

from kdns.chain import Reply, link
from kdns.errors import SERVFAIL, ConfigError, Dropped, NoAnswer
from kdns.plugins import erratic
from kdns.wire import codes, names
from tests.kdns.asking import args, ask, request, texts

CLIENTS_NAME = "Www.Example.org."


def outcomes(text: str, times: int, asked: str = f"{CLIENTS_NAME} A") -> list[str]:
    """What becomes of each of so many queries."""
    plugin = erratic.setup(args(text))
    found = []
    for _ in range(times):
        try:
            reply = ask(plugin, asked)
        except Dropped:
            found.append("dropped")
        except NoAnswer as unwritten:
            found.append(f"{unwritten.rcode} {unwritten.reason}")
        else:
            found.append("truncated" if reply.flags & codes.TC else "answered")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("erratic", ["dropped", "answered"] * 3),
        ("erratic {\n drop\n}", ["dropped", "answered"] * 3),
        ("erratic {\n drop 3\n}", ["dropped", "answered", "answered"] * 2),
        ("erratic {\n drop 0\n}", ["answered"] * 6),
        ("erratic {\n truncate\n}", ["truncated", "truncated", "answered", "answered", "truncated", "truncated"]),
        ("erratic {\n truncate 1\n}", ["truncated", "answered"] * 3),
        ("erratic {\n drop 2\n truncate 1\n}", ["dropped", "answered"] * 3),
        ("erratic {\n drop\n truncate 1\n}", ["truncated", "answered"] * 3),
        ("erratic {\n truncate 0\n drop 3\n}", ["dropped", "answered", "answered"] * 2),
    ],
)
def test_goes_wrong_as_often_as_it_is_told(text: str, expected: list[str]) -> None:
    assert outcomes(text, 6) == expected


def test_other_types_are_dropped_or_fail() -> None:
    assert outcomes("erratic", 4, "www.example.org. TXT") == ["dropped", f"{SERVFAIL} None"] * 2


def always(text: str, asked: str) -> Reply:
    return ask(erratic.setup(args(f"erratic {{\n drop 0\n {text}\n}}")), asked)


def test_answers_with_addresses_that_are_nobodys() -> None:
    assert texts(always("", f"{CLIENTS_NAME} A").answer) == [f"{CLIENTS_NAME} 0 IN A 192.0.2.53"]
    reply = always("", f"{CLIENTS_NAME} AAAA")
    assert texts(reply.answer) == [f"{CLIENTS_NAME} 0 IN AAAA 2001:db8::53"]
    assert (reply.flags, reply.by, reply.keep) == (codes.AA, "erratic", None)


def test_large_answers_have_thirty_records() -> None:
    assert len(always("large", f"{CLIENTS_NAME} A").answer) == 30
    assert len(always("large", f"{CLIENTS_NAME} AAAA").answer) == 1


def test_a_zone_is_whole_or_lacks_its_end() -> None:
    whole = texts(always("", "example.org. AXFR").answer)
    assert whole[1:-1] == [
        "example.org. 0 IN NS b.example.org.",
        "example.org. 0 IN NS a.example.org.",
        "a.example.org. 0 IN AAAA 2001:bd8::53",
        "b.example.org. 0 IN AAAA 2001:500::54",
    ]
    assert whole[0] == whole[-1]
    assert " SOA sns.dns.icann.org. noc.dns.icann.org. 2018050825 7200 3600 1209600 3600" in whole[0]
    cut = always("truncate 1", "example.org. AXFR")
    assert (texts(cut.answer), cut.flags) == (whole[:-1], codes.AA)


def test_a_zone_with_the_longest_of_names_has_no_name_servers() -> None:
    longest = ".".join(["x" * 63] * 3 + ["x" * 61]) + "."
    assert len(names.parse(longest)) == names.MAX_NAME
    assert len(always("", f"{longest} AXFR").answer) == 2


async def test_late_replies_wait() -> None:
    plugin = erratic.setup(args("erratic {\n delay 2 1ms\n}"))
    chain = link([plugin])
    first, second = chain(request("a.example.org. A")), chain(request("a.example.org. A"))

    async with asyncio.timeout(10):
        assert len((await first).answer) == 1
    with pytest.raises(StopIteration):
        second.send(None)  # at once


def test_is_ready_for_a_while_only() -> None:
    plugin = erratic.setup(args("erratic {\n drop 0\n}"))
    seen = []
    for _ in range(6):
        seen.append(plugin.ready())
        ask(plugin, "a.example.org. A")
    assert seen == [False, False, False, True, True, False]


def test_has_a_search_path() -> None:
    path = erratic.setup(args("erratic")).search_path(request("a.example.org. A"), False)
    assert list(map(names.show, path.domains)) == ["a.example.org.", "b.example.org."]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("drop -1", 'illegal amount value given "-1"'),
        ("drop 1 2", "Wrong argument count or unexpected line ending after '2'"),
        ("delay -1", 'illegal amount value given "-1"'),
        ("delay 1 2 4", "Wrong argument count or unexpected line ending after '4'"),
        ("delay 15.a", 'strconv.Atoi: parsing "15.a": invalid syntax'),
        ("delay 3 bla", 'time: invalid duration "bla"'),
        ("truncate -1", 'illegal amount value given "-1"'),
        ("truncate 1 2", "Wrong argument count or unexpected line ending after '2'"),
        ("large x", "unknown property 'x'"),
        ("anything", "unknown property 'anything'"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        erratic.setup(args(f"erratic {{\n {text}\n}}"))
