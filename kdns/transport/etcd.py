"""An etcd cluster, read over gRPC: one client for all of its members.

Strategy: the member that answered last is asked first; when it cannot be reached, or is silent for its share of the
time, the others are, in their order. Where there are credentials, a token is asked for when the first request is made,
and again when it counts no more: it has run out, or users or roles have changed since.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import etcd3aio
import grpc
from etcd3aio.auth import AuthService
from etcd3aio.kv import KVService, prefix_range_end
from etcd3aio.lease import LeaseService

from kdns.eager import in_task
from kdns.errors import UpstreamError

SECONDS = 5.0  # for one question, whoever answers it; members share it
OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 10_000),  # etcd takes those for enemies that ask more often than every 5 seconds
    ("grpc.keepalive_timeout_ms", 5_000),  # in which a connection has to show that it lives
)
OLD_TOKEN = "etcdserver: revision of auth store is old"

T = TypeVar("T")


class Endpoint(NamedTuple):
    """Where a member is, as gRPC has it, and what encrypts the way there; None: nothing."""

    target: str
    credentials: grpc.ChannelCredentials | None = None


class Pair(NamedTuple):
    """A key and its value; `lease` is the number of its lease, 0 without one."""

    key: str
    value: bytes
    lease: int


class _Member:
    """One member as it is talked to."""

    def __init__(self, endpoint: Endpoint) -> None:
        target, credentials = endpoint
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(target, OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(target, credentials, OPTIONS)
        self.kv = KVService(self._channel, max_attempts=1)
        self.lease = LeaseService(self._channel, max_attempts=1)
        self.auth = AuthService(self._channel, max_attempts=1)

    async def close(self) -> None:
        await self._channel.close(grace=None)


class Etcd:
    """The cluster. To be made while the event loop runs; `close` it at the end."""

    def __init__(self, endpoints: Sequence[Endpoint], credentials: tuple[str, str] | None) -> None:
        self._members = [_Member(endpoint) for endpoint in endpoints]
        self._credentials = credentials
        self._current = 0
        self._has_token = False

    async def get(self, key: str, *, below: bool) -> list[Pair]:
        """The key, or with `below` every key that begins with it, in their order. UpstreamError if nobody says so."""

        async def read(member: _Member) -> list[Pair]:
            packed = key.encode()
            found = await member.kv.get(packed, prefix_range_end(packed) if below else None, timeout=SECONDS)
            return [Pair(pair.key.decode("utf-8", "replace"), pair.value, pair.lease) for pair in found.kvs]

        return await self._ask(read)

    async def time_to_live(self, lease: int) -> int:
        """For how many seconds the lease still lasts; 0 or less if it has run out. UpstreamError if nobody says so."""

        async def read(member: _Member) -> int:
            return int((await member.lease.time_to_live(lease, timeout=SECONDS)).TTL)

        return await self._ask(read)

    async def close(self) -> None:
        """Drop every connection."""
        for member in self._members:
            await member.close()

    async def _ask(self, read: Callable[[_Member], Awaitable[T]]) -> T:
        await in_task()
        try:
            return await self._ask_in_turn(read)
        except (etcd3aio.EtcdError, grpc.aio.AioRpcError) as error:
            raise UpstreamError(f"etcd: {error}") from None

    async def _ask_in_turn(self, read: Callable[[_Member], Awaitable[T]]) -> T:
        count, failure = len(self._members), UpstreamError("etcd: no endpoint")
        for at in ((self._current + turn) % count for turn in range(count)):
            try:
                async with asyncio.timeout(SECONDS / count):
                    found = await self._authorised(self._members[at], read)
            except TimeoutError:
                failure = UpstreamError("etcd: i/o timeout")
                continue
            except (etcd3aio.EtcdConnectionError, etcd3aio.EtcdTransientError) as error:
                failure = UpstreamError(f"etcd: {error}")
                continue
            self._current = at
            return found
        raise failure

    async def _authorised(self, member: _Member, read: Callable[[_Member], Awaitable[T]]) -> T:
        if self._credentials is None:
            return await read(member)
        if self._has_token:
            try:
                return await read(member)
            except etcd3aio.EtcdUnauthenticatedError:
                self._has_token = False
            except grpc.aio.AioRpcError as error:
                if error.details() != OLD_TOKEN:
                    raise
                self._has_token = False
        reply = await member.auth.authenticate(*self._credentials, timeout=SECONDS)
        for each in self._members:
            each.kv.set_token(reply.token)
            each.lease.set_token(reply.token)
        self._has_token = True
        return await read(member)
