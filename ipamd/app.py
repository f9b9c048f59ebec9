"""The daemon: everything built, joined and run until it is told to stop."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import SystemRandom

from ipamd.config import Config, Endpoint
from ipamd.errors import IpamError, StartError
from ipamd.expiry import Expiry
from ipamd.http import rest
from ipamd.http.kube import KubernetesPaths
from ipamd.http.server import Server, build
from ipamd.log import Log
from ipamd.metrics import Metrics
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT. Raises StartError if that cannot begin."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with opened(config) as (service, server):
        endpoint = config.listen
        try:
            port = await server.start(*endpoint)
        except OSError as error:
            raise StartError(f"cannot listen on {endpoint}: {error.strerror}") from None
        print(f"ipamd: listening on http://{Endpoint(endpoint.host, port)}", flush=True)
        await stopping.wait()
        service.log.close()  # ends the watches, which would otherwise never end


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[tuple[Service, Server]]:
    """The service and its server, with what runs beside them; all is closed at the end."""
    store = SqliteStore(config.store)
    try:
        service = Service(store, Log(store, config.retention), SystemRandom())
        await prepare(service, config)
        kubernetes = KubernetesPaths(service)
        await kubernetes.start()
        metrics = Metrics(service)
        server = Server(build([kubernetes.surface(), rest.surface(service, metrics)], metrics))
        async with asyncio.TaskGroup() as group:  # a loop that fails ends the daemon: it must not go on without
            loops = [service.log.run(), Expiry(store, service.release_in, time.time).run()]
            tasks = [group.create_task(loop) for loop in loops]
            try:
                yield service, server
            finally:
                await server.stop()
                for task in tasks:
                    task.cancel()
    finally:
        await store.close()


async def prepare(service: Service, config: Config) -> None:
    """Have what must be there before the first request. Raises StartError if the store contradicts it."""
    try:
        await service.ensure_pools(config.pools)
    except IpamError as error:
        raise StartError(f"the pools of the configuration cannot be had: {error}") from None
