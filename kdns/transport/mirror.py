"""A cluster's index kept equal to an API server: a reflector for each kind, their events put into the index.

A change takes effect in the loop step in which its octets arrive, and whoever keeps answers is told in the same step.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from kdns.cluster import objects
from kdns.cluster.entries import service_key
from kdns.cluster.index import Changed, Index
from kdns.errors import StartError
from kdns.metrics import Metrics
from kdns.transport.access import Access
from kdns.transport.kubeapi import KubeApi
from kdns.transport.reflector import Log, Reflector, Resource

T = TypeVar("T")

TELL = 0.5  # seconds between two words about a start that waits
LIVE_PODS = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown"
TRIGGERED = "endpoints.kubernetes.io/last-change-trigger-time"


@dataclass(frozen=True)
class Scope:
    """What to watch: label selectors for services and endpoints, and for namespaces; whether endpoints and pods."""

    labels: str = ""
    namespace_labels: str = ""
    endpoints: bool = True
    pods: bool = False


@dataclass(frozen=True)
class _Sink(Generic[T]):
    put: Callable[[T], None]
    delete: Callable[[str, str], None]
    synced: Callable[[], None]


class Mirror:
    """The index of one cluster. `access` is asked for the API server at start; ValueError if there is none."""

    def __init__(self, index: Index, scope: Scope, access: Callable[[], Access], metrics: Metrics, log: Log) -> None:
        self.index = index
        self._scope = scope
        self._access = access
        self._metrics = metrics
        self._log = log
        self._forget: Callable[[Collection[bytes]], None] = lambda keys: None
        self._synced = asyncio.Event()
        self._unsynced = 0
        self._api: KubeApi | None = None

    @property
    def synced(self) -> bool:
        """Whether the first lists are complete."""
        return self._synced.is_set()

    def follow(self, forget: Callable[[Collection[bytes]], None]) -> None:
        """Call `forget` with the keys that change, in the same step."""
        self._forget = forget

    async def start(self, timeout: float) -> None:
        """Wait for the first lists, but at most `timeout` seconds. StartError if there is no API server to ask."""
        try:
            self._access()
        except ValueError as fault:
            raise StartError(f"plugin/kubernetes: {fault}") from None
        deadline = time.monotonic() + timeout
        while not self.synced and (left := deadline - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._synced.wait(), min(TELL, left))
            except TimeoutError:
                self._log("INFO", "waiting for Kubernetes API before starting server")
        if not self.synced:
            self._log("WARNING", "starting server with unsynced Kubernetes API")

    async def run(self) -> None:
        """Follow the API server for ever."""
        self._api = KubeApi(self._access(), self._metrics)
        reflectors = self._reflectors(self._api)
        self._unsynced = len(reflectors)
        async with asyncio.TaskGroup() as group:
            for reflector in reflectors:
                group.create_task(reflector.run())

    async def close(self) -> None:
        """Close the connections to the API server."""
        if self._api is not None:
            await self._api.close()

    def _reflectors(self, api: KubeApi) -> list[Reflector[Any]]:
        index, scope = self.index, self._scope
        services = Resource("/api/v1/services", objects.Service, scope.labels)
        namespaces = Resource("/api/v1/namespaces", objects.Namespace, scope.namespace_labels)
        slices = Resource("/apis/discovery.k8s.io/v1/endpointslices", objects.EndpointSlice, scope.labels)
        pods = Resource("/api/v1/pods", objects.Pod, "", LIVE_PODS)
        found: list[Reflector[Any]] = [
            self._reflector(api, services, index.put_service, index.delete_service),
            self._reflector(api, namespaces, index.put_namespace, lambda _, name: index.delete_namespace(name)),
        ]
        if scope.endpoints:
            found.append(self._reflector(api, slices, self._put_slice, index.delete_slice))
        if scope.pods:
            found.append(self._reflector(api, pods, index.put_pod, index.delete_pod))
        return found

    def _reflector(
        self,
        api: KubeApi,
        resource: Resource[T],
        put: Callable[[T], Changed],
        delete: Callable[[str, str], Changed],
    ) -> Reflector[T]:
        def take(obj: T) -> None:
            self._changed(put(obj))

        def drop(namespace: str, name: str) -> None:
            self._changed(delete(namespace, name))

        return Reflector(api, resource, _Sink(take, drop, self._one_synced), self._log)

    def _changed(self, keys: Changed) -> None:
        if keys:
            self.index.serial = int(time.time())
            self._forget(keys)

    def _one_synced(self) -> None:
        self._unsynced -= 1
        if not self._unsynced:
            self._synced.set()

    def _put_slice(self, slice_: objects.EndpointSlice) -> Changed:
        changed = self.index.put_slice(slice_)
        triggered = (slice_.metadata.annotations or {}).get(TRIGGERED)
        if changed and triggered and self.synced:
            self._observe_programming(slice_, triggered)
        return changed

    def _observe_programming(self, slice_: objects.EndpointSlice, triggered: str) -> None:
        """How long ago the change happened that a headless service's slice tells of, as CoreDNS counts it."""
        owner = (slice_.metadata.labels or {}).get("kubernetes.io/service-name", "")
        service = self.index.services.get(service_key(slice_.metadata.namespace, owner))
        if service is None or not service.headless:
            return
        try:
            seconds = time.time() - datetime.fromisoformat(triggered).timestamp()
        except ValueError:
            return
        durations = self._metrics.histogram("kubernetes_dns_programming_duration_seconds")
        durations.observe(("headless_with_selector",), max(0.0, seconds))
