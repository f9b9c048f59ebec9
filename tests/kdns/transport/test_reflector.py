"""The reflector against an API server that misbehaves: in the end the sink holds the truth."""

import asyncio
import itertools
import json
import random
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from kdns.metrics import Metrics
from kdns.transport import access, reflector
from kdns.transport.kubeapi import KubeApi
from kdns.transport.reflector import Pace, Reflector, Resource
from tests.kdns import apiserver
from tests.kdns.apiserver import ApiServer, Json, Moments

SERVICES = "/api/v1/services"
HEAD = b'{"metadata":{"resourceVersion":"100"},"items":['


class Named(msgspec.Struct):
    name: str
    namespace: str = ""


class Spec(msgspec.Struct):
    ip: str = ""


class Thing(msgspec.Struct, weakref=True):
    metadata: Named
    spec: Spec = msgspec.field(default_factory=Spec)


class Mirror:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], str] = {}
        self.calls: list[str] = []
        self.complete = False
        self.moments = Moments()

    def put(self, obj: Thing) -> None:
        key = obj.metadata.namespace, obj.metadata.name
        self.objects[key] = obj.spec.ip
        self.note(f"put {obj.metadata.name}")

    def delete(self, namespace: str, name: str) -> None:
        del self.objects[namespace, name]
        self.note(f"delete {name}")

    def synced(self) -> None:
        self.complete = True
        self.note("synced")

    def note(self, call: str) -> None:
        self.calls.append(call)
        self.moments.tick()


class Bench:
    """An API server, a sink, and a reflector between them whose time and chance are the test's."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.mirror = Mirror()
        self.waits: list[float] = []
        self.log: list[str] = []
        self.ticks = itertools.count(step=2)  # every look at the clock is two seconds later: each watch is a steady one

    def put(self, name: str, ip: str = "") -> Json:
        return self.server.put(SERVICES, {"metadata": {"namespace": "default", "name": name}, "spec": {"ip": ip}})

    def delete(self, name: str) -> None:
        self.server.delete(SERVICES, "default", name)

    @asynccontextmanager
    async def reflecting(self, resource: Resource[Thing] | None = None, **pace: Any) -> AsyncIterator[None]:
        api = KubeApi(access.from_endpoint(self.server.url), Metrics())
        chosen = Pace(**{"clock": lambda: next(self.ticks), "sleep": self.sleep, "random": lambda: 0.5} | pace)
        resource = resource or Resource(SERVICES, Thing)
        task = asyncio.create_task(Reflector(api, resource, self.mirror, self.note, chosen).run())
        try:
            yield
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await api.close()

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.mirror.moments.tick()
        await asyncio.sleep(0)

    def note(self, level: str, message: str) -> None:
        self.log.append(f"{level}: {message}")
        self.mirror.moments.tick()

    def truth(self) -> dict[tuple[str, str], str]:
        return {key: obj["spec"]["ip"] for key, obj in self.server.objects.get(SERVICES, {}).items()}

    async def until(self, so: Callable[[], bool]) -> None:
        await self.mirror.moments.until(so)

    async def converged(self) -> None:
        await self.until(lambda: self.mirror.complete and self.mirror.objects == self.truth())


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    server = ApiServer()
    await server.start()
    yield Bench(server)
    await server.stop()


async def test_mirrors_what_is_there_and_then_every_change(bench: Bench) -> None:
    bench.put("old", "10.0.0.1")
    async with bench.reflecting():
        await bench.converged()
        assert bench.mirror.calls == ["put old", "synced"]

        bench.put("new", "10.0.0.2")
        bench.put("old", "10.0.0.3")
        bench.delete("new")
        await bench.until(lambda: len(bench.mirror.calls) == 5)

    assert bench.mirror.calls[2:] == ["put new", "put old", "delete new"]
    assert bench.mirror.objects == {("default", "old"): "10.0.0.3"}


async def test_an_empty_collection_is_synced_too(bench: Bench) -> None:
    async with bench.reflecting():
        await bench.converged()
    assert bench.mirror.calls == ["synced"]


async def test_a_list_comes_in_pages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector, "PAGE", 7)
    for number in range(50):
        bench.put(f"s{number}")
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()

    lists = bench.server.queries(watch=False)
    assert len(lists) == 8
    assert all(query["limit"] == "7" for query in lists)
    assert bench.mirror.calls.count("synced") == 1


async def test_a_list_is_never_held_twice(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a page nor a relist makes more objects than the one that is put: the sink of this test keeps none."""
    monkeypatch.setattr(reflector, "PAGE", 100)
    alive: list[weakref.ref[Thing]] = []
    most = 0
    put = bench.mirror.put

    def count(obj: Thing) -> None:
        nonlocal most, alive
        put(obj)
        alive = [ref for ref in (*alive, weakref.ref(obj)) if ref() is not None]
        most = max(most, len(alive))

    bench.mirror.put = count  # type: ignore[method-assign]
    for number in range(300):
        bench.put(f"s{number}")
    async with bench.reflecting():
        await bench.converged()
        bench.server.compact()
        for number in range(300):
            bench.put(f"s{number}", "10.0.0.1")
        bench.server.compact()
        bench.server.end_watches("reset")
        await bench.converged()

    assert most == 1


