"""Replies out of zones, and from below."""

from collections.abc import Collection, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.answer import Answers
from kdns.authority.service import Cell, Service, kept_by
from kdns.block import Block
from kdns.chain import Client, Handler, Keep, Reply, Request, link, nameblind, repeatable
from kdns.corefile import Fall
from kdns.errors import REFUSED, SERVFAIL, Dropped, NoAnswer
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.wire import codes, names
from kdns.wire.edns import DO, Edns
from kdns.wire.names import Name
from tests.kdns.asking import ask, question, request, texts
from tests.kdns.server import query
from tests.kdns.zones import APEX, shown, zone

ORIGIN, SUB = names.parse("example.org."), names.parse("sub.example.org.")
BELOW = Reply(codes.NXDOMAIN, by="below", keep=Keep())
MASTER = (
    "www A 192.0.2.1\n*.w A 192.0.2.2\nsub NS ns.sub\naway CNAME far.example.net.\na.ent A 192.0.2.3\nloop DNAME loop"
)


def serving(said: list[str] | None = None) -> Service:
    service = Service("file", (ORIGIN, SUB), lambda level, line: (said if said is not None else []).append(line))
    service.replace(service.cells[ORIGIN], zone(MASTER))
    return service


def asked_of(service: Service, asked: str | Request, below: Any = BELOW, also: tuple[Name, ...] = ()) -> Reply:
    @repeatable
    async def plugin(request: Request, rest: Handler) -> Reply:
        return await service.answer(request, rest, also)

    return ask(plugin, asked if isinstance(asked, Request) else request(asked), below)


def test_a_reply_is_authoritative_and_holds_as_long_as_the_zone() -> None:
    reply = asked_of(serving(), "WWW.example.org. A")
    assert (texts(reply.answer), reply.flags, reply.by) == (["www.example.org. 60 IN A 192.0.2.1"], codes.AA, "file")
    assert reply.keep == Keep((ORIGIN,))


@pytest.mark.parametrize(
    ("asked", "rcode", "flags"),
    [
        ("gone.example.org. A", codes.NXDOMAIN, codes.AA),
        ("www.example.org. AAAA", codes.NOERROR, codes.AA),
        ("ent.example.org. A", codes.NOERROR, codes.AA),
        ("x.sub.example.com. A", codes.NXDOMAIN, 0),
    ],
)
def test_denials_and_what_is_nobodys(asked: str, rcode: int, flags: int) -> None:
    reply = asked_of(serving(), asked)
    assert (reply.rcode, reply.flags) == (rcode, flags)


def test_a_referral_has_no_authority_of_its_own() -> None:
    service = serving()
    del service.cells[SUB]
    reply = asked_of(service, "x.sub.example.org. A")
    assert (reply.rcode, reply.flags, reply.answer) == (codes.NOERROR, 0, ())
    assert shown(reply.authority) == ["sub.example.org. NS ns.sub.example.org."]


def test_the_longest_zone_counts_and_one_that_never_came_is_a_failure() -> None:
    with pytest.raises(NoAnswer) as failed:
        asked_of(serving(), "x.sub.example.org. A")
    assert failed.value.rcode == SERVFAIL


@pytest.mark.parametrize(
    ("told", "rcode", "kept"),
    [
        (Reply(codes.NXDOMAIN, keep=Keep((b"k",), 5.0)), codes.NXDOMAIN, Keep((b"k", ORIGIN), 5.0)),
        (Reply(codes.NOERROR), codes.NOERROR, None),
        (Reply(codes.SERVFAIL), codes.SERVFAIL, None),
    ],
)
def test_an_alias_out_of_the_zone_is_asked_of_the_server(told: Reply, rcode: int, kept: Keep | None) -> None:
    asked: list[tuple[Name, int]] = []

    async def tell(request: Request, name: Name, qtype: int) -> Reply:
        asked.append((name, qtype))
        return told

    reply = asked_of(serving(), request("away.example.org. A", ask=tell))
    assert asked == [(names.parse("far.example.net."), codes.A)]
    assert (reply.rcode, reply.keep, len(reply.answer)) == (rcode, kept, 1)


@pytest.mark.parametrize("asked", ["gone.example.org. A", "ent.example.org. A"])
def test_what_does_not_exist_may_fall_through(asked: str) -> None:
    service = serving()
    service.fall = Fall((names.ROOT,))
    reply = asked_of(service, asked)
    assert (reply.by, reply.keep) == ("below", Keep((ORIGIN,)))
    assert asked_of(service, "www.example.org. AAAA").by == "file"


def test_other_names_hold_only_as_long_as_there_is_no_zone_for_them() -> None:
    assert asked_of(serving(), "www.example.com. A", also=(b"zones",)).keep == Keep((b"zones",))


