"""A CNI plugin on an empty store, called as its executable would have it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from ipamd.cni.frames import Call
from ipamd.cni.plugin import Plugin
from ipamd.log import Log
from ipamd.model import Pool
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore

PODS = Pool("pods", ("10.244.0.0/16",), purpose="pods")


class Caller:
    """Calls a plugin with an environment and an input."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    async def call(self, environment: Mapping[str, str], stdin: str) -> Any:
        """What it prints, as a document; None for nothing. An error has status 1, all else 0."""
        outcome = await self._plugin.answer(Call(environment, stdin.encode()), lambda: True)
        document = json.loads(outcome.text) if outcome.text else None
        assert outcome.status == (1 if document and "code" in document else 0)
        return document


@asynccontextmanager
async def plugin(directory: Path) -> AsyncIterator[Caller]:
    """A plugin whose service has a pool for pods and nothing else."""
    store = SqliteStore(directory / "store.sqlite")
    try:
        service = Service(store, Log(store, 1000), Random(1))
        await service.ensure_pools([PODS])
        yield Caller(Plugin(service, 0, lambda *_: None, lambda _: None))
    finally:
        await store.close()
