"""A mirror of an API server: what it takes in, when it is ready, and what it says while it is not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from msgspec.msgpack import encode

from kdns.cluster.objects import Service
from kdns.errors import StartError, WireError
from kdns.metrics import Metrics
from kdns.transport.access import Access
from kdns.transport.mirror import Keys, Mirror, Watch
from kdns.transport.reflector import RESTORED, Resource
from tests.kdns.apiserver import ApiServer, refusal

SERVICES = "/api/v1/services"


class Taken:
    """What was taken in and told of, in order."""

    def __init__(self) -> None:
        self.told: list[Keys] = []
        self.said: list[str] = []
        self.more = asyncio.Event()

    def put(self, service: Service) -> Keys:
        """Refuses a name of more than ten characters; one that begins with `same` is no change."""
        name = service.metadata.name
        if len(name) > 10:
            raise WireError("too long")
        return () if name.startswith("same") else (f"+{name}".encode(),)

    def delete(self, namespace: str, name: str) -> Keys:
        """Refuses what `put` refused."""
        if len(name) > 10:
            raise WireError("too long")
        return (f"-{name}".encode(),)

    def changed(self, keys: Keys) -> None:
        """Remember the keys."""
        self.told.append(keys)
        self.more.set()

    def log(self, level: str, message: str) -> None:
        """Remember the word."""
        self.said.append(f"{level} {message}")

    async def until(self, so: Callable[[], bool]) -> None:
        """Return once `so()`, looked at after each change."""
        while not so():
            await self.more.wait()
            self.more.clear()


def mirror(taken: Taken, access: Callable[[], Access]) -> Mirror:
    watch = Watch(Resource(SERVICES, Service), taken.put, taken.delete, taken.changed)
    return Mirror([watch], access, Metrics(), taken.log)


@asynccontextmanager
async def running(taken: Taken, server: ApiServer) -> AsyncIterator[Mirror]:
    await server.start()
    made = mirror(taken, lambda: Access(server.url))
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await made.close()
        await server.stop()


def named(name: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default"}}


async def test_is_ready_when_the_first_list_is_taken_in_and_tells_of_every_change() -> None:
    taken, server = Taken(), ApiServer()
    server.put(SERVICES, named("a"))
    async with running(taken, server) as made:
        await made.start(60.0)
        assert made.synced
        assert taken.told == [(b"+a",)]
        server.put(SERVICES, named("b"))
        server.delete(SERVICES, "default", "a")
        await taken.until(lambda: len(taken.told) == 3)

    assert taken.told == [(b"+a",), (b"+b",), (b"-a",)]
    assert taken.said == []


async def test_a_mirror_of_another_process_takes_in_what_this_one_is_told() -> None:
    taken, other, server = Taken(), Taken(), ApiServer()
    server.put(SERVICES, named("a"))
    async with running(taken, server) as made:
        beside = mirror(other, lambda: Access(""))
        changes: list[bytes] = []
        made.share(changes.append)
        await made.start(60.0)
        server.put(SERVICES, named("same"))  # tells nobody of a name, but it is another object
        server.put(SERVICES, named("b"))
        server.delete(SERVICES, "default", "a")
        await taken.until(lambda: len(taken.told) == 3)
        for change in changes[:2]:
            beside.take(change)
        assert beside.synced
        for change in changes[2:]:
            beside.take(change)

    assert len(changes) == 5  # three objects, one that went, and the end of the first list
    assert other.told == taken.told


async def test_what_changes_nothing_or_has_no_name_is_not_told_of() -> None:
    taken, server = Taken(), ApiServer()
    server.put(SERVICES, named("same"))
    server.put(SERVICES, named("much-too-long"))
    async with running(taken, server) as made:
        await made.start(60.0)
        server.delete(SERVICES, "default", "much-too-long")
        server.put(SERVICES, named("a"))
        await taken.until(lambda: bool(taken.told))

    assert taken.told == [(b"+a",)]
    assert taken.said == ["WARNING services: an object that DNS cannot name: too long"]


async def test_a_start_waits_no_longer_than_it_may_and_says_so() -> None:
    taken, server = Taken(), ApiServer()
    server.next_list(*[refusal(503)] * 9)
    async with running(taken, server) as made:
        await made.start(0.0)
        assert not made.synced
    assert taken.said == ["WARNING starting server with unsynced Kubernetes API"]


async def test_a_start_that_waits_says_so_for_each_half_second() -> None:
    taken = Taken()
    times = iter([0.0, 0.0, 2.6, 9.0])
    await mirror(taken, lambda: Access("http://127.0.0.1:1")).start(2.6 + 1e-9, lambda: next(times))
    assert taken.said == [
        "INFO waiting for Kubernetes API before starting server",
        "WARNING starting server with unsynced Kubernetes API",
    ]


class Row(NamedTuple):
    """What is kept of a service: its name's length."""

    length: int


class Table(NamedTuple):
    """Rows of what was taken in; none of names that begin with `no`."""

    taken: Taken
    row: type[Row] = Row

    def of(self, namespace: str, name: str) -> Row | None:
        """The row of a name."""
        if len(name) > 10:
            raise WireError("too long")
        return None if name.startswith("no") else Row(len(name))

    def put(self, namespace: str, name: str, row: Row) -> Keys:
        """Remember a row."""
        if row.length > 10:
            raise WireError("too long")
        return (f"{namespace}/{name}={row.length}".encode(),)


def kept(taken: Taken) -> Mirror:
    """A mirror of services that have rows, and of others that have none."""
    services = Watch(Resource(SERVICES, Service), taken.put, taken.delete, taken.changed, Table(taken))
    others = Watch(Resource(SERVICES, Service), taken.put, taken.delete, taken.changed)
    return Mirror([services, others], lambda: Access(""), Metrics(), taken.log)


def test_what_is_known_is_told_in_blocks_and_known_again() -> None:
    before, after = kept(Taken()), kept(taken := Taken())
    known = before.progress.positions[0].known
    known.update({f"default/s{number}": 1 for number in range(120)}, **{"default/none": 1, "default/much-too-long": 1})

    blocks = list(before.rows())
    for block in blocks:
        after.restore(memoryview(block))

    assert len(blocks) == 3
    assert [key for told in taken.told for key in told] == [
        f"default/s{n}={len(str(n)) + 1}".encode() for n in range(120)
    ]
    assert set(after.progress.positions[0].known.values()) == {RESTORED}
    assert len(after.progress.positions[0].known) == 120


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        (b"", "truncated"),
        (b"x", "Expected `array`"),
        (encode((0, "rows")), "Expected `array`"),
        (encode((0, [("default/a", "a row")])), "Expected `array`"),
        (encode((0, [("default/a", [11])])), "a row that DNS cannot name: too long"),
        (encode((1, [])), "rows of another kind"),
        (encode((2, [])), "rows of another kind"),
        (encode((-1, [])), "rows of another kind"),
    ],
)
def test_what_is_no_block_of_rows_is_a_value_error(block: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        kept(Taken()).restore(memoryview(block))


async def test_without_an_api_server_there_is_no_start() -> None:
    def nowhere() -> Access:
        raise ValueError("no cluster")

    with pytest.raises(StartError, match="plugin/kubernetes: no cluster"):
        await mirror(Taken(), nowhere).start(5.0)
