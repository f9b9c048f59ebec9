"""The daemon: everything built, joined and run until it is told to stop."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import NamedTuple

from ipamd.clock import SteadyClock, running_time
from ipamd.cni.attachments import ATTACHMENT
from ipamd.cni.listener import Listener
from ipamd.cni.metrics import CniMetrics
from ipamd.cni.plugin import Plugin
from ipamd.config import CniTable, Config, DockerTable, Endpoint
from ipamd.docker.driver import Driver
from ipamd.docker.endpoints import ENDPOINT
from ipamd.docker.engine import Engine
from ipamd.docker.listener import Listener as DockerListener
from ipamd.docker.networks import Predefined
from ipamd.docker.witness import Witness
from ipamd.errors import IpamError, StartError, StoreUnavailable
from ipamd.event_metrics import EventMetrics
from ipamd.events import Events, Fullness
from ipamd.expiry import Expiry, Upkeep
from ipamd.http import events, reconcile, rest
from ipamd.http.kube import KubernetesPaths
from ipamd.http.server import Server, build
from ipamd.kube.pool_ends import fitted
from ipamd.kube.service_cidrs import ranges_of, service_cidrs
from ipamd.leases import EXPIRED
from ipamd.log import Log
from ipamd.metrics import Metrics
from ipamd.model import Lease
from ipamd.ranges import read_cidr
from ipamd.reconciling import Reconciler
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from ipamd.witnesses import Subject

DAY = 86_400  # seconds
COLLECT_AFTER = (20_000, 20, 20)  # the collector's thresholds: requests leave no circles, so it seldom finds anything

LOG = logging.getLogger(__name__)


class Built(NamedTuple):
    """What everything else is joined to."""

    service: Service
    server: Server[tuple[Lease, bool]]
    metrics: Metrics
    reconciler: Reconciler
    events: Events
    calls: CniMetrics


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT. Raises StartError if that cannot begin."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    clock = SteadyClock()
    async with (
        opened(config, clock) as built,
        containers(built, config.cni),
        docker(built, config.docker) as docker_loops,
    ):
        service, server = built.service, built.server
        endpoint = config.listen
        try:
            port = await server.start(*endpoint)
        except OSError as error:
            raise StartError(f"cannot listen on {endpoint}: {error.strerror}") from None
        print(f"ipamd: listening on http://{Endpoint(endpoint.host, port)}", flush=True)
        expiry = Expiry(service.store, partial(service.release_in, reason=EXPIRED), clock, config.grace)
        upkeep = Upkeep(service.store, service.leases.thaw, config.history_days * DAY)
        loops = [service.log.run(), expiry.run(), upkeep.run(), built.reconciler.run(), *docker_loops]
        gc.set_threshold(*COLLECT_AFTER)
        gc.freeze()  # what is there now stays, and need not be looked through again and again
        await run_until(stopping, loops)
        service.log.close()  # ends the watches, which would otherwise never end


async def run_until(stopping: asyncio.Event, loops: Sequence[Coroutine[None, None, None]]) -> None:
    """Run the loops until it is time to stop. One that fails raises here: the daemon must not go on without it."""
    stop = asyncio.create_task(stopping.wait())
    tasks = [asyncio.create_task(each) for each in loops]
    await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in tasks if task.done()]
    for task in (stop, *tasks):
        task.cancel()
    await asyncio.wait([stop, *tasks])
    for task in failed:
        task.result()


@asynccontextmanager
async def containers(built: Built, settings: CniTable | None) -> AsyncIterator[None]:
    """Serve the CNI plugin, if that is configured. Raises StartError."""
    if settings is None:
        yield
        return

    def heard(network: str, node: str, names: frozenset[str]) -> None:
        built.reconciler.heard(Subject(ATTACHMENT, network, node), names)

    plugin = Plugin(built.service, settings.gc_grace, heard, built.reconciler.called)
    listener = Listener(built.calls.counted(plugin.answer))
    await listener.start(Path(settings.socket))
    try:
        yield
    finally:
        await listener.stop()


@asynccontextmanager
async def docker(built: Built, settings: DockerTable | None) -> AsyncIterator[list[Coroutine[None, None, None]]]:
    """Serve Docker's IPAM driver, if that is configured, and give the loop that goes with it. Raises StartError."""
    if settings is None:
        yield []
        return
    service = built.service
    driver = Driver(service, [Predefined(read_cidr(each.base), each.size) for each in settings.default_pools])

    def heard(identifier: str, names: frozenset[str]) -> None:
        built.reconciler.heard(Subject(ENDPOINT, identifier, ""), names)

    witness = Witness(service.store, driver, heard, built.events, SystemRandom(), running_time, settings.grace)
    listener = DockerListener(driver.answer, built.metrics)
    await listener.start(Path(settings.socket))
    try:
        yield [witness.run(Engine(Path(settings.api), Path(settings.socket).stem) if settings.api else None)]
    finally:
        await listener.stop()


@asynccontextmanager
async def opened(config: Config, clock: SteadyClock) -> AsyncIterator[Built]:
    """The service, ready for requests, with what belongs to it; all is closed at the end.

    A store that was made for a start that is refused goes again, unless a runtime or dockerd has used it already.
    """
    store = SqliteStore(config.store, clock)
    if store.old_because:
        LOG.error("the store is an old copy of itself, nothing is given from it: %s", store.old_because)
    begun, is_spare = 0, False
    try:
        clock.begin(store.view(lambda view: view.clock))
        service = await prepared(store, config)
        kubernetes = KubernetesPaths(service)
        await kubernetes.start()
        calls = CniMetrics(running_time)
        watched = Events(clock)
        store.listen(Fullness(service.pools, watched).committed)
        reconciler = Reconciler(service, watched, clock, config.reconcile_grace)
        metrics = Metrics(service, [kubernetes.metrics, calls, EventMetrics(watched, reconciler)])
        further = [*reconcile.routes(reconciler, service), *events.routes(watched)]
        application = build([kubernetes.surface(), rest.surface(service, metrics, further)], metrics)
        server = Server(application, rest.answers(service, metrics))
        begun = store.revision
        try:
            yield Built(service, server, metrics, reconciler, watched, calls)
        finally:
            await server.stop()
    except StartError:
        is_spare = begun in (0, store.revision)
        raise
    finally:
        await store.close(as_found=is_spare)


async def prepared(store: SqliteStore, config: Config) -> Service:
    """A service that has what must be there before the first request. StartError if the store does not let it."""
    try:
        service = Service(store, Log(store, config.retention), SystemRandom(), config.dns_ttl)
    except StoreUnavailable as error:
        raise StartError(f"the store {config.store} cannot be read: {error}") from None
    try:
        ranges = store.view(lambda view: ranges_of(service_cidrs(view)))
        await service.ensure_pools([fitted(pool, ranges) for pool in config.pools])
    except IpamError as error:
        raise StartError(f"the pools of the configuration cannot be had: {error}") from None
    return service
