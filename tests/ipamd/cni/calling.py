"""Calls as the executable makes them, for tests."""

import json
from collections.abc import Mapping
from typing import Any

from ipamd.cni.document import read_network
from ipamd.cni.frames import Call
from ipamd.cni.plan import Plan
from ipamd.cni.planning import plan_of

ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "some-container-id",
    "CNI_NETNS": "/some/netns/path",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "IgnoreUnknown=1",
    "CNI_PATH": "/some/cni/path",
}


def call(config: object, **environment: str | None) -> Call:
    """A call with this configuration (text: as it stands) and these variables, CNI_ before their names; None: unset."""
    changed = {f"CNI_{name}": value for name, value in environment.items()}
    variables = {name: value for name, value in {**ENVIRONMENT, **changed}.items() if value is not None}
    return Call(variables, config.encode() if isinstance(config, str) else json.dumps(config).encode())


def network(ipam: object, version: str = "1.0.0", name: str = "mynet", **more: object) -> dict[str, Any]:
    """A configuration with this `ipam` object."""
    return {"cniVersion": version, "name": name, "type": "bridge", "ipam": ipam, **more}


def plan(ipam: object, arguments: Mapping[str, str] | None = None, **more: Any) -> Plan:
    """The plan of a configuration with this `ipam` object."""
    return plan_of(read_network(json.dumps(network(ipam, **more)).encode()), arguments or {})


def frame(request: Call) -> bytes:
    """A request as the executable sends it."""
    entries = b"".join(f"{name}={value}\0".encode() for name, value in request.environment.items())
    body = entries + b"\0" + request.stdin
    return len(body).to_bytes(4, "big") + body
