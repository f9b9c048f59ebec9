"""The calls of a real dockerd, replayed: the replies are those that it worked with then.

A reply names a pool in its own way, and a network without a subnet gets another one of those predefined: both are told
apart from what has to be the same.
"""

import json
from pathlib import Path
from random import Random
from typing import Any

from ipamd.docker.driver import Driver
from ipamd.docker.networks import Predefined
from ipamd.log import Log
from ipamd.ranges import read_cidr
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.vectors.ipam.table import Row, each

PREDEFINED = (Predefined(read_cidr("10.123.0.0/24"), 24), Predefined(read_cidr("10.123.4.0/24"), 24))
REPLAY = "RequiresRequestReplay"  # a driver that keeps nothing asks for it
OVERLAP = {"Error": "Pool overlaps with other one on this address space"}


class Replay:
    """One dockerd and its driver. What this calls pools is translated, and addresses where faults were planted."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._ours: dict[str, str] = {}

    async def call(self, step: Row) -> Any:
        """The reply to a call of the capture."""
        body = step["body"]
        asked = body and {name: self._ours.get(str(value), value) for name, value in body.items()}
        raw = b"" if asked is None else json.dumps(asked).encode()
        return await self._driver.answer(step["path"].removeprefix("/"), raw)

    def learn(self, theirs: str, ours: str) -> None:
        """Note what something is to the driver; everything is something else."""
        self._ours[theirs] = ours
        assert len({*self._ours.values()}) == len(self._ours)


@each("docker_wire_capture", "captures")
async def test_the_calls_of_dockerd_are_answered_as_they_were(row: Row | None, tmp_path: Path) -> None:
    if row is None:
        return
    store = SqliteStore(tmp_path / "store.sqlite")
    replay = Replay(Driver(Service(store, Log(store, 1000), Random(1)), PREDEFINED))
    steps = [step for step in row["steps"] if step.get("path")]
    has_faults = any("fault" in step for step in steps)
    is_replayed = any(step["response"].get(REPLAY) for step in steps)
    given: set[str] = set()
    for step in steps:
        expected, reply = step["response"], await replay.call(step)
        if expected.get("PoolID") in given:
            assert is_replayed  # by a dockerd that was told to: ours is not, and a second network must not get the pool
            assert reply == OVERLAP
        elif "PoolID" in expected:
            given.add(expected["PoolID"])
            replay.learn(expected["PoolID"], reply["PoolID"])
            assert (reply["Pool"], reply["Data"]) == (expected["Pool"], {})
        elif REPLAY in expected:
            assert reply == {**expected, REPLAY: False}
        elif "Error" in expected and step["body"] is None:
            assert "Error" in reply
        elif "fault" not in step and has_faults and "Address" in expected:
            replay.learn(bare(expected), bare(reply))
        elif "fault" not in step:
            assert reply == expected, step
    await store.close()


def bare(reply: Row) -> str:
    """The address of a reply."""
    return str(reply["Address"]).partition("/")[0]
