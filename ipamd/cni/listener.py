"""The Unix socket on which the executable calls.

Strategy: a connection carries one request and its reply. The executable keeps its end open until the reply is there, so
a connection that ends before is one whose executable is gone, and what was done for it may be undone.
"""

import asyncio
import logging
from pathlib import Path

from ipamd.cni.codes import Code
from ipamd.cni.frames import HEAD, Answer, Call, Outcome, length_of, read_call
from ipamd.cni.results import show_error
from ipamd.errors import CniError, StartError
from ipamd.unix_sockets import bind

BACKLOG = 1024
GRACE = 5.0  # seconds that requests in flight have to end when the listener stops

LOG = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """One call."""

    def __init__(self, answer: Answer, running: set[asyncio.Task[Outcome]]) -> None:
        self._answer = answer
        self._running = running
        self._received = bytearray()
        self._is_asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Begin to answer once the request is whole; what follows it is passed over."""
        self._received += data
        if self._is_asked or len(self._received) < HEAD:
            return
        try:
            end = HEAD + length_of(bytes(self._received[:HEAD]))
            if len(self._received) < end:
                return
            self._ask(read_call(bytes(self._received[HEAD:end])))
        except CniError as error:
            self._is_asked = True
            self._reply(Outcome(1, show_error("", error)))

    def _ask(self, call: Call) -> None:
        self._is_asked = True
        task = asyncio.ensure_future(self._answer(call, self._is_there))
        self._running.add(task)
        task.add_done_callback(self._answered)

    def _is_there(self) -> bool:
        return not self._transport.is_closing()

    def _answered(self, task: asyncio.Future[Outcome]) -> None:
        self._running.discard(task)
        if task.cancelled():
            self._transport.abort()
            return
        failure = task.exception()
        if failure is None:
            self._reply(task.result())
            return
        LOG.error("a CNI request failed", exc_info=failure)
        self._reply(Outcome(1, show_error("", CniError(Code.INTERNAL, "ipamd failed; its log tells more"))))

    def _reply(self, outcome: Outcome) -> None:
        self._transport.write(outcome.octets())
        self._transport.close()


class Listener:
    """A socket at a path, for the owner of the daemon alone."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._running: set[asyncio.Task[Outcome]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        """Listen. Raises StartError if that cannot be, or if somebody listens there already."""
        try:
            bound = bind(path)
            loop = asyncio.get_running_loop()
            made = loop.create_unix_server(lambda: Connection(self._answer, self._running), sock=bound, backlog=BACKLOG)
            self._server = await made
        except OSError as error:
            raise StartError(f"cannot listen on {path}: {error.strerror or error}") from None

    async def stop(self) -> None:
        """Accept no more, and let the requests in flight end."""
        if self._server is not None:
            self._server.close()
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE)
