"""Watches: a stream of events from a cursor on the log.

A watch holds a revision and pulls what lies behind it, so a slow reader holds up nobody. It ends at its timeout, when
the client goes, when the daemon stops, or with an ERROR event 410 when the log no longer reaches back to the cursor.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

import msgspec
from aiohttp import web

from ipamd.errors import Compacted, StatusError
from ipamd.http.kube_lists import parts
from ipamd.http.kube_replies import as_table, bookmark
from ipamd.http.kube_requests import JSON, wants_table
from ipamd.json import Json
from ipamd.kube import status
from ipamd.kube.options import ListOptions, revision_of
from ipamd.kube.selection import Event, Selection
from ipamd.service import Service
from ipamd.stores import Changes

LONGEST = 3600  # seconds a watch lasts when the client names no timeout
BOOKMARK_EVERY = 60  # seconds
LOOK_EVERY = 5  # seconds after which an idle watch looks if its client is still there; aiohttp does not tell
BATCH = 500  # changes read at once


class Watch:
    """One watch, from its request to its end."""

    def __init__(self, request: web.Request, service: Service, selection: Selection, options: ListOptions) -> None:
        self._request = request
        self._store = service.store
        self._log = service.log
        self._selection = selection
        self._options = options
        self._end = monotonic() + (options.timeout or LONGEST)
        self._response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"})
        self._needs_head = True  # the first Table of a watch has the columns, the others only rows

    async def run(self) -> web.StreamResponse:
        """Send the events until the watch ends."""
        with suppress(ConnectionError):  # the client has gone
            await self._response.prepare(self._request)
            await self._run()
            await self._response.write_eof()
        return self._response

    async def _run(self) -> None:
        """Send the events; what ends a watch early is told by an ERROR event, for the headers are sent already."""
        try:
            await self._follow(await self._start())
        except Compacted:
            too_old = f"too old resource version: {self._options.version or 0}"
            await self._send([self._error(status.expired(too_old))])
        except StatusError as error:
            await self._send([self._error(error)])

    async def _start(self) -> int:
        """Send the initial events, if any are asked for, and return the revision from which to follow."""
        options = self._options
        asked = revision_of(options.version) if options.version else 0
        if asked > self._store.revision:
            # This client has seen another history of this store (a restored backup): only a new list helps it.
            raise status.expired(f"resource version {asked} is in the future, current: {self._store.revision}")
        if asked and not options.initial:
            return asked
        if options.initial is False:
            return self._store.revision
        revision = self._store.revision
        async for part in parts(self._store, self._selection, revision):
            await self._send([self._line("ADDED", body) for body in part.found])
        if options.initial:
            end = bookmark(self._selection.kind, revision, initial_events_end=True)
            await self._send([self._line("BOOKMARK", end)])
        return revision

    async def _follow(self, cursor: int) -> None:
        """Send what happens behind the cursor until the watch is to end."""
        kinds = (self._selection.kind.name,)
        due = monotonic() + BOOKMARK_EVERY
        while not self._is_over():
            changes = self._log.changes(cursor, kinds, BATCH)
            await self._send([self._line(*event) for event in self._events(changes)])
            cursor = changes.upto
            if len(changes.rows) == BATCH:
                continue
            if monotonic() >= due:
                await self._mark(cursor)
                due = monotonic() + BOOKMARK_EVERY
            await self._pause(cursor, kinds)
        await self._mark(cursor)

    def _is_over(self) -> bool:
        transport = self._request.transport
        return transport is None or transport.is_closing() or self._log.is_closed or monotonic() >= self._end

    async def _pause(self, cursor: int, kinds: tuple[str, ...]) -> None:
        """Wait for a change behind the cursor, but no longer than it takes to see that the client has gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LOOK_EVERY, max(0, self._end - monotonic()))):
                await self._log.wait(cursor, kinds)

    async def _mark(self, cursor: int) -> None:
        """Tell a client that asked for it how far it has seen everything."""
        if self._options.bookmarks:
            await self._send([self._line("BOOKMARK", bookmark(self._selection.kind, cursor))])

    def _events(self, changes: Changes) -> Iterator[Event]:
        for change in changes.rows:
            event = self._selection.event(change)
            if event is not None:
                yield event

    async def _send(self, lines: list[bytes]) -> None:
        if lines:
            await self._response.write(b"".join(lines))

    def _line(self, type_: str, body: bytes) -> bytes:
        if wants_table(self._request):
            revision: Json = msgspec.json.decode(body)["metadata"]["resourceVersion"]
            metadata: dict[str, Json] = {"resourceVersion": revision}
            body = msgspec.json.encode(
                as_table(self._request, self._selection.kind, [body], metadata, head=self._needs_head)
            )
            self._needs_head = False
        return b'{"type":"' + type_.encode() + b'","object":' + body + b"}\n"

    def _error(self, error: StatusError) -> bytes:
        return b'{"type":"ERROR","object":' + msgspec.json.encode(status.body(error)) + b"}\n"