def test_a_loop_is_a_failure() -> None:
    with pytest.raises(NoAnswer):
        asked_of(serving(), "x.loop.example.org. A")


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_transfers_are_another_plugins(kind: str) -> None:
    with pytest.raises(NoAnswer) as refused:
        asked_of(serving(), f"example.org. {kind}")
    assert refused.value.rcode == REFUSED


def test_the_last_plugin_refuses_what_is_not_in_its_zones() -> None:
    service = serving()
    service.meet({"cache": ask, "file": ask, "reload": object()})
    with pytest.raises(NoAnswer) as refused:
        asked_of(service, "www.example.com. A")
    assert refused.value.rcode == REFUSED


def test_an_expired_zone_is_a_failure_until_it_comes_again() -> None:
    said: list[str] = []
    service = serving(said)
    cell = service.cells[ORIGIN]
    service.expire(cell)
    with pytest.raises(NoAnswer):
        asked_of(service, "www.example.org. A")
    assert said == ["Zone example.org. is expired"]
    service.replace(cell, zone(MASTER))
    assert asked_of(service, "www.example.org. A").answer


def test_a_notify_that_nobody_waits_for_is_dropped() -> None:
    notify = question("example.org. SOA", flags=codes.NOTIFY << 11)
    with pytest.raises(Dropped):
        asked_of(serving(), request(notify))


def test_the_wildcard_that_stood_in_is_told() -> None:
    labels: dict[str, str] = {}
    asked_of(serving(), request("x.w.example.org. A", labels=labels))
    assert labels == {"zone/wildcard": "*.w.example.org."}


def test_do_is_seen() -> None:
    service = serving()
    service.replace(service.cells[ORIGIN], zone("@ RRSIG SOA 8 2 60 20300101000000 20200101000000 1 @ AAAA"))
    asked = question("gone.example.org. A", edns=Edns(1232, b"", DO))
    assert len(asked_of(service, request(asked)).authority) == 2


@pytest.mark.parametrize(
    ("name", "serial", "count"),
    [
        ("example.org.", None, 10),
        ("example.org.", 0, 10),
        ("example.org.", 6, 10),
        ("example.org.", 7, 1),
        ("www.example.org.", None, None),
    ],
)
def test_gives_a_zone_whole_for_a_transfer(name: str, serial: int | None, count: int | None) -> None:
    found = serving().transfer(names.parse(name), serial)
    assert (None if found is None else len([*found])) == count


def test_a_zone_that_never_came_cannot_be_given() -> None:
    with pytest.raises(NoAnswer):
        serving().transfer(SUB, None)


class Notifying:
    """A plugin that tells secondaries."""

    def __init__(self, *faults: str) -> None:
        self.told: list[Name] = []
        self.faults = faults

    async def notify(self, zone: Name) -> Sequence[str]:
        self.told.append(zone)
        return self.faults


async def test_secondaries_are_told_by_the_plugin_that_knows_them() -> None:
    said: list[str] = []
    service, transfer = serving(said), Notifying("no")
    service.meet({"transfer": transfer, "file": ask})
    await service.notify(ORIGIN)
    assert (transfer.told, said) == ([ORIGIN], ["Failed sending notifies: no"])


async def test_of_all_zones_those_that_are_there_are_told_of() -> None:
    service, transfer = serving(), Notifying()
    service.meet({"transfer": transfer, "file": ask})
    await service.notify_all()
    assert transfer.told == [ORIGIN]


def test_a_change_forgets_what_was_made_of_the_zone() -> None:
    forgotten: list[Collection[Name]] = []
    service = serving()
    service.forget = forgotten.append
    service.replace(service.cells[ORIGIN], zone(""))
    service.expire(service.cells[ORIGIN])
    assert forgotten == [(ORIGIN,), (ORIGIN,)]


def test_a_reply_of_several_forms_is_not_kept_within_another() -> None:
    assert kept_by(Reply(keep=Keep(variants=3)), ()).keep is None


SIGNATURE = "8 3 60 20300101000000 20200101000000 1 example.org. AAAA"
LABELS = st.lists(
    st.sampled_from(["www", "two", "gone", "g0ne", "w", "x", "a", "ent", "alias", "mx", "sub", "ns", "over"]),
    max_size=3,
)
TOPS = st.sampled_from(["example.org.", "over.example.org.", "example.net."])
QUESTIONS = st.tuples(LABELS, TOPS, st.sampled_from(["A", "AAAA", "MX", "TXT", "NS", "SOA", "ANY"]), st.booleans())
ZONES = (
    zone(
        MASTER
        + "\ntwo A 192.0.2.8\ntwo A 192.0.2.9\nover.www A 192.0.2.7\nalias CNAME www\nmx MX 1 www\nmx A 192.0.2.7"
    ),
    zone('gone A 192.0.2.1\ntwo TXT "x"', apex=APEX.replace(" 7 ", " 8 ")),
    zone(
        f"@ NSEC www SOA NS\nwww A 192.0.2.1\nwww RRSIG A {SIGNATURE}\n@ RRSIG SOA {SIGNATURE}\n@ RRSIG NS {SIGNATURE}"
    ),
)
OVER = zone("x A 192.0.2.6\nwww A 192.0.2.5", "over.example.org.")


