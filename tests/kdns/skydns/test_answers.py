"""What services answer, type by type: a store that is a dictionary, and a world beyond the zone of two names."""

from collections.abc import Coroutine, Mapping
from typing import Any

import pytest

from kdns.errors import NoSuchKey, UpstreamError
from kdns.skydns import service
from kdns.skydns.answers import CHAIN, Answers, Found
from kdns.skydns.service import Service
from kdns.wire import codes, names
from kdns.wire.names import Name
from kdns.wire.records import RR
from tests.kdns.asking import records, texts

ZONE = names.parse("lab.")
BEYOND = {
    ("out.example.", codes.A): "out.example. 60 IN A 192.0.2.7",
    ("out.example.", codes.AAAA): "out.example. 60 IN CNAME six.example.\nsix.example. 60 IN AAAA 2001:db8::7",
    ("out.example.", codes.TXT): 'out.example. 60 IN TXT "beyond"',
}

Store = Mapping[str, str]


def step(work: Coroutine[Any, Any, Found]) -> Found:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        found: Found = done.value
        return found
    raise AssertionError("it waited")


def answered(store: Store, asked: str) -> tuple[list[str], list[str]]:
    """What a name answers out of a store whose keys are written as names: answer and additional section."""

    async def find(name: Name, qtype: int, exact: bool) -> list[Service]:
        path = service.path_of(name)
        found = [
            service.read(key, value.encode(), None)
            for key, value in ((text.split(".")[::-1], value) for text, value in store.items())
            if (key == path if exact else key[: len(path)] == path)
        ]
        if not found:
            raise NoSuchKey(names.show(name))
        return service.grouped([each for each in found if each.host or (qtype == codes.TXT and each.text)])

    async def lookup(name: Name, qtype: int) -> tuple[RR, ...]:
        return records(BEYOND.get((names.show(name), qtype), ""))

    name, kind = asked.split()
    found = step(Answers(ZONE, find, lookup).to(names.parse(name), codes.type_number(kind)))
    return texts(tuple(found.answer)), texts(tuple(found.additional))


WEB = {
    "a.web.lab": '{"host":"10.0.0.1","port":80}',
    "b.web.lab": '{"host":"10.0.0.1","port":81,"ttl":60}',
    "c.web.lab": '{"host":"2001:db8::1"}',
}
NAMED = {
    "x.svc.lab": '{"host":"a.web.lab","port":80,"weight":20}',
    "y.svc.lab": '{"host":"a.web.lab.","port":80,"weight":60}',
    "z.svc.lab": '{"host":"out.example","port":81,"priority":20}',
    **WEB,
}
MAIL = {
    "a.mx.lab": '{"host":"10.0.0.9","mail":true,"priority":5}',
    "b.mx.lab": '{"host":"out.example","mail":true}',
    "c.mx.lab": '{"host":"10.0.0.8"}',
}
NOTES = {
    "a.note.lab": '{"text":"one"}',
    "b.note.lab": '{"text":"one"}',
    "c.note.lab": '{"host":"d.lab","text":""}',
    "d.lab": '{"host":"out.example"}',
    "e.lab": '{"text":"' + "x" * 256 + '"}',
}
APEX = {
    "a.apex.dns.lab": '{"host":"10.0.0.53"}',
    "ns1.ns.dns.lab": '{"host":"10.0.0.53"}',
    "ns2.ns.dns.lab": '{"host":"2001:db8::53"}',
    "note.ns.dns.lab": '{"host":"ours","text":"of ours"}',
    **WEB,
}


