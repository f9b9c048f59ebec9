"""pprof: pages that show what the process is doing."""

import asyncio
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from kdns.errors import ConfigError
from kdns.plugins import pprof
from kdns.plugins.pprof import Pprof
from tests.kdns.asking import args


async def got(plugin: Pprof, name: str, **query: str) -> tuple[int, str]:
    page = next(page for page in plugin.pages() if page.path == f"/debug/pprof{name}")
    status, kind, body = await page.get(query)
    assert kind == "text/plain; charset=utf-8"
    return status, body.decode()


@pytest.fixture
def plugin() -> Pprof:
    return pprof.setup(args("pprof"))


@pytest.mark.parametrize(
    ("directive", "address"),
    [
        ("pprof", "localhost:6053"),
        ("pprof 1.2.3.4:1234", "1.2.3.4:1234"),
        ("pprof :1234 {\n block 20\n}", ":1234"),
        ("pprof {\n}", "localhost:6053"),
        ("pprof { block\n}", "localhost:6053"),
    ],
)
def test_pages_are_where_the_corefile_says(directive: str, address: str) -> None:
    assert {page.address for page in pprof.setup(args(directive)).pages()} == {address}


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("pprof :1234 -1", "Wrong argument count or unexpected line ending after '-1'"),
        ("pprof /foo", "address /foo: missing port in address"),
        ("pprof {\n a b\n}", "unknown property 'a'"),
        ("pprof {\n block 20 30\n}", "Wrong argument count or unexpected line ending after '30'"),
        ("pprof {\n block invalid\n}", "property 'block' invalid integer value 'invalid'"),
        ("pprof\npprof", "this plugin can only be used once per Server Block"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        pprof.setup(args(directive))


@pytest.mark.parametrize("path", ["", "/"])
async def test_the_index_names_every_page(plugin: Pprof, path: str) -> None:
    status, index = await got(plugin, path)
    named = {line.partition(":")[0] for line in index.splitlines()}
    assert status == 200
    assert named | {"/debug/pprof", "/debug/pprof/"} == {page.path for page in plugin.pages()}


async def busy_until(stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass
        await asyncio.sleep(0)


async def test_a_profile_shows_where_processor_time_goes(plugin: Pprof) -> None:
    stopped = asyncio.Event()
    work = asyncio.create_task(busy_until(stopped))
    taking = asyncio.create_task(got(plugin, "/profile", seconds="0.1"))
    await asyncio.sleep(0)
    assert await got(plugin, "/profile", seconds="0.1") == (503, "another profile is being taken\n")
    status, stacks = await taking
    stopped.set()
    await work

    assert status == 200
    stack, _, count = stacks.splitlines()[0].rpartition(" ")
    assert "busy_until" in stack.split(";")[-1]
    assert int(count) >= 1


@pytest.mark.parametrize("seconds", ["0", "-1", "301", "nan", "soon"])
async def test_a_profile_takes_a_time_within_bounds(plugin: Pprof, seconds: str) -> None:
    assert await got(plugin, "/profile", seconds=seconds) == (400, "seconds is a number above 0 and up to 300\n")


async def test_shows_the_stacks_of_tasks_and_threads(plugin: Pprof) -> None:
    waiting = asyncio.create_task(asyncio.Event().wait(), name="somebody waiting")
    await asyncio.sleep(0)
    status, stacks = await got(plugin, "/goroutine")
    waiting.cancel()
    assert status == 200
    assert "somebody waiting" in stacks
    assert "Thread MainThread:" in stacks


async def test_shows_the_command_line(plugin: Pprof) -> None:
    assert (await got(plugin, "/cmdline"))[0] == 200


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
async def test_shows_where_memory_went_if_that_is_traced(plugin: Pprof) -> None:
    kept = [bytes(1000) for _ in range(100)]
    status, sites = await got(plugin, "/heap")
    assert status == 200
    assert any("test_pprof.py" in line for line in sites.splitlines())
    assert len(kept) == 100


async def test_says_how_memory_can_be_traced(plugin: Pprof) -> None:
    status, text = await got(plugin, "/heap")
    assert (status, "PYTHONTRACEMALLOC" in text) == (404, True)


@pytest.mark.parametrize(
    ("late", "noted"),
    [
        ([0.002, 0.5, 0.0009], ["0.500000", "0.002000"]),  # seconds; the last is below the rate
        ([number / 1000 for number in range(1, 1000)], [f"0.{number}000" for number in range(999, 949, -1)]),
    ],
)
async def test_notes_what_held_the_event_loop_up_longest(late: list[float], noted: list[str]) -> None:
    clock = (moment for number, delay in enumerate(late) for moment in (number, number + delay))
    plugin = Pprof("localhost:0", 1_000_000, lambda: next(clock), tick=0)
    with pytest.raises(RuntimeError, match="StopIteration"):  # the clock has run out
        await plugin.run()
    status, delays = await got(plugin, "/block")
    assert status == 200
    assert [line.split()[0] for line in delays.splitlines()] == noted


async def test_notes_nothing_unless_told_to(plugin: Pprof) -> None:
    assert not hasattr(plugin, "run")
    assert await got(plugin, "/block") == (200, "")
