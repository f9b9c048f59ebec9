"""The cache plugin, asked by hand at chosen times."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.chain import FOREVER, Keep, Reply, Request
from kdns.errors import SERVFAIL, NoAnswer
from kdns.metrics import Metrics
from kdns.plugins import cache
from kdns.wire import codes, names
from kdns.wire import records as rrs
from kdns.wire.edns import Edns
from tests.kdns.asking import args, ask, question, records, request, texts

DO = Edns(1232, flags=0x8000)
WWW = "www.example.org. A"
LABELS = ("dns://:53", ".", "")


class Rest:
    """What is below: a reply that can be changed, and the requests that came."""

    def __init__(self, reply: Reply | NoAnswer) -> None:
        self.reply = reply
        self.asked: list[Request] = []

    def __call__(self, asked: Request) -> Reply:
        self.asked.append(asked)
        if isinstance(self.reply, NoAnswer):
            raise self.reply
        return self.reply


def positive(seconds: int = 60, address: str = "192.0.2.1", flags: int = codes.RA) -> Reply:
    """An answer as forward gives it."""
    return Reply(answer=records(f"www.example.org. {seconds} IN A {address}"), flags=flags, by="forward")


def denial(rcode: int = codes.NXDOMAIN, seconds: int = 60) -> Reply:
    """A denial as forward gives it."""
    soa = f"example.org. {seconds} IN SOA ns.example.org. hostmaster.example.org. 1 7200 1800 86400 60"
    return Reply(rcode, authority=records(soa), flags=codes.RA, by="forward")


def ttls(reply: Reply) -> set[int]:
    """The TTLs of all records of a reply."""
    return {rrs.ttl(rr) for rr in (*reply.answer, *reply.authority, *reply.additional)}


class TestKeeping:
    def test_a_reply_is_kept_until_its_ttl_runs_out(self) -> None:
        plugin, rest = cache.setup(args("cache")), Rest(positive(60))

        shown = [ttls(ask(plugin, WWW, rest, now=now)) for now in (1000.0, 1000.9, 1030.0, 1059.9, 1060.0)]

        assert shown == [{60}, {60}, {30}, {1}, {60}]
        assert len(rest.asked) == 2

    @pytest.mark.parametrize(
        ("directive", "below", "shown"),
        [
            ("cache", positive(0), 5),
            ("cache", positive(86400), 3600),
            ("cache 30", positive(86400), 30),
            ("cache", denial(seconds=86400), 1800),
            ("cache", denial(seconds=1), 5),
            ("cache 3", positive(1), 3),
            ("cache {\n success 100 20 10\n}", positive(1), 10),
            ("cache {\n denial 100 20 10\n}", denial(seconds=100), 20),
        ],
    )
    def test_ttls_are_brought_within_bounds_on_the_miss_already(self, directive: str, below: Reply, shown: int) -> None:
        assert ttls(ask(cache.setup(args(directive)), WWW, below)) == {shown}

    def test_all_records_get_the_least_ttl_of_the_reply(self) -> None:
        below = Reply(
            answer=records("www.example.org. 300 IN A 192.0.2.1"),
            authority=records("example.org. 40 IN NS ns.example.org."),
            additional=records("ns.example.org. 300 IN A 192.0.2.2"),
        )

        assert ttls(ask(cache.setup(args("cache")), WWW, below)) == {40}

    def test_the_upstreams_opt_is_for_one_hop(self) -> None:
        assert ask(cache.setup(args("cache")), WWW, positive()._replace(edns=Edns(4096))).edns is None

    @pytest.mark.parametrize(
        "below",
        [
            positive()._replace(flags=codes.TC),
            Reply(codes.NXDOMAIN),
            Reply(codes.REFUSED),
            Reply(codes.FORMERR),
            Reply(answer=records("www.example.org. 60 IN CNAME web.example.org.")),
            Reply(answer=records("other.example.org. 60 IN A 192.0.2.1")),
            NoAnswer(SERVFAIL, "no healthy proxies"),
        ],
    )
    def test_what_is_no_whole_answer_is_not_kept(self, below: Reply | NoAnswer) -> None:
        plugin, rest = cache.setup(args("cache")), Rest(below)
        for _ in range(2):
            with suppress(NoAnswer):
                ask(plugin, WWW, rest)

        assert len(rest.asked) == 2

    @pytest.mark.parametrize(
        ("below", "seconds"),
        [
            (denial(), 60),
            (denial(codes.NOERROR), 60),
            (Reply(codes.SERVFAIL), 5),
            (Reply(codes.NOTIMP), 5),
            (Reply(), 5),
            (Reply(authority=records("example.org. 60 IN NS ns.example.org.")), 5),
        ],
    )
    def test_denials_failures_and_referrals_are_kept(self, below: Reply, seconds: int) -> None:
        plugin, rest = cache.setup(args("cache")), Rest(below)
        for now in (1000.0, 1000.0 + seconds - 0.1, 1000.0 + seconds):
            ask(plugin, WWW, rest, now=now)

        assert len(rest.asked) == 2

    @pytest.mark.parametrize("asked", ["example.org. AXFR", "example.org. IXFR"])
    def test_transfers_pass_untouched(self, asked: str) -> None:
        below = Reply(answer=records("example.org. 7200 IN NS ns.example.org."))
        assert ask(cache.setup(args("cache")), asked, below) == below

    @pytest.mark.parametrize(
        ("directive", "kept"),
        [
            ("cache example.com", False),
            ("cache {\n disable success\n}", False),
            ("cache {\n disable success example.org\n}", False),
            ("cache {\n disable success example.com\n}", True),
            ("cache {\n disable denial\n}", True),
        ],
    )
    def test_zones_can_be_left_out(self, directive: str, kept: bool) -> None:
        plugin, rest = cache.setup(args(directive)), Rest(positive())
        for _ in range(2):
            ask(plugin, WWW, rest)

        assert len(rest.asked) == (1 if kept else 2)

    def test_servfail_0_keeps_no_failure(self) -> None:
        plugin, rest = cache.setup(args("cache {\n servfail 0\n}")), Rest(Reply(codes.SERVFAIL))
        for _ in range(2):
            ask(plugin, WWW, rest)

        assert len(rest.asked) == 2

    @pytest.mark.parametrize(("expiration", "kept"), [(2**31 - 1, True), (1000, False)])
    def test_an_answer_with_an_expired_signature_is_not_kept(self, expiration: int, kept: bool) -> None:
        rdata = bytes(8) + expiration.to_bytes(4, "big") + (1).to_bytes(4, "big") + b"\0\0\0signature"
        signature = rrs.make(names.parse("www.example.org"), codes.RRSIG, 60, rdata)
        plugin = cache.setup(args("cache"))
        rest = Rest(positive()._replace(answer=(*positive().answer, signature), edns=DO))
        for _ in range(2):
            ask(plugin, question(WWW, edns=DO), rest)

        assert len(rest.asked) == (1 if kept else 2)

    def test_questions_with_other_answers_have_entries_of_their_own(self) -> None:
        plugin, rest = cache.setup(args("cache")), Rest(Reply(codes.SERVFAIL))
        asked = [
            question(WWW), question(WWW, edns=DO), question(WWW, flags=codes.CD), question(WWW, qclass=codes.CH),
            question("www.example.org. AAAA"), question("web.example.org. A"),
        ]  # fmt: skip
        for one in asked * 2:
            ask(plugin, one, rest)

        assert len(rest.asked) == len(asked)

    def test_a_full_shelf_drops_an_entry_and_says_so(self) -> None:
        metrics = Metrics()
        plugin = cache.setup(args("cache {\n success 1\n}", metrics=metrics))
        for number in range(1030):
            name = f"n{number}.example.org."
            ask(plugin, f"{name} A", f"{name} 60 IN A 192.0.2.1")

        assert metrics.family("cache_entries").values[("dns://:53", "success", ".", "")] == 1024
        assert metrics.family("cache_evictions_total").values == {("dns://:53", "success", ".", ""): 6}


class TestFlags:
    @pytest.mark.parametrize(
        ("asked", "ad"),
        [(question(WWW), 0), (question(WWW, flags=codes.AD), codes.AD), (question(WWW, edns=DO), codes.AD)],
    )
    def test_ad_reaches_clients_that_understand_it(self, asked: object, ad: int) -> None:
        plugin, rest = cache.setup(args("cache")), Rest(positive(flags=codes.RA | codes.AD))

        miss, hit = (ask(plugin, asked, rest) for _ in range(2))  # type: ignore[arg-type]

        assert miss.flags == codes.RA | ad
        assert hit.flags == codes.AA | codes.RA | ad

    def test_the_rest_is_asked_with_ad_set(self) -> None:
        rest = Rest(positive())
        ask(cache.setup(args("cache")), question(WWW, flags=codes.RD), rest)

        assert rest.asked[0].question.flags == codes.RD | codes.AD


class TestRepeats:
    def test_a_hit_may_be_repeated_until_its_ttl_drops(self) -> None:
        plugin = cache.setup(args("cache"))
        assert ask(plugin, WWW, positive(), now=1000.25).keep is None

        keep = ask(plugin, WWW, positive(), now=1007.5).keep

        assert keep is not None
        assert keep.until == 1008.25
        assert keep.names == ()

    def test_repeats_are_counted_as_hits(self) -> None:
        metrics = Metrics()
        plugin = cache.setup(args("cache", metrics=metrics))
        ask(plugin, WWW, positive())
        keep = ask(plugin, WWW, positive()).keep
        assert keep is not None
        for tally in keep.tallies:
            tally(10)

        assert metrics.family("cache_requests_total").values == {LABELS: 12}
        assert metrics.family("cache_misses_total").values == {LABELS: 1}
        assert metrics.family("cache_hits_total").values == {("dns://:53", "success", ".", ""): 11}

    def test_what_the_live_index_answers_is_not_kept_by_time_but_passed_on(self) -> None:
        key = names.parse("www.example.org")
        plugin, rest = cache.setup(args("cache 3")), Rest(positive(30)._replace(keep=Keep((key,))))

        replies = [ask(plugin, WWW, rest) for _ in range(2)]

        assert len(rest.asked) == 2
        assert [ttls(reply) for reply in replies] == [{3}, {3}]
        for reply in replies:
            assert reply.keep is not None
            assert (reply.keep.names, reply.keep.until, len(reply.keep.tallies)) == ((key,), FOREVER, 1)

    def test_a_stale_answer_is_not_repeated(self) -> None:
        plugin = cache.setup(args("cache {\n serve_stale 1h verify\n}"))
        ask(plugin, WWW, positive())

        assert ask(plugin, WWW, NoAnswer(SERVFAIL), now=1100.0).keep is None


class TestShelves:
    def test_a_denial_comes_before_an_older_answer(self) -> None:
        plugin = cache.setup(args("cache {\n serve_stale\n serve_stale_policy prefer_positive\n}"))
        plain = cache.setup(args("cache {\n serve_stale 1h verify\n}"))
        for each in (plugin, plain):
            ask(each, WWW, positive(60))

        verified = ask(plain, WWW, denial(), now=1100.0)

        assert verified.rcode == codes.NXDOMAIN
        assert ask(plain, WWW, positive(60), now=1101.0).rcode == codes.NXDOMAIN

    def test_a_failure_does_not_hide_a_good_answer(self) -> None:
        plugin = cache.setup(args("cache {\n serve_stale 1h verify\n servfail 1m\n}"))
        ask(plugin, WWW, Reply(codes.SERVFAIL))
        ask(plugin, question(WWW), positive(3000), now=1061.0)

        assert texts(ask(plugin, WWW, Reply(codes.SERVFAIL), now=1062.0).answer)


class TestStale:
    def test_verify_asks_first_and_gives_the_fresh_answer(self) -> None:
        plugin, rest = cache.setup(args("cache {\n serve_stale 1h verify\n}")), Rest(positive(60))
        ask(plugin, WWW, rest)
        rest.reply = positive(60, "192.0.2.2")

        reply = ask(plugin, WWW, rest, now=1100.0)

        assert texts(reply.answer) == ["www.example.org. 60 IN A 192.0.2.2"]

    @pytest.mark.parametrize(
        "below", [NoAnswer(SERVFAIL), Reply(codes.SERVFAIL), Reply(codes.REFUSED), Reply(flags=codes.TC)]
    )
    def test_verify_gives_the_stale_answer_when_there_is_no_better_one(self, below: Reply | NoAnswer) -> None:
        metrics = Metrics()
        plugin = cache.setup(args("cache {\n serve_stale 1h verify\n}", metrics=metrics))
        ask(plugin, WWW, positive(60))

        reply = ask(plugin, WWW, below, now=1100.0)

        assert texts(reply.answer) == ["www.example.org. 0 IN A 192.0.2.1"]
        assert metrics.family("cache_served_stale_total").values == {LABELS: 1}

    @pytest.mark.parametrize(
        ("directive", "ttl"),
        [("serve_stale 1h verify 0 30s", 30), ("serve_stale 1h verify\n keepttl", 60), ("serve_stale 1h verify", 0)],
    )
    def test_a_stale_answer_has_the_ttl_that_the_corefile_says(self, directive: str, ttl: int) -> None:
        plugin = cache.setup(args(f"cache {{\n {directive}\n}}"))
        ask(plugin, WWW, positive(60))

        assert ttls(ask(plugin, WWW, NoAnswer(SERVFAIL), now=1100.0)) == {ttl}

    def test_an_answer_may_be_stale_only_so_long(self) -> None:
        plugin = cache.setup(args("cache {\n serve_stale 1m verify\n}"))
        ask(plugin, WWW, positive(60))

        assert ask(plugin, WWW, NoAnswer(SERVFAIL), now=1119.9).answer
        with pytest.raises(NoAnswer):
            ask(plugin, WWW, NoAnswer(SERVFAIL), now=1120.0)

    def test_after_a_failed_verification_the_rest_is_left_alone_for_a_while(self) -> None:
        plugin, rest = cache.setup(args("cache {\n serve_stale 1h verify 0 0 30s\n}")), Rest(positive(60))
        ask(plugin, WWW, rest)
        rest.reply = NoAnswer(SERVFAIL)
        for now in (1100.0, 1110.0, 1129.9, 1130.0):
            ask(plugin, WWW, rest, now=now)

        assert [asked.now for asked in rest.asked] == [1000.0, 1100.0, 1130.0]

    def test_prefer_positive_keeps_a_known_good_answer_before_any_denial(self) -> None:
        plugin = cache.setup(args("cache {\n serve_stale 1h verify\n serve_stale_policy prefer_positive\n}"))
        ask(plugin, WWW, positive(60))

        assert texts(ask(plugin, WWW, denial(), now=1100.0).answer) == ["www.example.org. 0 IN A 192.0.2.1"]
        assert texts(ask(plugin, WWW, denial(), now=1101.0).answer) == ["www.example.org. 0 IN A 192.0.2.1"]
        fresh = ask(plugin, WWW, positive(60, "192.0.2.2"), now=1102.0)
        assert texts(fresh.answer) == ["www.example.org. 60 IN A 192.0.2.2"]


class TestBackground:
    """Refreshes behind the client's back, in the event loop."""

    async def test_immediate_serves_the_stale_answer_and_fetches_a_fresh_one(self) -> None:
        metrics = Metrics()
        plugin, rest = cache.setup(args("cache {\n serve_stale\n}", metrics=metrics)), Slow(positive(60))
        rest.land.set()
        await rest.ask(plugin, WWW)
        rest.reply = positive(60, "192.0.2.2")
        rest.land.clear()

        stale = [await rest.ask(plugin, WWW, now=1100.0) for _ in range(3)]
        await rest.finish()

        assert {text for reply in stale for text in texts(reply.answer)} == {"www.example.org. 0 IN A 192.0.2.1"}
        assert len(rest.asked) == 2
        assert texts((await rest.ask(plugin, WWW, now=1100.5)).answer) == ["www.example.org. 60 IN A 192.0.2.2"]
        assert metrics.family("cache_prefetch_total").values == {LABELS: 1}

    async def test_an_answer_that_is_asked_for_often_is_fetched_before_it_ends(self) -> None:
        plugin, rest = cache.setup(args("cache {\n prefetch 2\n}")), Slow(positive(60))
        rest.land.set()
        for now in (1000.0, 1010.0, 1040.0):
            await rest.ask(plugin, WWW, now=now)
        assert len(rest.asked) == 1

        await rest.ask(plugin, WWW, now=1054.5)
        await rest.finish()

        assert len(rest.asked) == 2
        assert rest.asked[1].client.proto == "tcp"
        assert ttls(await rest.ask(plugin, WWW, now=1055.0)) == {60}

    async def test_a_verification_that_takes_too_long_goes_on_in_the_background(self) -> None:
        directive = "cache {\n serve_stale 1h verify 10ms\n}"
        plugin, rest = cache.setup(args(directive)), Slow(positive(60))
        rest.land.set()
        await rest.ask(plugin, WWW)
        rest.reply = positive(60, "192.0.2.2")
        rest.land.clear()

        assert ttls(await rest.ask(plugin, WWW, now=1100.0)) == {0}
        await rest.finish()
        assert texts((await rest.ask(plugin, WWW, now=1100.5)).answer) == ["www.example.org. 60 IN A 192.0.2.2"]

    async def test_a_verification_in_time_is_served(self) -> None:
        plugin, rest = cache.setup(args("cache {\n serve_stale 1h verify 10s\n}")), Slow(positive(60))
        rest.land.set()
        await rest.ask(plugin, WWW)
        rest.reply = positive(60, "192.0.2.2")

        reply = await rest.ask(plugin, WWW, now=1100.0)

        assert texts(reply.answer) == ["www.example.org. 60 IN A 192.0.2.2"]
        assert reply.flags & codes.AA

    async def test_closing_ends_the_refreshes_under_way(self) -> None:
        plugin, rest = cache.setup(args("cache {\n serve_stale\n}")), Slow(positive(60))
        rest.land.set()
        await rest.ask(plugin, WWW)
        rest.land.clear()
        rest.came.clear()
        await rest.ask(plugin, WWW, now=1100.0)
        await rest.came.wait()
        assert rest.under_way == 1

        await plugin.close()  # type: ignore[attr-defined]

        assert rest.under_way == 0

    async def test_closing_during_a_verification_leaves_the_stale_answer(self) -> None:
        plugin, rest = cache.setup(args("cache {\n serve_stale 1h verify 10s\n}")), Slow(positive(60))
        rest.land.set()
        await rest.ask(plugin, WWW)
        rest.land.clear()
        rest.came.clear()
        waiting = asyncio.create_task(rest.ask(plugin, WWW, now=1100.0))
        await rest.came.wait()

        await plugin.close()  # type: ignore[attr-defined]

        assert ttls(await waiting) == {0}


