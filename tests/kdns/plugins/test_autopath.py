"""autopath: which names are looked for, what becomes of the answers, and whose search path it is."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from msgspec import to_builtins

from kdns.chain import Keep, Reply, Request, SearchPath, link
from kdns.errors import REFUSED, SERVFAIL, ConfigError, NoAnswer, StartError
from kdns.metrics import Metrics
from kdns.plugins import autopath
from kdns.plugins.autopath import Autopath
from kdns.wire import codes, names
from kdns.wire.names import Name
from tests.kdns.apiserver import ApiServer
from tests.kdns.asking import args, ask, canned, records, request, step, texts
from tests.kdns.cluster.making import namespace, pod, service
from tests.kdns.server import Kdns

SOA = records("example.org. 30 IN SOA ns.example.org. root.example.org. 1 2 3 4 5")
DENIAL = Reply(codes.NXDOMAIN, authority=SOA, by="below")


class World:
    """What is below: records by owner, errors by name, a denial of everything else; it notes what it was asked."""

    def __init__(self, zone_text: str = "", failing: Mapping[str, NoAnswer] | None = None) -> None:
        self.asked: list[str] = []
        self._records = records(zone_text)
        self._failing = failing or {}

    def __call__(self, asked: Request) -> Reply:
        """The reply to one question."""
        qname = asked.question.qname
        self.asked.append(names.show(qname))
        if names.show(qname) in self._failing:
            raise self._failing[names.show(qname)]
        found = tuple(rr for rr in self._records if rr.lower().startswith(asked.question.key))
        return Reply(answer=found, flags=codes.AA, by="below", keep=Keep()) if found else DENIAL


class Knowing:
    """A plugin that knows one search path; whether it was told to go by names is in it."""

    def __init__(self, *path: str, keys: tuple[Name, ...] | None = ()) -> None:
        self._path = tuple(map(names.parse, path))
        self._keys = keys

    def search_path(self, _: Request, by_name: bool) -> SearchPath:
        """The path, behind `by-name.` where that was asked for."""
        return SearchPath((names.parse("by-name."), *self._path) if by_name else self._path, self._keys)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Autopath]:
    """A function that makes the plugin for a search line."""

    def make(search: str = "search example.org example.com com", zones: str = "", **more: Metrics) -> Autopath:
        file = tmp_path / "resolv.conf"
        file.write_text(f"nameserver 192.0.2.1\n{search}\n")
        return autopath.setup(args(f"autopath {zones} {file}", **more))

    return make


def test_the_first_name_that_is_there_is_the_answer_behind_an_alias(made: Callable[..., Autopath]) -> None:
    world = World("b.com. 3600 IN A 192.0.2.1\nb.com. 60 IN A 192.0.2.2")

    reply = ask(made(), "B.example.ORG. A", rest=world)

    assert texts(reply.answer) == [
        "B.example.ORG. 3600 IN CNAME b.com.",
        "b.com. 3600 IN A 192.0.2.1",
        "b.com. 60 IN A 192.0.2.2",
    ]
    assert (reply.rcode, reply.flags, reply.by, reply.keep) == (codes.NOERROR, codes.AA, "below", None)
    assert world.asked == ["B.example.org.", "B.example.com.", "B.com."]


def test_the_bare_name_comes_last(made: Callable[..., Autopath]) -> None:
    world = World("www.example.net. 5 IN A 192.0.2.1")

    reply = ask(made("search example.org lan"), "www.example.net.example.org. A", rest=world)

    assert texts(reply.answer)[0] == "www.example.net.example.org. 5 IN CNAME www.example.net."
    assert world.asked[1:] == ["www.example.net.lan.", "www.example.net."]


def test_a_name_that_is_there_as_it_was_asked_is_answered_as_it_is(made: Callable[..., Autopath]) -> None:
    chain = "b.example.org. 5 IN CNAME c.example.net.\nb.example.org. 5 IN A 192.0.2.1"
    world = World(chain)

    assert ask(made(), "b.example.org. A", rest=world).answer == records(chain)
    assert world.asked == ["b.example.org."]


def test_a_name_without_such_records_is_there(made: Callable[..., Autopath]) -> None:
    nothing = Reply(authority=SOA)
    rest = {b"\x01b\x07example\x03com\0": nothing}

    reply = ask(made(), "b.example.org. AAAA", rest=lambda asked: rest.get(asked.question.key, DENIAL))

    assert reply == nothing


@pytest.mark.parametrize(
    ("asked", "search", "zones"),
    [
        ("a.example.com. A", "search example.org example.com", ""),
        ("example.org. A", "search example.org example.com", ""),
        ("a.example.org. A", "", ""),
        ("a.example.org. A", "search example.org example.com", "example.net"),
        ("aexample.org. A", "search example.org example.com", ""),
    ],
    ids=["not below the first domain", "the first domain", "no search list", "not in the zones", "no label boundary"],
)
def test_other_names_are_left_alone(made: Callable[..., Autopath], asked: str, search: str, zones: str) -> None:
    metrics, world = Metrics(), World()

    assert ask(made(search, zones, metrics=metrics), asked, rest=world) == DENIAL
    assert world.asked == [asked.split()[0]]
    assert metrics.family("autopath_success_total").values == {}


def test_of_denials_only_the_first_is_the_answer(made: Callable[..., Autopath]) -> None:
    others = DENIAL._replace(authority=())
    first = b"\x01b\x07example\x03org\0"

    reply = ask(made(), "b.example.org. A", rest=lambda asked: DENIAL if asked.question.key == first else others)

    assert reply == DENIAL


def test_what_is_not_answered_is_passed_over(made: Callable[..., Autopath]) -> None:
    silent = {"b.example.org.": NoAnswer(SERVFAIL), "b.example.com.": NoAnswer(REFUSED)}

    assert len(ask(made(), "b.example.org. A", rest=World("b.com. 5 IN A 192.0.2.1", silent)).answer) == 2
    with pytest.raises(NoAnswer) as caught:
        ask(made(), "b.example.org. A", rest=World("", silent))
    assert caught.value.rcode == SERVFAIL


@pytest.mark.parametrize("rcode", [codes.FORMERR, codes.SERVFAIL, codes.NOTIMP, codes.REFUSED])
def test_a_template_that_refuses_is_passed_over_as_if_it_had_written_nothing(
    made: Callable[..., Autopath], rcode: int
) -> None:
    def rest(asked: Request) -> Reply:
        if asked.question.key == b"\x01b\x07example\x03com\0":
            return Reply(answer=records("b.example.com. 5 IN A 192.0.2.1"))
        return Reply(rcode, by="template")

    assert len(ask(made(), "b.example.org. A", rest=rest).answer) == 2
    with pytest.raises(NoAnswer) as caught:
        ask(made(), "c.example.org. A", rest=rest)
    assert caught.value.rcode == rcode


def test_a_fault_ends_the_walk(made: Callable[..., Autopath]) -> None:
    world = World("b.com. 5 IN A 192.0.2.1", {"b.example.com.": NoAnswer(SERVFAIL, "i/o timeout")})

    with pytest.raises(NoAnswer, match="i/o timeout"):
        ask(made(), "b.example.org. A", rest=world)
    assert world.asked == ["b.example.org.", "b.example.com."]


def test_an_error_that_was_answered_ends_the_walk_too(made: Callable[..., Autopath]) -> None:
    assert ask(made(), "b.example.org. A", rest=Reply(codes.SERVFAIL)) == Reply(codes.SERVFAIL)


def test_names_that_would_be_too_long_are_not_looked_for(made: Callable[..., Autopath]) -> None:
    label = "a" * 63
    world, base = World(), f"{label}.{label}.{label}.{'b' * 50}"

    ask(made("search org example.example.example.com"), f"{base}.org. A", rest=world)

    assert world.asked == [f"{base}.org.", f"{base}."]


def test_answers_that_were_found_are_counted(made: Callable[..., Autopath]) -> None:
    metrics = Metrics()
    plugin = made(metrics=metrics)
    for name in ("b.example.org.", "c.example.org.", "c.com."):
        ask(plugin, f"{name} A", rest=World("b.com. 5 IN A 192.0.2.1\nc.example.org. 5 IN A 192.0.2.1"))

    assert metrics.family("autopath_success_total").values == {("dns://:53",): 2}


def test_an_answer_is_for_this_client_only_if_its_search_path_is() -> None:
    def kept(keys: tuple[Name, ...] | None) -> Keep | None:
        plugin = autopath.setup(args("autopath @kubernetes"))
        plugin.meet({"kubernetes": Knowing("lan", keys=keys)})
        return step(link([plugin, canned(World("b.lan. 5 IN A 192.0.2.1"))])(request("b.lan. A"))).keep

    assert kept(None) is None
    found = kept((b"\x04shop",))
    assert found is not None
    assert found.names == (b"\x04shop",)


def test_repetitions_are_counted_as_answers_that_were_found(made: Callable[..., Autopath]) -> None:
    metrics = Metrics()
    handler = link([made(metrics=metrics), canned(World("b.example.org. 5 IN A 192.0.2.1"))])
    keep = step(handler(request("b.example.org. A"))).keep

    assert keep is not None
    for tally in keep.tallies:
        tally(3)
    assert metrics.family("autopath_success_total").values == {("dns://:53",): 4}


@pytest.mark.parametrize(
    ("directive", "walked"),
    [
        ("autopath @kubernetes", ["b.lan.", "b.com.", "b."]),
        ("autopath lan @kubernetes", ["b.lan.", "b.com.", "b."]),
        ("autopath example.org @kubernetes", ["b.lan."]),
        ("autopath 10.0.0.0/8 @kubernetes", ["b.lan."]),
        ("autopath @kubernetes {\n namespace_of_name\n}", ["b.lan."]),
        ("autopath @erratic", ["b.lan."]),
        ("autopath @bind", ["b.lan."]),
        ("autopath example.org @erratic\nautopath @kubernetes", ["b.lan.", "b.com.", "b."]),
    ],
)
def test_a_plugin_of_the_block_knows_the_search_path_if_it_is_there(directive: str, walked: list[str]) -> None:
    plugin, world = autopath.setup(args(directive)), World()
    plugin.meet({"kubernetes": Knowing("lan", "com"), "bind": object()})

    ask(plugin, "b.lan. A", rest=world)

    assert world.asked == walked


def test_a_plugin_goes_by_the_names_where_it_is_told_to() -> None:
    plugin, world = autopath.setup(args("autopath @kubernetes {\n namespace_of_name\n}")), World()
    plugin.meet({"kubernetes": Knowing("lan")})

    ask(plugin, "b.by-name. A", rest=world)

    assert world.asked == ["b.by-name.", "b.lan.", "b."]


def test_a_plugin_without_search_paths_is_a_mistake() -> None:
    plugin = autopath.setup(args("autopath @whoami"))
    with pytest.raises(StartError, match="plugin/autopath: whoami does not implement the AutoPather interface"):
        plugin.meet({"whoami": print})


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("autopath", "no resolv-conf specified"),
        ("autopath kubernetes", 'failed to parse "kubernetes": open kubernetes: no such file or directory'),
        ('autopath ""', 'failed to parse ""'),
        ("autopath @kubernetes {\n foo\n}", "Corefile:3 - Error during parsing: unknown property 'foo'"),
        ("autopath @kubernetes {\n namespace_of_name shop\n}", "Wrong argument count"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        autopath.setup(args(directive))


CLUSTER = """\
.:@PORT@ {
    bind 127.0.0.1
    autopath @kubernetes%s
    hosts {
        192.0.2.1 www.example.org
        fallthrough cluster.local
    }
    kubernetes cluster.local {
        endpoint %s
        pods verified
    }
}
"""
FOUND = [
    "www.example.org.shop.svc.cluster.local. 3600 IN CNAME www.example.org.",
    "www.example.org. 3600 IN A 192.0.2.1",
]


async def test_a_pod_finds_everything_with_its_first_question(kdns: Callable[[str], Kdns]) -> None:
    api = ApiServer()
    api.put("/api/v1/namespaces", to_builtins(namespace("shop")))
    api.put("/api/v1/services", to_builtins(service("db", ["10.96.0.9"], ns="data")))
    api.put("/api/v1/namespaces", to_builtins(namespace("data")))
    api.put("/api/v1/pods", to_builtins(pod("web-0", "127.0.0.2", ns="shop")))
    await api.start()

    def asking() -> None:
        server = kdns(CLUSTER % ("", api.url))
        for _ in range(2):  # what one client was told is never what another is told
            assert server.answers("www.example.org.shop.svc.cluster.local. A", source="127.0.0.2") == FOUND
            assert server.answers("www.example.org.shop.svc.cluster.local. A") == []
        assert server.answers("db.data.shop.svc.cluster.local. A", source="127.0.0.2") == [
            "db.data.shop.svc.cluster.local. 5 IN CNAME db.data.svc.cluster.local.",
            "db.data.svc.cluster.local. 5 IN A 10.96.0.9",
        ]
        by_name = kdns(CLUSTER % (" {\n namespace_of_name\n}", api.url))
        assert by_name.answers("www.example.org.shop.svc.cluster.local. A") == FOUND
        assert by_name.answers("www.example.org.nowhere.svc.cluster.local. A") == []

    await asyncio.to_thread(asking)
    await api.stop()
