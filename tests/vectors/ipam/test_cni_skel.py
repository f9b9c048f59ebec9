"""What CNI's skeleton refuses, and in which words."""

import json
from pathlib import Path
from typing import Any

from tests.ipamd.cni.calling import ENVIRONMENT
from tests.vectors.ipam.cni import plugin
from tests.vectors.ipam.table import Row, each

CONFIG = {"cniVersion": "1.1.0", "name": "skel", "type": "ipamd", "ipam": {"type": "ipamd", "pool": "pods"}}
COLLECTING = {"cni.dev/valid-attachments": []}
BY_THE_EXECUTABLE = ("VERSION", "")  # answered without a daemon: tests/ipamd/cni/test_executables.py


def environment(row: Row) -> dict[str, str]:
    unset = row.get("unset", [])
    removed = [unset] if isinstance(unset, str) else unset
    own = {"IPAMD_OWN_NETNS": "1"} if row.get("env", {}).get("CNI_NETNS") == "/proc/self/ns/net" else {}
    asked = {**ENVIRONMENT, "CNI_COMMAND": row.get("command", "ADD"), **row.get("env", {}), **own}
    return {name: value for name, value in asked.items() if name not in removed}


def stdin(row: Row) -> str:
    if "configText" in row:
        return str(row["configText"])
    config = {**row.get("config", CONFIG)}
    return json.dumps({**CONFIG, **config} if "config" not in row else {"ipam": CONFIG["ipam"], **config})


def agrees(printed: Any, expected: Row | None) -> bool:
    """Whether the error is the one that is expected, or there is none where none is."""
    if expected is None:
        return printed is None or "code" not in printed
    return expected.items() <= printed.items()


@each("cni_skel", "env")
async def test_variables_are_required_as_by_the_skeleton(row: Row | None, tmp_path: Path) -> None:
    if row is None:
        return
    async with plugin(tmp_path) as caller:
        await caller.call({**ENVIRONMENT, "CNI_COMMAND": "ADD"}, json.dumps(CONFIG))  # for CHECK to find
        config = {**CONFIG, **(COLLECTING if row["command"] == "GC" else {})}
        printed = await caller.call(environment(row), json.dumps(config))
    assert agrees(printed, row["expectError"]), printed


@each("cni_skel", "validation")
async def test_variables_are_checked_as_by_the_skeleton(row: Row | None, tmp_path: Path) -> None:
    if row is None:
        return
    async with plugin(tmp_path) as caller:
        printed = await caller.call(environment(row), json.dumps(CONFIG))
    assert agrees(printed, row["expectError"]), printed


@each("cni_skel", "versions")
async def test_versions_are_told_apart_as_by_the_skeleton(row: Row | None, tmp_path: Path) -> None:
    if row is None or row["command"] in BY_THE_EXECUTABLE:
        return
    async with plugin(tmp_path) as caller:
        printed = await caller.call(environment(row), stdin(row))
    assert agrees(printed, row.get("expectError")), printed
    if row.get("expectError") is None:
        assert {"cniVersion": "0.1.0"}.items() <= printed.items()
        assert "ip4" in printed
