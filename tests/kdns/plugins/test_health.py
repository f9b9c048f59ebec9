"""health: the page, the server's look at itself, and lameduck."""

import asyncio
import itertools
import time
from collections.abc import Callable

import pytest

from bench.ports import free_port
from kdns.errors import ConfigError
from kdns.metrics import Metrics
from kdns.plugins import health
from kdns.plugins.health import Health
from kdns.transport.admin import Admin
from tests.kdns.apiserver import Moments
from tests.kdns.asking import args


@pytest.mark.parametrize(
    ("directive", "address"),
    [
        ("health", ":8080"),
        ("health localhost:1234", "localhost:1234"),
        ("health bla:a", "bla:a"),
        ("health localhost:1 {\n lameduck 4s\n}", "localhost:1"),
        ("health localhost:1\nhealth localhost:2", "localhost:2"),
    ],
)
async def test_has_a_page_that_always_says_ok(directive: str, address: str) -> None:
    (page,) = health.setup(args(directive)).pages()
    assert (page.address, page.path) == (address, "/health")
    assert await page.get({}) == (200, "text/plain; charset=utf-8", b"OK")


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("health bla", "address bla: missing port in address"),
        ("health bla bla", "Wrong argument count or unexpected line ending after 'bla'"),
        ("health {\n lameduck\n}", "Wrong argument count or unexpected line ending after 'lameduck'"),
        ("health {\n lameduck a\n}", """unable to parse lameduck duration value: 'a' : time: invalid duration "a\""""),
        ("health {\n lamedudk 4\n}", "unknown property 'lamedudk'"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        health.setup(args(directive))


async def looks(plugin: Health, moments: Moments, enough: Callable[[], bool]) -> None:
    """Let the plugin look at itself until that is enough."""
    looking = asyncio.create_task(plugin.run())
    await moments.until(enough)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
async def test_measures_how_long_it_takes_to_answer_itself(host: str) -> None:
    metrics, moments, log, admin = Metrics(), Moments(), list[str](), Admin()

    def clock() -> float:
        moments.tick()
        return time.monotonic()

    plugin = Health(f"{host}:{free_port()}", 0, metrics, lambda level, text: log.append(text), clock, period=0)
    await admin.serve(plugin.pages())
    durations = metrics.histogram("health_request_duration_seconds")
    await looks(plugin, moments, lambda: bool(durations.values) and sum(durations.values[()][:-1]) >= 3)
    await admin.close()

    assert metrics.family("health_request_failures_total").values == {(): 0}
    assert log == []


async def test_counts_and_tells_of_a_failure() -> None:
    metrics, moments, log = Metrics(), Moments(), list[str]()

    def note(level: str, text: str) -> None:
        log.append(f"{level} {text}")
        moments.tick()

    port = free_port()
    await looks(Health(f"localhost:{port}", 0, metrics, note, period=0), moments, lambda: len(log) >= 2)

    assert log[0].startswith(f'WARNING Local health request to "http://localhost:{port}/health" failed: ')
    assert metrics.family("health_request_failures_total").values == {(): len(log)}
    assert sum(metrics.histogram("health_request_duration_seconds").values[()][:-1]) == len(log)


async def test_tells_of_an_answer_that_took_long() -> None:
    moments, log, admin = Moments(), list[str](), Admin()

    def note(level: str, text: str) -> None:
        log.append(text)
        moments.tick()

    ticks = itertools.count(step=1.5)
    address = f"localhost:{free_port()}"
    plugin = Health(address, 0, Metrics(), note, lambda: next(ticks), period=0)
    await admin.serve(plugin.pages())
    await looks(plugin, moments, lambda: bool(log))
    await admin.close()

    assert log[0] == f'Local health request to "http://{address}/health" took more than 1s: 1.5s'


@pytest.mark.parametrize(
    ("directive", "told"),
    [
        ("health", []),
        ("health {\n lameduck 0\n}", []),
        ("health {\n lameduck 10ms\n}", ["INFO Going into lameduck mode for 10ms"]),
    ],
)
async def test_holds_a_shutdown_back_for_as_long_as_asked(directive: str, told: list[str]) -> None:
    log: list[str] = []
    plugin = health.setup(args(directive, log=lambda level, text: log.append(f"{level} {text}")))

    waiting = asyncio.create_task(plugin.lameduck())
    await asyncio.sleep(0)

    assert waiting.done() == (not told)
    await waiting
    assert log == told
