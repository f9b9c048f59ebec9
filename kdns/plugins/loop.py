"""loop: notice that queries sent upstream come back, and cut the circle.

Syntax:
    loop

At start a question for a name that nobody can guess is sent to the server's own listener. If the plugin meets it a
second time, an upstream has sent it back. CoreDNS ends its process then; here every question that gets as far as this
plugin (which stands right before forward) is refused with SERVFAIL, and names that are answered before it go on. The
probe is repeated from time to time, so that a circle that somebody opened is noticed too.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping

from kdns.chain import Handler, Plugin, Reply, Request, Step
from kdns.corefile import Args
from kdns.errors import SERVFAIL, NoAnswer, UpstreamError
from kdns.transport.address import Address, join
from kdns.transport.datagram import Datagram
from kdns.transport.expiry import Expiry
from kdns.wire import codes, names, query
from kdns.wire.names import Name
from kdns.wire.question import Question

TIMEOUT = 2.0  # seconds that the probe waits for its answer
RETRY = 1.0  # seconds between probes that got none
GIVE_UP = 30  # probes without an answer after which the plugin stops looking
RECHECK = 30.0  # seconds between probes while a loop is cut
HELP = "see https://coredns.io/plugins/loop#troubleshooting"


def setup(args: Args) -> Plugin:
    """The plugin of one server block, for the block's first zone."""
    args.once().alone(0)
    first = args.keys[0][0]
    return Loop(first.zone, first.port, args.log, secrets.randbits)


class Loop:
    """One server block's look-out. `draw(bits)` gives a number that nobody can guess."""

    def __init__(self, zone: Name, port: int, log: Callable[[str, str], None], draw: Callable[[int], int]) -> None:
        self._zone = zone
        self._address = Address("dns", "127.0.0.1", port)
        self._shown = f":{port}"
        self._log = log
        self._draw = draw
        self._name = b""  # the key of the probe that is out; none is while it is empty
        self._seen = 0
        self._probing: asyncio.Task[None] | None = None
        self.is_cut = False

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """Hand on, or refuse while a loop is cut."""
        asked = request.question
        if asked.key == self._name and asked.qtype == codes.HINFO:
            self._meet(request)
        elif self.is_cut:
            raise NoAnswer(SERVFAIL, f"loop detected for zone {_quoted(self._zone)}: not forwarded")
        return await rest(request)

    def step(self) -> Step:
        """Hand on while there is nothing to look for."""
        return Step(hands_on=self._handed_on)

    def meet(self, peers: Mapping[str, object]) -> None:
        """Learn from `bind` where the listener is."""
        bound = getattr(peers.get("bind"), "addresses", ())
        if bound:
            self._address = self._address._replace(host=bound[0])
            self._shown = join(bound[0], self._address.port)

    async def start(self) -> None:
        """Begin to probe; the listeners answer later."""
        self._probing = asyncio.get_running_loop().create_task(self._probe_all())

    async def close(self) -> None:
        """Stop probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})

    def _handed_on(self, asked: Question) -> Question | None:
        return None if self._name or self.is_cut else asked

    def _meet(self, request: Request) -> None:
        self._seen += 1
        if self._seen < 2:
            return
        if not self.is_cut:
            source = join(request.client.address, request.client.port)
            where = f"Loop ({source} -> {self._shown}) detected for zone {_quoted(self._zone)}"
            self._log("ERROR", f'{where}, {HELP}. Query: "HINFO {names.show(self._name)}"')
        self.is_cut = True
        raise NoAnswer(SERVFAIL)

    async def _probe_all(self) -> None:
        """Probe until an answer came without a loop, or none came for long."""
        for _ in range(GIVE_UP):
            answered = await self._probe()
            while self.is_cut:
                await asyncio.sleep(RECHECK)
                await self._probe()
                self.is_cut = self._seen > 1
            if answered:
                return
            await asyncio.sleep(RETRY)

    async def _probe(self) -> bool:
        """Send one probe and wait for whatever answers it; False if nothing did."""
        label = [str(self._draw(62)).encode() for _ in range(2)]
        self._name, self._seen = names.join(label, self._zone), 0
        try:
            connection = Datagram(self._address, "", asyncio.get_running_loop(), Expiry())
        except UpstreamError:
            return False
        try:
            await connection.exchange(query.make(self._name, codes.HINFO), TIMEOUT)
        except UpstreamError:
            return False
        finally:
            connection.close()
            self._name = b""
        return True


def _quoted(zone: Name) -> str:
    return f'"{names.show(zone)}"'
