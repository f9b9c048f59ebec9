"""Services registered with Nomad, asked of an agent's HTTP API: one client for all agents of a plugin.

Strategy: the agent that answered last is asked first; when it fails the others are asked in their order. Whatever can
go wrong on the way becomes an UpstreamError here.
"""

import ssl
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from kdns.eager import in_task
from kdns.errors import UpstreamError

SECONDS = 5.0  # for one request
MAX_BODY = 16 << 20  # octets


class Registration(msgspec.Struct, rename="pascal"):
    """One instance of a service, as `GET /v1/service/NAME` lists it."""

    address: str
    port: int = 0


class Agents(NamedTuple):
    """Where the agents are (http, https or unix URLs), what requests carry, and whose certificate is wanted."""

    urls: Sequence[str]
    token: str = ""
    filter: str = ""
    tls: ssl.SSLContext | None = None
    region: str = ""
    server_name: str = ""


class Nomad:
    """The client side. Nothing is opened before the first request; `close` it at the end."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents
        self._current: int | None = None  # the agent that answered last
        self._sessions: dict[int, aiohttp.ClientSession] = {}

    @property
    def is_reached(self) -> bool:
        """Whether an agent has answered the last request; a single one is taken to."""
        return len(self._agents.urls) == 1 or self._current is not None

    async def ping(self) -> None:
        """Find an agent that answers. UpstreamError if none does."""
        await self._get("/v1/agent/self", {})

    async def service(self, name: str, namespace: str) -> list[Registration]:
        """The instances of a service; none if Nomad does not know it. UpstreamError if no agent says so."""
        more = {"filter": self._agents.filter, "region": self._agents.region}
        query = {"namespace": namespace} | {name: value for name, value in more.items() if value}
        body = await self._get(f"/v1/service/{quote(name, safe='')}", query)
        try:
            return msgspec.json.decode(body, type=list[Registration]) if body else []
        except msgspec.MsgspecError as error:
            raise UpstreamError(f"service {name} in namespace {namespace}: {error}") from None

    async def close(self) -> None:
        """Drop every connection."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def _get(self, path: str, query: dict[str, str]) -> bytes:
        """The body of an answer; empty for 404."""
        await in_task()  # aiohttp bounds the time of a request
        count, first = len(self._agents.urls), self._current or 0
        failure: Exception | None = None
        for at in ((first + turn) % count for turn in range(count)):
            try:
                body = await self._asked(at, path, query)
            except (aiohttp.ClientError, OSError, TimeoutError, UpstreamError) as error:
                failure = error
                continue
            self._current = at
            return body
        self._current = None
        raise UpstreamError(f"no Nomad client available: {failure or 'no address'}")

    async def _asked(self, at: int, path: str, query: dict[str, str]) -> bytes:
        url = self._agents.urls[at]
        base = "http://localhost" if url.startswith("unix://") else url.rstrip("/")
        whole, name = URL(base + path, encoded=True).update_query(query), self._agents.server_name or None
        async with self._session(at).get(whole, allow_redirects=False, server_hostname=name) as response:
            if response.status == 404:
                return b""
            if response.status != 200:
                text = (await response.content.read(200)).decode("utf-8", "replace").strip()
                raise UpstreamError(f"unexpected response code: {response.status} ({text})")
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    raise UpstreamError(f"an answer of more than {MAX_BODY} octets")
            return bytes(body)

    def _session(self, at: int) -> aiohttp.ClientSession:
        session = self._sessions.get(at)
        if session is None:
            url = self._agents.urls[at]
            connector: aiohttp.BaseConnector
            if url.startswith("unix://"):
                connector = aiohttp.UnixConnector(url.removeprefix("unix://"))
            else:
                connector = aiohttp.TCPConnector(ssl=self._agents.tls or True)
            headers = {"X-Nomad-Token": self._agents.token} if self._agents.token else {}
            timeout = aiohttp.ClientTimeout(total=SECONDS)
            session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout)
            self._sessions[at] = session
        return session
