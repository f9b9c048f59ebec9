"""Suites of vectors asked of running servers.

All servers of a suite are started first and stopped last, a few at a time; in between, while the machine is quiet,
every server is asked its cases one after the other, the servers side by side. So the time that some vectors let pass
is spent once. What a server printed is looked at when it has ended and will print no more.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.ports import free_ports
from tests.kdns.upstream import Received
from tests.vectors.asking import ask
from tests.vectors.comparing import FLAGS, alias_order, differences
from tests.vectors.processes import nursery
from tests.vectors.site import Site
from tests.vectors.suites import Vector
from tests.vectors.upstreams import is_probe, script

Json = Mapping[str, Any]
Found = dict[str, list[str]]  # the differences of a vector, by its ID

STARTING = 4  # servers that are started at a time
OF_OUTPUT = frozenset({"logs", "log_contains", "log_not_contains", "starts", "file_error_contains"})
SECTIONS = frozenset({"answer", "ns", "extra"})  # that are compared whole
OF_START = frozenset({"accept"})
OWN_LINES = ("[INFO] plugin/", "[INFO] SIG")  # INFO lines that are no query's


def run(vectors: Sequence[Vector], directory: Path) -> Found:
    """The differences of every vector, none where it holds."""
    return asyncio.run(_run(vectors, directory))


async def _run(vectors: Sequence[Vector], directory: Path) -> Found:
    by_server: dict[str, list[Vector]] = defaultdict(list)
    for vector in vectors:
        by_server[vector.case["server"]].append(vector)
    ports = free_ports()
    gate = asyncio.Semaphore(STARTING)
    found: Found = {}
    async with nursery() as born:

        async def start(number: int, asked: list[Vector]) -> Site:
            place = directory / str(number)
            place.mkdir(parents=True)
            site = Site(asked[0].server, place, ports)
            async with gate:
                if not await site.start(born):
                    found.update({vector.id: _of_no_start(vector, site.output) for vector in asked})
            return site

        sites = await asyncio.gather(*(start(at, asked) for at, asked in enumerate(by_server.values())))
        pairs = list(zip(sites, by_server.values(), strict=True))
        await asyncio.gather(*(_ask_all(site, asked, found) for site, asked in pairs))
        await asyncio.gather(*(site.stop() for site in sites))
    for site, asked in pairs:
        for vector in asked:
            found[vector.id] += _of_output(
                site, site.filled(dict(vector.case["expect"])) if "expect" in vector.case else {}
            )
    return found


def _of_no_start(vector: Vector, output: str) -> list[str]:
    """What is wrong with a server that did not start: nothing where a fault of its files is expected."""
    return [] if "file_error_contains" in vector.case["expect"] else [f"the server did not start: {output}"]


async def _ask_all(site: Site, vectors: Iterable[Vector], found: Found) -> None:
    for vector in vectors:
        if vector.id not in found:
            found[vector.id] = await _ask(site, vector)


async def _ask(site: Site, vector: Vector) -> list[str]:
    case = site.filled(vector.case)
    if "steps" in case:
        return await _step_by_step(site, case["steps"])
    if not case.get("query"):
        return []
    return await _one(site, case)


async def _step_by_step(site: Site, steps: Sequence[Json]) -> list[str]:
    found = []
    for number, step in enumerate(steps):
        if "set_upstream" in step:
            site.upstreams["@UPSTREAM@"].script = script(step["set_upstream"])
        await _pass(step.get("wait_s", 0))
        found += [f"step {number}: {each}" for each in await _one(site, step)]
    return found


async def _pass(seconds: float) -> None:
    """Let time pass: it is what such a vector is about."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    await over


async def _one(site: Site, asked: Json) -> list[str]:
    """One query, and what its reply and the upstreams have to be."""
    expect = {name: value for name, value in asked["expect"].items() if name not in OF_OUTPUT | OF_START}
    whole = bool(SECTIONS & expect.keys()) and "size_max" not in expect and "tc" not in expect.get("flags", {})
    exchange = await ask(asked["query"], site.port, silent=bool(expect.get("no_response")), whole=whole)
    site.places["@CLIENT_PORT@"] = str(exchange.client_port)
    found = differences(expect, exchange.came)
    if "then" in expect:
        assert exchange.second is not None
        found += [f"then: {each}" for each in differences(expect["then"], exchange.second)]
    if asked.get("cname_order") and exchange.came.packet:
        found += alias_order(exchange.came.message)
    return found + list(_of_upstreams(site, asked))


def _of_upstreams(site: Site, asked: Json) -> Iterator[str]:
    for place, upstream in site.upstreams.items():
        queries = [each for each in upstream.received if not is_probe(each)]
        wanted = dict(asked.get("expect_upstreams", {}).get(site.places[place], {}))
        if "expect_upstream_count" in asked:
            wanted["count"] = asked["expect_upstream_count"]
        if "expect_upstream" in asked:
            wanted |= asked["expect_upstream"]
        for key, value in wanted.items():
            if not _OF_UPSTREAM[key](value, queries):
                yield f"upstream {place}: {key} {value!r} expected of {queries}"


_OF_UPSTREAM: Mapping[str, Callable[[Any, Sequence[Received]], bool]] = {
    "count": lambda wanted, queries: len(queries) == wanted,
    "count_max": lambda wanted, queries: len(queries) <= wanted,
    "proto": lambda wanted, queries: {each.proto for each in queries} == {wanted},
    "name": lambda wanted, queries: queries[-1].text.split()[0] == wanted,
    "flags": lambda wanted, queries: all(
        bool(queries[-1].question.flags & FLAGS[name]) == is_set for name, is_set in wanted.items()
    ),
}


def _of_output(site: Site, expect: Json) -> Iterator[str]:
    """What a server that has ended should have printed."""
    lines = site.output.splitlines()
    logged = [line for line in lines if line.startswith("[INFO] ") and not line.startswith(OWN_LINES)]
    if "logs" in expect and bool(logged) != expect["logs"]:
        yield f"logs: {expect['logs']} expected: {site.output}"
    for key in ("log_contains", "file_error_contains"):
        if key in expect and expect[key] not in site.output:
            yield f"{key}: {expect[key]!r} is not in {site.output}"
    if "log_not_contains" in expect and expect["log_not_contains"] in site.output:
        yield f"log_not_contains: {expect['log_not_contains']!r} is in {site.output}"
    if "Traceback" in site.output:
        yield f"a traceback: {site.output}"