async def test_a_relist_does_not_put_again_what_did_not_change(bench: Bench) -> None:
    for name in ("same", "changed", "gone"):
        bench.put(name)
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()
        del bench.mirror.calls[:]
        await bench.server.stop()
        bench.put("changed", "10.0.0.9")
        bench.delete("gone")
        bench.server.compact()
        await bench.server.start()
        await bench.converged()

    assert bench.mirror.calls == ["put changed", "delete gone"]


async def test_an_object_made_again_under_the_same_version_is_put_again(bench: Bench) -> None:
    """A server whose store was replaced counts from the start again: the uid tells its objects apart."""
    stored = bench.put("web", "10.0.0.1")
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()
        replaced = {**stored["metadata"], "uid": "another"}
        bench.server.objects[SERVICES]["default", "web"] = {"metadata": replaced, "spec": {"ip": "10.0.0.2"}}
        bench.server.next_watch(apiserver.refusal(410))
        bench.server.end_watches()
        await bench.converged()
    assert bench.mirror.objects == {("default", "web"): "10.0.0.2"}


async def test_nothing_is_deleted_before_a_list_is_complete(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector, "PAGE", 2)
    for name in "abcdef":
        bench.put(name)
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()
        del bench.mirror.calls[:]
        await bench.server.stop()
        bench.delete("a")
        bench.delete("f")
        bench.server.compact()
        first_page = {"metadata": {"resourceVersion": "1", "continue": "more"}, "items": []}
        bench.server.next_list(apiserver.body(json.dumps(first_page).encode()), apiserver.refusal(500))
        await bench.server.start()
        await bench.until(lambda: not bench.server.list_faults)
        assert bench.mirror.calls == []
        await bench.converged()

    assert sorted(bench.mirror.calls) == ["delete a", "delete f"]


async def test_an_expired_continue_token_starts_the_list_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector, "PAGE", 2)
    for name in "abc":
        bench.put(name)
    token = {
        "metadata": {"resourceVersion": "1", "continue": "WzAsIDJd"},
        "items": [],
    }  # of a snapshot that is not there
    bench.server.next_list(apiserver.body(json.dumps(token).encode()))
    async with bench.reflecting():
        await bench.converged()
    assert [("continue" in query) for query in bench.server.queries(watch=False)] == [False, True, False, True]


@pytest.mark.parametrize("how", ["close", "reset", "cut"])
async def test_a_watch_that_ends_is_taken_up_where_it_stopped(bench: Bench, how: str) -> None:
    bench.put("old")
    async with bench.reflecting():
        await bench.converged()
        for number in range(5):
            await bench.server.watched()
            bench.server.end_watches(how)
            bench.put(f"meanwhile{number}")
            await bench.converged()
    assert len(bench.server.queries(watch=False)) == 1
    versions = [int(query["resourceVersion"]) for query in bench.server.queries(watch=True)]
    assert versions == sorted(versions)
    assert versions[0] < versions[-1]


async def test_a_bookmark_moves_the_place_to_go_on_from(bench: Bench) -> None:
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()
        for _ in range(3):
            bench.server.put("/api/v1/pods", {"metadata": {"name": "of no interest"}})
        bench.server.bookmark()
        bench.server.end_watches()
        await bench.server.moments.until(lambda: len(bench.server.queries(watch=True)) == 2)
    watches = bench.server.queries(watch=True)
    assert [query["resourceVersion"] for query in watches] == ["100", "103"]
    assert watches[0]["allowWatchBookmarks"] == "true"


