"""What another IPAM plugin has allocated, as far as it matters to ipamd, and the networks that it did so for."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ipamd.errors import Misused
from ipamd.json import Object

SUFFIXES = (".conf", ".conflist", ".json")  # of what a runtime reads
USUAL = "eth0"  # the interface that kubelets have made, where an old allocation does not name it


class Attachment(NamedTuple):
    """An interface of a container, with its addresses and the Pod that it belongs to, if that is known."""

    container: str
    ifname: str
    addresses: tuple[str, ...]
    namespace: str = ""
    pod: str = ""


class Found(NamedTuple):
    """The attachments of every network, and remarks on what was found that is no allocation, or but half of one."""

    networks: Mapping[str, Sequence[Attachment]]
    remarks: Sequence[str]


def read_configurations(place: Path) -> dict[str, Object]:
    """The network configurations in a directory of a runtime's, or in one file, by their names. Raises Misused."""
    try:
        files = [path for path in sorted(place.iterdir()) if path.suffix in SUFFIXES]
    except NotADirectoryError:
        files = [place]
    except OSError as error:
        raise Misused(f"cannot read {place}: {error.strerror}") from error
    found: dict[str, Object] = {}
    for path in files:
        found |= configurations(path.read_text(errors="replace"), str(path))
    return found


def configurations(content: str, name: str) -> dict[str, Object]:
    """The networks of a configuration or a list of plugins: of each what its IPAM plugin would see. Raises Misused."""
    try:
        document = json.loads(content)
    except ValueError as error:
        raise Misused(f"not JSON: {name}: {error}") from error
    if not isinstance(document, dict):
        raise Misused(f"not a network configuration: {name}")
    listed = document.get("plugins")
    plugins = listed if isinstance(listed, list) else [document]
    ipams = [plugin["ipam"] for plugin in plugins if isinstance(plugin, dict) and plugin.get("ipam")]
    network = str(document.get("name", ""))
    return {network: {"cniVersion": document.get("cniVersion", ""), "name": network, "ipam": ipams[0]}} if ipams else {}