class Slow:
    """What is below, replying when `land` is set; `came` says that it was asked, `under_way` how many wait."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[Request] = []
        self.came = asyncio.Event()
        self.land = asyncio.Event()
        self.under_way = 0
        self._replied = asyncio.Event()

    async def __call__(self, asked: Request) -> Reply:
        self.asked.append(asked)
        self.under_way += 1
        self.came.set()
        try:
            await self.land.wait()
        finally:
            self.under_way -= 1
        self._replied.set()
        return self.reply

    async def ask(self, plugin: cache.Plugin, asked: str, **fields: object) -> Reply:
        """What the plugin replies above this."""
        reply: Reply = await plugin(request(asked, **fields), self)
        return reply

    async def finish(self) -> None:
        """Let the refresh under way reply, and let it be kept."""
        self._replied.clear()
        self.land.set()
        await self._replied.wait()


ADDRESSES = st.sampled_from(["192.0.2.1", "192.0.2.2"])
STEP = st.tuples(
    st.integers(0, 40),  # seconds that pass
    st.sampled_from(["a.example.org. A", "b.example.org. A"]),
    st.one_of(st.tuples(st.integers(0, 90), ADDRESSES), st.none()),  # what the rest would answer now
)


@given(st.lists(STEP, max_size=30))
def test_a_cache_is_a_dict_with_a_clock(steps: list[tuple[int, str, tuple[int, str] | None]]) -> None:
    plugin = cache.setup(args("cache 60"))
    model: dict[str, tuple[int, str, int]] = {}  # name -> (stored, address, ttl)
    now = 1000
    for passed, asked, below in steps:
        now += passed
        name = asked.split()[0]
        rest = f"{name} {below[0]} IN A {below[1]}" if below else NoAnswer(SERVFAIL)
        kept = model.get(name)
        if kept is None or now - kept[0] >= kept[2]:
            kept = model[name] = (now, below[1], min(max(below[0], 5), 60)) if below else (now, "", 0)
        if not kept[1]:
            with pytest.raises(NoAnswer):
                ask(plugin, asked, rest, now=float(now))
            continue
        shown = texts(ask(plugin, asked, rest, now=float(now)).answer)
        assert shown == [f"{name} {kept[2] - (now - kept[0])} IN A {kept[1]}"]