class Server:
    """A listener's answers out of a service whose zones change, by stencils or by the chain alone."""

    def __init__(self, *, cuts: bool, falls: bool) -> None:
        self.service = Service("file", (ORIGIN,), print)
        self.service.fall = Fall((names.ROOT,)) if falls else self.service.fall
        self.memo = Memo(1 << 20)
        self.service.forget = self.memo.forget

        @nameblind
        async def plugin(request: Request, rest: Handler) -> Reply:
            return await self.service.answer(request, rest)

        async def below(request: Request, rest: Handler) -> Reply:
            return Reply(codes.NXDOMAIN if request.question.key[1] == ord("g") else codes.REFUSED)

        blocks = {names.ROOT: (Block(names.ROOT, link([plugin, below])),)}
        self.answers = Answers("dns://:53", blocks, False, Metrics(), lambda label, fault: pytest.fail(str(fault)))
        self.answers.keeps = cuts

    def ask(self, packet: bytes) -> list[Any]:
        sent: list[Any] = []
        self.answers.respond(packet, Client("192.0.2.1", 4000), 100.0, self.memo, sent.append)
        return sent


def test_a_client_over_udp_is_not_sent_what_another_was_sent_over_tcp() -> None:
    server = Server(cuts=True, falls=False)
    lines = [f"{name} A 192.0.2.{number}" for name in ("aa", "ab") for number in range(60)]
    server.service.replace(server.service.cells[ORIGIN], zone("\n".join(lines)))
    sent: list[Any] = []
    for client, memo in ((Client("192.0.2.1", 4000, "tcp"), Memo(1 << 20)), (Client("192.0.2.1", 4000), server.memo)):
        for label in ("aa", "ab"):
            asked = packet([label], "example.org.", "A", False)
            server.answers.respond(asked, client, 100.0, memo, sent.append)
    assert [len(each) > 512 for each in sent] == [True, True, False, False]


def packet(labels: list[str], top: str, qtype: str, do: bool) -> bytes:
    octets = query(f"{'.'.join([*labels, top])} {qtype}")
    return octets[:10] + b"\0\1" + octets[12:] + b"\0\0\x29\x04\xd0\0\0\x80\0\0\0" if do else octets


@given(st.lists(st.one_of(QUESTIONS, st.sampled_from([0, 1, 2, "more", "less", "expire"])), max_size=40), st.booleans())
def test_names_answered_alike_get_what_the_chain_would_have_sent(steps: list[Any], falls: bool) -> None:
    servers = Server(cuts=True, falls=falls), Server(cuts=False, falls=falls)
    for step in (0, *steps):
        if isinstance(step, tuple):
            asked = packet(*step)
            drawn, chained = (server.ask(asked) for server in servers)
            assert drawn == chained, step
            continue
        for server in servers:
            change(server.service, step)


def change(service: Service, step: Any) -> None:
    """Have a service do something else from now on."""
    if step == "more":
        service.cells[OVER.origin] = Cell(OVER.origin)
        service.replace(service.cells[OVER.origin], OVER)
        service.forget((ORIGIN,))
    elif step == "less":
        service.cells.pop(OVER.origin, None)
        service.forget((OVER.origin,))
    elif step == "expire":
        service.expire(service.cells[ORIGIN])
    else:
        service.replace(service.cells[ORIGIN], ZONES[step])


def test_names_never_asked_for_before_are_answered_without_the_chain() -> None:
    server = Server(cuts=True, falls=False)
    server.service.replace(server.service.cells[ORIGIN], zone("aa A 192.0.2.1\nab A 192.0.2.2"))
    server.ask(packet(["aa"], "example.org.", "A", False))
    server.ask(packet(["za"], "example.org.", "A", False))
    server.answers.blocks = {}
    replies = [server.ask(packet([label], "example.org.", "A", False))[0] for label in ("ab", "zb")]
    assert [reply[3] & 15 for reply in replies] == [codes.NOERROR, codes.NXDOMAIN]


def test_after_a_change_a_name_never_asked_for_is_denied_by_the_new_zone() -> None:
    drawing, chained = Server(cuts=True, falls=False), Server(cuts=False, falls=False)
    for server in (drawing, chained):
        change(server.service, 0)
        for label in ("za", "zb"):
            server.ask(packet([label], "example.org.", "A", False))
        change(server.service, 1)
    never = packet(["zc"], "example.org.", "A", False)
    assert drawing.ask(never) == chained.ask(never)
