"""Many HTTP clients that lease, renew and release at random, and what each of them saw.

Strategy: the clients share owners, addresses and leases, so that they meet. A client sends one request at a time and
notes what came of it; when the daemon goes away under it, that its outcome is not known. What a lost request with an
Idempotency-Key did is told by sending it again.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from math import inf
from random import Random
from time import perf_counter
from typing import Any, NamedTuple

from bench.history import Held, Life, Refused, Seen, What, contradictions, flaws, releases, too_soon, wrongly_exhausted

CLIENTS = 64
POOL = "race"
CIDR = "10.9.0.0/25"
CAPACITY = 125  # but for network, gateway and broadcast
OWNERS = 170  # more than there are addresses, so that the pool is full now and then
TTL = 3600  # seconds, of leases that are renewed


class Ask(NamedTuple):
    """A request: for which owners it asks, or about which lease; `key` is its Idempotency-Key, if it has one."""

    method: str
    path: str
    body: Any = None
    key: str = ""
    owners: tuple[str, ...] = ()
    lease: Seen | None = None
    generation: int = 0


class Reply(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Lost(NamedTuple):
    """A request that was not answered, and when it was sent."""

    ask: Ask
    called: float


class Race:
    """What all clients saw since the leases were last listed. `seed` makes what they do the same again.

    `cooldown` is for how many seconds nobody else may get what was released.
    """

    def __init__(self, seed: int, cooldown: int = 0) -> None:
        self._random = Random(seed)
        self._cooldown = cooldown
        self._released: list[Seen] = []  # what may cool still
        self._number = 0
        self._before: dict[str, Held] = {}
        self._standing: dict[int, Seen] = {}
        self._ids: set[int] = set()  # of all leases that were ever seen
        self._listed = 0.0
        self.answers = 0
        self.revision = 0  # the last that was seen
        self.faults: list[str] = []
        self._clear()

    def _clear(self) -> None:
        self._seen: list[Seen] = []
        self._lost: list[Lost] = []
        self._refused: list[Refused] = []
        self._known = dict(self._standing)  # leases that clients may renew and release

    async def run(self, port: int, answers: int, end: Callable[[], None]) -> None:
        """Have all clients go on until `stop`, or until the daemon is gone; after so many answers call `end`."""
        again, self._lost = [lost for lost in self._lost if lost.ask.key], []
        self._clear()
        self._rest, self._end, self._is_over = answers, end, False
        await asyncio.gather(*(self._client(port, again[number::CLIENTS]) for number in range(CLIENTS)))

    @property
    def lost(self) -> int:
        """How many requests were not answered."""
        return len(self._lost)

    def stop(self) -> None:
        """Have every client end with the reply to what it asks now."""
        self._is_over = True

    async def _client(self, port: int, again: list[Lost]) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            self._lost += again
            return
        under_way = again
        try:
            while under_way:
                self._saw_again(under_way[0].ask, await exchange(reader, writer, under_way[0].ask))
                del under_way[0]
            while not self._is_over:
                under_way = [Lost(self._next(), perf_counter())]
                await self._ask(reader, writer, *under_way[0])
        except (OSError, asyncio.IncompleteReadError):
            self._lost += under_way
        finally:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: Ask, called: float) -> None:
        reply = await exchange(reader, writer, ask)
        self._saw(ask, reply, called, perf_counter())
        is_kept = ask.key and reply.status < 300  # a refusal is not
        if is_kept and self._random.random() < 0.3 and await exchange(reader, writer, ask) != reply:
            self.faults.append(f"{ask} was answered twice, and not the same")
        self._count()

    def _count(self) -> None:
        self.answers += 1
        self._rest -= 1
        if self._rest == 0:
            self._end()

    def _next(self) -> Ask:
        """What a client does next."""
        chance = self._random.random()
        lease = self._random.choice([*self._known.values()]) if chance < 0.5 and self._known else None
        if lease is None:
            return self._lease(chance)
        path = f"/v1/leases/{lease.lease}"
        if chance < 0.15:
            return Ask("POST", f"{path}/renew", {"ttl": TTL}, lease=lease)
        if chance < 0.25:
            return Ask("DELETE", f"{path}?generation={lease.generation}", lease=lease, generation=lease.generation)
        return Ask("DELETE", path, lease=lease)

    def _lease(self, chance: float) -> Ask:
        self._number += 1
        owner = f"o{self._random.randrange(OWNERS)}"
        wanted = wish(owner)
        if chance < 0.52:
            owners = tuple(f"b{self._number}-{member}" for member in range(3))
            return Ask("POST", "/v1/leases:batch", {"leases": [*map(wish, owners)]}, owners=owners)
        if chance < 0.58:
            wanted["address"] = f"10.9.0.{self._random.randrange(2, 127)}"
        key = f"k{self._number}" if chance > 0.8 else ""
        return Ask("POST", "/v1/leases", wanted, key, (owner,))

    def _saw(self, ask: Ask, reply: Reply, called: float, answered: float) -> None:
        """Note what came of a request."""
        document = json.loads(reply.body) if reply.body else {}
        times = called, answered
        if reply.status >= 500:
            self.faults.append(f"{ask} was answered {reply.status}: {document}")
        elif ask.lease is not None:
            self._saw_lease(ask, ask.lease, reply.status, document, times)
        elif document.get("code") == "exhausted":
            self._refused.append(Refused(len(ask.owners), *times))
        elif document.get("code") == "taken" and not self._cooldown:  # what cools is taken as well
            self._seen.append(Seen("taken", ask.body["address"], "", 0, 0, *times))
        elif reply.status < 300:
            outcomes = document.get("leases", [{"status": reply.status, "lease": document}])
            for owner, outcome in zip(ask.owners, outcomes, strict=True):
                self._saw_given(owner, outcome["status"], outcome["lease"], times)

    def _saw_given(self, owner: str, status: int, lease: Any, times: tuple[float, float]) -> None:
        self.revision = max(self.revision, int(lease["revision"]))
        number = int(lease["id"])
        seen = Seen("new" if status == 201 else "again", lease["address"], owner, number, lease["generation"], *times)
        self._seen.append(seen)
        self._known[number] = seen

    def _saw_lease(self, ask: Ask, lease: Seen, status: int, document: Any, times: tuple[float, float]) -> None:
        here, number = (lease.address, lease.owner), lease.lease
        if status in (204, 404):
            self._known.pop(number, None)
            self._seen.append(Seen("released" if status == 204 else "gone", *here, number, 0, *times))
        elif status == 409:
            self._seen.append(Seen("stale", *here, number, ask.generation, *times))
            self._known.pop(number, None)
        else:
            self.revision = max(self.revision, int(document["revision"]))
            seen = Seen("renewed", *here, number, document["generation"], *times)
            self._seen.append(seen)
            self._known[number] = seen

    def _saw_again(self, ask: Ask, reply: Reply) -> None:
        """A lost request was sent again: what it had done already it must not do once more."""
        document = json.loads(reply.body)
        if reply.status == 201 and int(document["id"]) not in self._ids:
            self._saw_given(ask.owners[0], 201, document, (self._listed, perf_counter()))

    def settle(self, leases: Iterable[Any]) -> list[str]:
        """Compare what was seen with the leases that are there now, while nobody asks. What is wrong, in sentences."""
        now = perf_counter()
        standing = {int(lease["id"]): found(lease, now) for lease in leases}
        history = [*self._seen, *self._unknown(), *standing.values()]
        here = {key for seen in standing.values() for key in (seen.address, seen.owner)}
        touched = {key for seen in history for key in (seen.address, seen.owner)} | {*self._before}
        history += [Seen("free", key, "", 0, 0, now, now) for key in touched - here if key]
        births, missing = self._births(history)
        history += births
        self.faults += [f"lease {number} came from nowhere" for number in missing]
        self.faults += [f"the history of {key} is not linearizable" for key in flaws(history, self._before)]
        self.faults += [f"lease {number} has changed its address or owner" for number in contradictions(history)]
        if len(here) != 2 * len(standing):
            self.faults.append("an address or an owner is in the list twice")
        self.faults += self._torn({seen.owner for seen in standing.values()})
        self.faults += [f"{each} did not cool" for each in too_soon(self._released + history, self._cooldown)]
        self._released = [seen for seen in releases(self._released + history) if seen.called + self._cooldown > now]
        wrong = wrongly_exhausted(self._lives(history), self._refused, CAPACITY)
        self.faults += [f"{wrong} were told that the pool was exhausted, and it was not"] * bool(wrong)
        self._ids |= {seen.lease for seen in history}
        self._before = {key: (seen.lease, seen.generation) for seen in standing.values() for key in seen[1:3]}
        self._standing, self._listed = standing, now
        faults, self.faults = self.faults, []
        return faults

    def _unknown(self) -> list[Seen]:
        """What requests about leases may have done that were not answered."""
        found = []
        for ask, called in self._lost:
            if ask.lease is not None:
                what: What = "released" if ask.method == "DELETE" else "renewed"
                found.append(ask.lease._replace(what=what, called=called, answered=inf, is_known=False))
        return found

    def _births(self, history: list[Seen]) -> tuple[list[Seen], list[int]]:
        """Leases that were seen, and were made by a request which was not answered; and those that nobody asked for."""
        born = {seen.lease for seen in history if seen.what == "new"} | {*self._standing}
        asked: dict[str, float] = {}
        for ask, called in self._lost:
            asked |= {owner: min(called, asked.get(owner, inf)) for owner in ask.owners}
        births: dict[int, Seen] = {}
        missing = []
        for seen in history:
            if seen.lease and seen.lease not in born and seen.lease not in births:
                if seen.owner not in asked:
                    missing.append(seen.lease)
                    continue
                births[seen.lease] = seen._replace(
                    what="new", generation=1, called=asked[seen.owner], answered=inf, is_known=False
                )
        return [*births.values()], missing

    def _torn(self, owners: set[str]) -> list[str]:
        """Batches of which a part is there: all or none has to be."""
        lost = [ask.owners for ask, _ in self._lost if len(ask.owners) > 1]
        return [
            f"a part of the batch {batch} is there" for batch in lost if len(owners & {*batch}) not in (0, len(batch))
        ]

    def _lives(self, history: list[Seen]) -> list[Life]:
        begins = {seen.lease: seen.called for seen in history if seen.what == "new"} | dict.fromkeys(
            self._standing, 0.0
        )
        ends = {seen.lease: seen.answered for seen in history if seen.what == "released"}
        return [Life(since, ends.get(lease, inf)) for lease, since in begins.items()]


def wish(owner: str) -> dict[str, Any]:
    """The request of an owner; some are Pods."""
    kind = "Pod" if owner.endswith("0") else "Container"
    return {"pool": POOL, "owner": {"kind": kind, "namespace": "default", "name": owner}, "ttl": TTL}


def found(lease: Any, now: float) -> Seen:
    """A lease in a list."""
    name = lease["owner"]["name"]
    return Seen("again", lease["address"], name, int(lease["id"]), lease["generation"], now, now)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: Ask) -> Reply:
    """Send a request and read its reply. Raises OSError or IncompleteReadError if the daemon goes away."""
    body = b"" if ask.body is None else json.dumps(ask.body).encode()
    head = [f"{ask.method} {ask.path} HTTP/1.1", "Host: ipamd", f"Content-Length: {len(body)}"]
    head += [f"Idempotency-Key: {ask.key}"] * bool(ask.key)
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    return Reply(int(lines[0].split()[1]), await reader.readexactly(int(fields.get("content-length", 0))))
