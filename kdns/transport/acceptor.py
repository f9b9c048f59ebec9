"""Connections accepted from a listening socket: whose they are, TLS begun, no more than so many at a time.

asyncio's own server can neither wait with accepting nor look at what comes before TLS. While the most connections are
open, others wait in the kernel. Whatever clients do, a quarter of the files that the process may still open is kept
from them: for what is asked of upstreams, and for zone files.
"""

import asyncio
import os
import resource
import socket
import ssl
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from kdns.errors import WireError
from kdns.transport.proxied import Proxying
from kdns.transport.timeouts import Timeouts
from kdns.wire.proxy import Ends

BATCH = 100  # connections accepted at one wake-up: what is under way gets its turn
RELIEF = 0.1  # seconds until the next look when there are no more files for clients
HANDSHAKE = 10.0  # seconds that TLS may take to begin


class Connection(Protocol):
    """What speaks on an accepted connection: an asyncio.Protocol that can be told to end."""

    def finish(self) -> None:
        """Answer what is under way, and close."""


class Acceptor:
    """One listening socket. `connection(ends, timeouts, gone)` makes what speaks on a connection, and calls `gone` with
    itself when that was lost. `most`: how many connections at a time; 0 for any number. A PROXY header has to be there
    within the time that a first query has.
    """

    def __init__(
        self,
        sock: socket.socket,
        connection: Callable[[Ends, Timeouts, Callable[[Any], None]], Any],
        timeouts: Timeouts,
        tls: Callable[[], ssl.SSLContext] | None = None,
        proxying: Proxying | None = None,
        most: int = 0,
    ) -> None:
        self._sock = sock
        self._connection = connection
        self._timeouts = timeouts
        self._tls = tls
        self._proxying = proxying
        self._most = most
        self._ceiling = _ceiling(sock.fileno())
        self._connections: set[Connection] = set()
        self._welcoming: set[asyncio.Task[None]] = set()
        self._taken = 0  # connections, from when they are accepted until they have ended
        self._listening = False  # more may be accepted
        self._stopped = False

    async def start(self) -> None:
        """Accept from now on."""
        self._listen()

    def adopt(self, timeouts: Timeouts, proxying: Proxying | None) -> None:
        """Give connections from now on these times, and believe these proxies."""
        self._timeouts = timeouts
        self._proxying = proxying

    def stop(self) -> None:
        """Accept no more; each connection ends behind what it is at. The port is given back."""
        self._pause()
        self._stopped = True
        for task in self._welcoming:
            task.cancel()
        for connection in list(self._connections):
            connection.finish()
        self.close()

    def close(self) -> None:
        """Give the port back, also of a socket that never was accepted from."""
        self._sock.close()

    def _listen(self) -> None:
        if not self._listening and not self._stopped:
            self._listening = True
            asyncio.get_running_loop().add_reader(self._sock, self._accept)

    def _pause(self) -> None:
        if self._listening:
            self._listening = False
            asyncio.get_running_loop().remove_reader(self._sock)

    def _wait(self) -> None:
        """Accept no more for a while."""
        self._pause()
        asyncio.get_running_loop().call_later(RELIEF, self._listen)

    def _accept(self) -> None:
        """Take the connections that wait."""
        loop = asyncio.get_running_loop()
        for _ in range(BATCH):
            if self._most and self._taken >= self._most:
                self._pause()
                return
            if self._is_full():
                self._wait()
                return
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # too many files are open: others may be closed soon
                self._wait()
                return
            sock.setblocking(False)
            self._taken += 1
            task = loop.create_task(self._welcome(sock, peer))
            self._welcoming.add(task)
            task.add_done_callback(self._welcoming.discard)

    def _is_full(self) -> bool:
        """Whether the next file is none for clients: a connection that has it could only be closed."""
        try:
            probe = os.dup(self._sock.fileno())
        except OSError:
            return True
        os.close(probe)
        return probe >= self._ceiling

    async def _welcome(self, sock: socket.socket, peer: Any) -> None:
        loop = asyncio.get_running_loop()
        try:
            ends = Ends(peer[:2], sock.getsockname()[:2])
            if self._proxying is not None:
                ends = await self._proxying.connection(sock, peer[0], self._timeouts.read) or ends
            context = self._tls() if self._tls is not None else None
            patience = {"ssl_handshake_timeout": HANDSHAKE} if context is not None else {}
            made = partial(self._connection, ends, self._timeouts, self._gone)
            _, connection = await loop.connect_accepted_socket(made, sock, ssl=context, **patience)
        except (OSError, WireError, asyncio.CancelledError):  # no TLS, no such proxy, or a client that went away
            sock.close()
            self._leave()
            return
        self._connections.add(connection)

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._leave()

    def _leave(self) -> None:
        self._taken -= 1
        if not self._listening:
            self._listen()


def _ceiling(own: int) -> int:
    """The number from which on files are none for clients, a quarter of those behind the listening socket's `own`.

    The system always gives the least that is free.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return files - (files - own) // 4 if files != resource.RLIM_INFINITY else sys.maxsize
