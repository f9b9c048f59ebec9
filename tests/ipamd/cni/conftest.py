"""A plugin on a service with a few pools, called without a socket."""

import json
from typing import Any

import pytest

from ipamd.cni.plugin import Plugin
from ipamd.model import LeaseFilter
from ipamd.service import Service
from tests.ipamd.clock import Clock
from tests.ipamd.cni.calling import call

GRACE = 10.0


class Runtime:
    """A container runtime on the node n1: it calls the plugin and reads what is printed."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.heard: list[tuple[str, str, frozenset[str]]] = []
        self.called: list[str] = []
        self.plugin = Plugin(service, GRACE, lambda *told: self.heard.append(told), self.called.append)
        self.clients_are_there = True
        self.own_netns = False
        self.starts = 0

    async def call(self, command: str, config: object, container: str = "c1", **variables: str | None) -> Any:
        """The result or the error of a call; None for no output."""
        self.starts += 1
        asked = call(config, COMMAND=command, CONTAINERID=container, **variables)
        mine = {
            "IPAMD_NODE": "n1",
            "IPAMD_STARTED": str(self.starts),
            "IPAMD_OWN_NETNS": str(int(self.own_netns)),
            **asked.environment,
        }
        outcome = await self.plugin.answer(asked._replace(environment=mine), lambda: self.clients_are_there)
        document = json.loads(outcome.text) if outcome.text else None
        assert outcome.status == (1 if document and "code" in document else 0)
        return document

    async def add(self, config: object, container: str = "c1", **variables: str | None) -> list[str]:
        """The addresses that an ADD gives."""
        return [each["address"] for each in (await self.call("ADD", config, container, **variables))["ips"]]

    def leases(self, pool: str | None = None) -> dict[str, str]:
        """Every lease, of a pool or of all: whose an address is."""
        listed = self.service.list_leases(LeaseFilter(pool=pool), 0, 10_000)
        return {str(lease): str(lease.owner) for lease in listed}


@pytest.fixture
async def runtime(service: Service, clock: Clock) -> Runtime:
    """A runtime that calls a plugin on the service with a few pools."""
    return Runtime(service)
