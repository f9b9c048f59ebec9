"""A driver on a service with a few pools, called without a socket."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from ipamd.docker.driver import Driver
from ipamd.docker.messages import GATEWAY, LOCAL, MAC, REQUEST_TYPE
from ipamd.docker.networks import Predefined
from ipamd.model import LeaseFilter
from ipamd.ranges import read_cidr
from ipamd.service import Service

PREDEFINED = (Predefined(read_cidr("10.123.0.0/22"), 24), Predefined(read_cidr("fd00:123::/62"), 64))


class Dockerd:
    """What dockerd does to a driver. Addresses come back as they are answered; a refusal is its text."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.driver = Driver(service, PREDEFINED)
        self.macs = 0

    async def call(self, method: str, **members: object) -> Any:
        """The reply to a call."""
        return await self.driver.answer(f"IpamDriver.{method}", json.dumps(members).encode())

    async def request_pool(self, pool: str = "", sub_pool: str = "", **members: object) -> str:
        """The PoolID for a network."""
        asked = {"AddressSpace": LOCAL, "Pool": pool, "SubPool": sub_pool, "Options": {}, "V6": False, **members}
        reply = await self.call("RequestPool", **asked)
        return str(reply.get("Error") or reply["PoolID"])

    async def release_pool(self, identifier: str) -> str:
        """Nothing, or why not."""
        return str((await self.call("ReleasePool", PoolID=identifier)).get("Error", ""))

    async def gateway(self, identifier: str, address: str = "") -> str:
        """The address of a network's gateway."""
        return await self.request(identifier, address, {REQUEST_TYPE: GATEWAY})

    async def start(self, identifier: str, address: str = "", mac: str = "", **options: str) -> str:
        """The address of a container, which has a MAC address of its own unless one is given."""
        self.macs += 1
        return await self.request(identifier, address, {MAC: mac or f"02:42:00:00:00:{self.macs:02x}", **options})

    async def request(self, identifier: str, address: str, options: dict[str, str] | None = None) -> str:
        """The address for whatever it is."""
        reply = await self.call("RequestAddress", PoolID=identifier, Address=address, Options=options)
        return str(reply.get("Error") or reply["Address"])

    async def release(self, identifier: str, address: str) -> str:
        """Nothing, or why not."""
        return str((await self.call("ReleaseAddress", PoolID=identifier, Address=address)).get("Error", ""))

    def leases(self) -> dict[str, str]:
        """Every lease: the name of whose it is."""
        return {str(lease): lease.owner.name for lease in self.service.list_leases(LeaseFilter(), 0, 10_000)}

    def objects(self, kind: str) -> dict[str, Any]:
        """All objects of a kind that Docker's names have led to, by NAMESPACE/NAME."""
        stored = self.service.store.view(lambda view: [*view.list(kind)])
        found = {f"{each.namespace}/{each.name}": json.loads(each.body) for each in stored}
        return {key: body for key, body in found.items() if "managed-by" in str(body["metadata"].get("labels"))}

    def names(self) -> dict[str, list[str]]:
        """Every name, NETWORK/NAME, and the addresses of the Pods that its Service selects."""
        pods = self.objects("Pod").values()
        return {key: sorted(selected(body["spec"]["selector"], pods)) for key, body in self.objects("Service").items()}

    def pools(self) -> list[str]:
        """The pools of networks."""
        return [each.pool.name for each in self.service.list_pools() if each.pool.name.startswith("docker-")]


def selected(selector: dict[str, str], pods: Iterable[Any]) -> Iterator[str]:
    """The addresses of the Pods that bear all labels of a selector."""
    for pod in pods:
        if selector.items() <= pod["metadata"]["labels"].items():
            yield from (each["ip"] for each in pod["status"].get("podIPs", ()))


@pytest.fixture
async def dockerd(service: Service) -> Dockerd:
    """A dockerd with a driver on the service with a few pools."""
    return Dockerd(service)