GONE = json.dumps({"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}).encode() + b"\n"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(apiserver.refusal(410), id="as an HTTP status"),
        pytest.param(apiserver.body(GONE), id="as an event"),
        pytest.param(apiserver.refusal(504), id="a version that the server has not reached"),
        pytest.param(apiserver.body(b'{"type":"ERROR","object":{"code":500,"message":"PrevKv=nil"}}\n'), id="a fault"),
        pytest.param(apiserver.body(b"no JSON\n"), id="a line that is no JSON"),
        pytest.param(apiserver.body(b'{"type":"ADDED","object":{"metadata":{"name":7}}}\n'), id="a number for a name"),
        pytest.param(apiserver.body(b'{"type":"ADDED","object":' + b"[" * 100_000 + b"\n"), id="endless nesting"),
        pytest.param(apiserver.body(b'{"type":"ADDED","object":{"metadata":{"name":"\xff"}}}\n'), id="no UTF-8"),
        pytest.param(apiserver.body(b'{"type":"SURPRISE","object":{}}\n'), id="an unknown type"),
        pytest.param(apiserver.body(b"x" * (5 << 20)), id="a line without an end"),
    ],
)
async def test_a_watch_that_cannot_go_on_leads_to_a_list_and_a_comparison(bench: Bench, fault: apiserver.Fault) -> None:
    for name in ("stays", "goes"):
        bench.put(name)
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()
        bench.server.next_watch(fault)
        bench.server.end_watches()
        await bench.server.moments.until(lambda: not bench.server.watches)
        bench.delete("goes")
        bench.put("comes")
        await bench.converged()
        await bench.server.watched()
    assert len(bench.server.queries(watch=False)) == 2


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(apiserver.refusal(401), id="unauthorised"),
        pytest.param(apiserver.refusal(403), id="forbidden"),
        pytest.param(apiserver.refusal(429), id="too many"),
        pytest.param(apiserver.refusal(500), id="broken"),
        pytest.param(apiserver.refusal(503), id="not ready"),
        pytest.param(apiserver.reset(), id="reset"),
        pytest.param(apiserver.body(b"\x1f\x8b", {"Content-Encoding": "gzip"}), id="compressed unasked"),
    ],
)
async def test_trouble_on_the_way_to_a_watch_needs_no_list(bench: Bench, fault: apiserver.Fault) -> None:
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()
        bench.server.next_watch(fault, fault)
        bench.server.end_watches()
        bench.put("new")
        await bench.converged()
    assert len(bench.server.queries(watch=False)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(apiserver.refusal(500), id="broken"),
        pytest.param(apiserver.reset(), id="reset"),
        pytest.param(apiserver.body(b"<html>"), id="no JSON"),
        pytest.param(apiserver.body(HEAD), id="half a list"),
        pytest.param(apiserver.body(HEAD + b'{"metadata":{}}]}'), id="an object without a name"),
        pytest.param(apiserver.body(b"\x1f\x8b", {"Content-Encoding": "gzip"}), id="compressed unasked"),
    ],
)
async def test_a_list_that_fails_is_made_again(bench: Bench, fault: apiserver.Fault) -> None:
    bench.put("web")
    bench.server.next_list(fault, fault, fault)
    async with bench.reflecting():
        await bench.converged()
    assert bench.waits[0] == pytest.approx(0.075)
    assert bench.mirror.calls == ["put web", "synced"]


async def test_a_server_that_refuses_connections_is_found_again(bench: Bench) -> None:
    bench.put("old")
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()
        await bench.server.stop()
        await bench.until(lambda: len(bench.waits) >= 5)
        assert bench.mirror.objects == {("default", "old"): ""}
        bench.put("new")
        await bench.server.start()
        await bench.converged()
    assert len(bench.server.queries(watch=False)) == 1
    assert bench.log[0].startswith("WARNING: services: ")
    assert bench.log[1:] == ["INFO: services: the API server is being watched again"]


async def test_waits_grow_to_a_bound_while_a_watch_ends_at_once(bench: Bench) -> None:
    """A watch that the server closes at once, again and again, is no reason to ask it in a tight loop."""
    bench.server.next_watch(*[apiserver.body(b"")] * 12)
    async with bench.reflecting(clock=lambda: 0.0):
        await bench.until(lambda: len(bench.waits) >= 12)
    assert bench.waits[:12] == pytest.approx([0.075, 0.15, 0.3, 0.6, 1.2, 2.4, 4.8, *[7.5] * 5])


async def test_a_silent_server_is_given_up(bench: Bench) -> None:
    bench.put("old")
    bench.server.next_watch(apiserver.stall())
    async with bench.reflecting(watch=0.02, margin=0.0):
        await bench.until(lambda: bool(bench.waits))
        bench.put("new")
        await bench.converged()
    assert bench.mirror.calls == ["put old", "synced", "put new"]