@pytest.mark.parametrize(
    ("store", "asked", "answer", "additional"),
    [
        (WEB, "Web.lab. A", ["Web.lab. 300 IN A 10.0.0.1"], []),
        (WEB, "web.lab. AAAA", ["web.lab. 300 IN AAAA 2001:db8::1"], []),
        (WEB, "web.lab. TXT", [], []),
        (WEB, "web.lab. HINFO", [], []),
        (WEB, "lab. A", ["lab. 300 IN A 10.0.0.1"], []),
        (APEX, "lab. A", ["lab. 300 IN A 10.0.0.53"], []),
        (APEX, "lab. NS", ["lab. 300 IN NS ns1.ns.dns.lab.", "lab. 300 IN NS ns2.ns.dns.lab."],
         ["ns1.ns.dns.lab. 300 IN A 10.0.0.53", "ns2.ns.dns.lab. 300 IN AAAA 2001:db8::53"]),
        (APEX, "web.lab. NS", [], []),
        (WEB, "b.web.lab. SRV", ["b.web.lab. 60 IN SRV 10 100 81 b.web.lab."], ["b.web.lab. 60 IN A 10.0.0.1"]),
        (WEB, "web.lab. SRV", [f"web.lab. {ttl} IN SRV 10 33 {port} {name}.web.lab."
                               for name, ttl, port in (("a", 300, 80), ("b", 60, 81), ("c", 300, 0))],
         ["a.web.lab. 300 IN A 10.0.0.1", "b.web.lab. 60 IN A 10.0.0.1", "c.web.lab. 300 IN AAAA 2001:db8::1"]),
        (NAMED, "svc.lab. SRV", ["svc.lab. 300 IN SRV 10 25 80 a.web.lab.", "svc.lab. 300 IN SRV 10 75 80 a.web.lab.",
                                 "svc.lab. 300 IN SRV 20 100 81 out.example."],
         ["a.web.lab. 300 IN A 10.0.0.1", "out.example. 60 IN A 192.0.2.7", "six.example. 60 IN AAAA 2001:db8::7"]),
        ({"a.s.lab": '{"host":"10.0.0.1","port":-1}'}, "s.lab. SRV", [], []),
        ({"a.b.s.lab": '{"host":"10.0.0.1","targetstrip":2}'}, "s.lab. SRV",
         ["s.lab. 300 IN SRV 10 100 0 s.lab."], ["s.lab. 300 IN A 10.0.0.1"]),
        (MAIL, "mx.lab. MX", ["mx.lab. 300 IN MX 5 a.mx.lab.", "mx.lab. 300 IN MX 10 out.example."],
         ["a.mx.lab. 300 IN A 10.0.0.9", "out.example. 60 IN A 192.0.2.7", "six.example. 60 IN AAAA 2001:db8::7"]),
        (NOTES, "note.lab. TXT", ['note.lab. 300 IN TXT "one"', "note.lab. 300 IN CNAME d.lab.",
                                  "d.lab. 300 IN CNAME out.example.", 'out.example. 60 IN TXT "beyond"'], []),
        (NOTES, "e.lab. TXT", ['e.lab. 300 IN TXT "' + "x" * 255 + '" "x"'], []),
        (NOTES, "d.lab. A", ["d.lab. 300 IN CNAME out.example.", "out.example. 60 IN A 192.0.2.7"], []),
        (NOTES, "d.lab. CNAME", ["d.lab. 300 IN CNAME out.example."], []),
        (WEB, "a.web.lab. CNAME", [], []),
        ({"p.lab": '{"host":"a.web.lab"}'}, "p.lab. PTR", ["p.lab. 300 IN PTR a.web.lab."], []),
        (WEB, "a.web.lab. PTR", [], []),
        ({"old.lab": '{"host":"gone.lab"}'}, "old.lab. A", [], []),
        ({"old.lab": '{"host":"nowhere.example"}'}, "old.lab. A", ["old.lab. 300 IN CNAME nowhere.example."], []),
        ({"a.lab": '{"host":"a.lab"}'}, "a.lab. A", [], []),
        ({"a.lab": '{"host":"b.a.lab"}'}, "a.lab. AAAA", [], []),
        ({"a.lab": '{"host":"b.lab"}', "b.lab": '{"host":"a.lab"}'}, "a.lab. A", [], []),
    ],
)  # fmt: skip
def test_services_make_records(store: Store, asked: str, answer: list[str], additional: list[str]) -> None:
    assert answered(store, asked) == (answer, additional)


@pytest.mark.parametrize("asked", ["none.lab. A", "none.lab. TXT", "none.lab. SRV", "none.lab. HINFO", "lab. NS"])
def test_a_name_without_services_is_not_there(asked: str) -> None:
    with pytest.raises(NoSuchKey):
        answered(WEB, asked)


@pytest.mark.parametrize(("count", "is_answered"), [(CHAIN, True), (CHAIN + 1, True), (CHAIN + 2, False)])
def test_aliases_are_followed_so_far_and_no_farther(count: int, is_answered: bool) -> None:
    chain = {f"n{at}.lab": f'{{"host":"n{at + 1}.lab"}}' for at in range(count)}
    answer, _ = answered({**chain, f"n{count}.lab": '{"host":"10.0.0.1"}'}, "n0.lab. A")
    assert len(answer) == (count + 1 if is_answered else 0)


@pytest.mark.parametrize(
    ("weights", "shown"),
    [((0, 0), [50, 50]), ((1, 999), [1, 99]), ((0, 300), [25, 75]), ((-100, 100), [50, 50])],
    ids=["none", "least", "beside none", "less than nothing"],
)
def test_weights_of_one_priority_add_up_to_a_hundred(weights: tuple[int, int], shown: list[int]) -> None:
    store = {f"{at}.s.lab": f'{{"host":"10.0.0.1","weight":{weight}}}' for at, weight in enumerate(weights)}
    answer, _ = answered(store, "s.lab. SRV")
    assert [int(text.split()[5]) for text in answer] == shown


@pytest.mark.parametrize(
    ("value", "asked", "words"),
    [
        ('{"host":"a..b"}', "x.lab. A", "'a..b' is no name"),
        ('{"text":"' + "x" * 65_026 + '"}', "x.lab. TXT", "a text of 65026 octets"),
        ('{"host":"10.0.0.1","ttl":-1}', "x.lab. A", "Expected `int` >= 0"),
    ],
    ids=["no name", "too long", "no TTL"],
)
def test_what_no_record_holds_is_told(value: str, asked: str, words: str) -> None:
    with pytest.raises(UpstreamError, match=words):
        answered({"x.lab": value}, asked)


def test_a_name_server_has_to_be_an_address() -> None:
    with pytest.raises(UpstreamError, match="NS record must be an IP address"):
        answered({"a.ns.dns.lab": '{"host":"ns.example"}'}, "lab. NS")
