"""host-local: its configurations, and what it does when it is executed."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ipamd.cni.arguments import read_arguments
from ipamd.cni.document import Dns, read_network
from ipamd.cni.planning import plan_of, read_resolv_conf
from ipamd.errors import CniError
from tests.ipamd.cni.calling import ENVIRONMENT
from tests.vectors.ipam.cni import Caller, plugin
from tests.vectors.ipam.table import Row, each, rows

# A row that tells what an exec cannot do: the id has spaces, which every plugin refuses.
IN_PROCESS = "ignores whitespace in disk files"
# ipamd gives the same addresses when an ADD is repeated, where host-local refuses.
REPEATED = "spec: ADD twice without DEL is undefined"


@each("host_local_config", "cases")
def test_a_configuration_is_read_as_by_host_local(row: Row | None) -> None:
    if row is None:
        return
    stdin = json.dumps(row["config"]).encode()
    if "expectError" in row:
        with pytest.raises(CniError) as refused:
            plan_of(read_network(stdin), read_arguments(row["envArgs"]))
        assert refused.value.message == row["expectError"]
        return
    plan = plan_of(read_network(stdin), read_arguments(row["envArgs"]))
    assert [str(each) for each in plan.asked] == row.get("expectIPArgs", [])
    if "expect" in row:
        assert [[shown(each) for each in ranges.ranges] for ranges in plan.sets] == row["expect"]["ranges"]


def shown(ranges: Any) -> Row:
    start, _, end = str(ranges).partition("-")
    return {"subnet": str(ranges.subnet), "rangeStart": start, "rangeEnd": end, "gateway": str(ranges.gateway)}


@each("host_local_scenarios", "resolvConf")
def test_a_resolv_conf_is_read_as_by_host_local(row: Row | None) -> None:
    if row is not None:
        assert read_resolv_conf(row["in"]) == msgspec.convert(row["expect"], Dns)


PLAYED = [
    (scenario, version)
    for scenario in rows("host_local_scenarios", "scenarios")
    if scenario["name"] != IN_PROCESS
    for version in scenario["versions"]
]


@pytest.mark.parametrize(("scenario", "version"), PLAYED or [(None, "")], ids=range(max(1, len(PLAYED))))
async def test_a_scenario_of_host_local(scenario: Row | None, version: str, tmp_path: Path) -> None:
    if scenario is None:
        return
    for name, text in scenario["setup"].items():
        (tmp_path / name).write_text(text)
    configs = [filled(config, version, tmp_path) for config in scenario["confs"]]
    async with plugin(tmp_path) as caller:
        before: dict[str, Any] = {}
        for step in scenario["steps"]:
            if step["cmd"] in ("ADD", "DEL"):
                await play(caller, step, configs[step["conf"]], version, scenario, before)


def filled(config: Row, version: str, directory: Path) -> str:
    return json.dumps(config).replace("{{cniVersion}}", version).replace("{{dataDir}}", str(directory))


async def play(caller: Caller, step: Row, config: str, version: str, scenario: Row, before: dict[str, Any]) -> None:
    """One step, which must come out as the vector has it."""
    variables = {"CNI_COMMAND": step["cmd"], "CNI_CONTAINERID": step["id"], "CNI_IFNAME": step["ifname"]}
    printed = await caller.call({**ENVIRONMENT, **variables}, config)
    key = f"{step['id']}/{step['ifname']}"
    if step["cmd"] == "DEL":
        assert printed is None
    elif version in step.get("expectErrorForVersions", {}):
        assert printed["msg"] == step["expectErrorForVersions"][version]
    elif "expectErrorPrefix" in step:
        assert printed["msg"].startswith(step["expectErrorPrefix"])
    elif step.get("expectError"):
        assert any(str(each.get("note", "")).startswith(REPEATED) for each in scenario["steps"])
        assert printed == before[key]
    else:
        check_result(printed, step.get("expect", {}), version)
    before.setdefault(key, printed)


def check_result(printed: Any, expected: Row, version: str) -> None:
    """The result has what is expected, in the shape of the version."""
    assert printed["cniVersion"] == version
    if version in ("0.1.0", "0.2.0"):
        parts = [printed[name] for name in ("ip4", "ip6") if name in printed]
        given = [{"address": part["ip"], **part} for part in parts]
        routes = [route for part in parts for route in part.get("routes", [])]
    else:
        given, routes = printed["ips"], printed.get("routes", [])
    for found, wanted in zip(given, expected.get("ips", given), strict=True):
        assert wanted.items() <= found.items()
    assert all(route in routes for route in expected.get("routesInclude", []))
    assert printed.get("dns", {}) == expected.get("dns", printed.get("dns", {}))
