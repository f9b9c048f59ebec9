"""The command `import`: what another IPAM plugin has allocated goes over into ipamd.

Strategy: everything is read and shown, then tried (dryRun), and only then done, in one transaction of the daemon.
"""

import socket
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from ipamd.ctl.allocations import Found, read_configurations
from ipamd.ctl.client import Client
from ipamd.ctl.columns import columns
from ipamd.ctl.host_local_files import read_host_local
from ipamd.ctl.manifests import read_manifests
from ipamd.ctl.output import Output
from ipamd.ctl.whereabouts_manifests import read_whereabouts
from ipamd.errors import Misused
from ipamd.json import Json, Object

PATH = "/v1/attachments:import"


def take_over(client: Client, given: Namespace, output: Output) -> None:
    """Imports the allocations of host-local or whereabouts, all or none."""
    configs = read_configurations(given.config) if given.config is not None else {}
    if given.action == "host-local":
        found = read_host_local(Path(given.path))
    else:
        found, configs = read_whereabouts(read_manifests([given.path]), configs)
    request = request_for(given.node or socket.gethostname(), found, configs)
    tried = client.call("POST", f"{PATH}?dryRun=All", request)
    done = tried if given.dry_run else client.call("POST", PATH, request)
    shown: Object = {**done, "networks": {name: len(each) for name, each in found.networks.items()}}
    if output.json({**shown, "remarks": [*found.remarks], "dryRun": given.dry_run}):
        return
    for remark in found.remarks:
        output.text(remark)
    rows = [
        [name, str(len(each)), str(sum(len(one.addresses) for one in each))] for name, each in found.networks.items()
    ]
    output.text(columns(("network", "attachments", "addresses"), rows))
    verb = "could be" if given.dry_run else "were"
    output.text(f"{done['attachments']} attachments with {done['addresses']} addresses {verb} taken over")


def request_for(node: str, found: Found, configs: Mapping[str, Object]) -> Object:
    """The request that takes over what was found. Raises Misused for a network without a configuration."""
    networks: list[Json] = []
    for name, attachments in found.networks.items():
        if name not in configs:
            raise Misused(
                f"the ranges of network {name} are unknown: name its configuration, or their directory, by --config"
            )
        listed: list[Json] = [{**each._asdict(), "addresses": [*each.addresses]} for each in attachments]
        networks.append({"config": configs[name], "attachments": listed})
    return {"node": node, "networks": networks}