async def test_retry_after_is_obeyed(bench: Bench) -> None:
    bench.server.next_list(
        apiserver.refusal(429, {"Retry-After": "5"}), apiserver.refusal(503, {"Retry-After": "9999"})
    )
    async with bench.reflecting():
        await bench.converged()
    assert bench.waits == pytest.approx([5.075, 60.15])


async def test_an_odd_object_does_not_stop_the_others(bench: Bench) -> None:
    bench.put("a", "10.0.0.1")
    bench.put("z", "10.0.0.2")
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()
        bench.server.put(SERVICES, {"metadata": {"namespace": "default", "name": "a"}, "spec": "odd"})
        bench.put("z", "10.0.0.3")
        await bench.until(lambda: bench.mirror.objects["default", "z"] == "10.0.0.3")
        bench.server.compact()
        bench.server.next_watch(apiserver.refusal(410))
        bench.server.end_watches()
        await bench.server.moments.until(lambda: len(bench.server.queries(watch=True)) == 3)

    assert bench.mirror.objects == {("default", "a"): "10.0.0.1", ("default", "z"): "10.0.0.3"}
    assert bench.log[0].startswith("WARNING: services default/a: malformed Thing: ")


async def test_asks_with_its_selectors_and_for_a_time_within_bounds(bench: Bench) -> None:
    bench.server.put(SERVICES, {"metadata": {"name": "in", "labels": {"app": "dns"}}, "spec": {"ip": ""}})
    bench.server.put(SERVICES, {"metadata": {"name": "out"}, "spec": {"ip": ""}})
    async with bench.reflecting(Resource(SERVICES, Thing, "app=dns", "metadata.name!=x"), random=lambda: 0.25):
        await bench.server.watched()
    assert bench.mirror.calls == ["put in", "synced"]
    listing, watching = bench.server.requests
    assert dict(listing.query) == {"labelSelector": "app=dns", "fieldSelector": "metadata.name!=x", "limit": "500"}
    assert watching.query["timeoutSeconds"] == "375"
    assert watching.query["labelSelector"] == "app=dns"
    assert listing.headers["User-Agent"].startswith("kdns/")


async def test_what_a_server_forgot_to_send_is_found_within_the_hour(bench: Bench) -> None:
    bench.put("ghost")
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()
        del bench.server.objects[SERVICES]["default", "ghost"]  # and no event of it
        bench.ticks = itertools.count(3600, step=2)
        bench.server.end_watches()
        await bench.converged()
    assert bench.mirror.calls == ["put ghost", "synced", "delete ghost"]


async def test_while_the_hourly_list_fails_the_watch_goes_on(bench: Bench) -> None:
    bench.put("web", "10.0.0.1")
    async with bench.reflecting():
        await bench.converged()
        await bench.server.watched()
        bench.server.next_list(*[apiserver.refusal(503)] * 2)
        bench.ticks = itertools.count(3600, step=2)
        bench.server.end_watches()
        await bench.until(lambda: len(bench.log) == 1)
        bench.put("web", "10.0.0.2")
        await bench.converged()
        del bench.server.objects[SERVICES]["default", "web"]  # and no event of it: the list after the next watch tells
        bench.server.list_faults.clear()
        bench.server.end_watches()
        await bench.converged()
    assert bench.log == ["WARNING: services: HTTP status 503: refused with 503; the watch goes on without a new list"]


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_order_of_troubles_the_truth_is_reached(
    bench: Bench, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector, "PAGE", 3)
    chance = random.Random(seed)

    def change() -> None:
        name = f"s{chance.randrange(8)}"
        if chance.random() < 0.6 or ("default", name) not in bench.truth():
            bench.put(name, f"10.0.0.{chance.randrange(256)}")
        else:
            bench.delete(name)

    faults = [
        apiserver.refusal(410), apiserver.refusal(429), apiserver.refusal(500), apiserver.refusal(401),
        apiserver.reset(), apiserver.body(GONE), apiserver.body(b"half a li"), apiserver.body(b""),
    ]  # fmt: skip
    troubles: list[Callable[[], None]] = [
        lambda: bench.server.next_list(chance.choice(faults)),
        lambda: bench.server.next_watch(chance.choice(faults)),
        lambda: bench.server.end_watches(chance.choice(["close", "reset", "cut"])),
        bench.server.bookmark,
        bench.server.compact,
    ]
    async with bench.reflecting():
        for _ in range(25):
            for _ in range(chance.randrange(4)):
                change()
            chance.choice(troubles)()
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
        await bench.converged()
        bench.put("last")
        await bench.converged()

    calls = [call for call in bench.mirror.calls if call != "synced"]
    assert len(calls) == len(bench.mirror.calls) - 1
