"""host-local's data directory: `NETWORK/ADDRESS` files, each with the container and the interface that have it.

Strategy: what a kill has left (files of no length) is told and passed over, for nobody can say whose the address is.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from ipamd.ctl.allocations import USUAL, Attachment, Found
from ipamd.errors import Misused

CURSOR = "last_reserved_ip."
LOCK = "lock"


def read_host_local(place: Path) -> Found:
    """What is in host-local's data directory, or in that of one network. Raises Misused."""
    if not place.is_dir():
        raise Misused(
            f"{place} is no directory: host-local's data is meant, as in /var/lib/cni/networks (see --config)"
        )
    directories = [path for path in sorted(place.iterdir()) if path.is_dir()] or [place]
    remarks: list[str] = []
    networks = {path.name: list(attachments_in(path, remarks)) for path in directories}
    return Found({name: found for name, found in networks.items() if found}, remarks)


def attachments_in(directory: Path, remarks: list[str]) -> Iterator[Attachment]:
    """The attachments of one network, that with the address that was given last at the end: there ipamd goes on."""
    held: dict[tuple[str, str], list[str]] = {}
    for path in sorted(directory.iterdir()):
        address = address_named(path)
        if address is None:
            if path.name != LOCK and not path.name.startswith(CURSOR):
                remarks.append(f"{path}: not an address, passed over")
            continue
        container, _, ifname = path.read_text(errors="replace").strip().partition("\n")
        if not container.strip():
            remarks.append(f"{path}: torn, it names no container; passed over, so {address} is free in ipamd")
            continue
        if not ifname.strip():
            remarks.append(f"{path}: names no interface, taken as {USUAL}")
        held.setdefault((container.strip(), ifname.strip() or USUAL), []).append(address)
    last = {path.read_text(errors="replace").strip() for path in directory.glob(f"{CURSOR}*")}
    for (container, ifname), addresses in sorted(held.items(), key=lambda each: not last.isdisjoint(each[1])):
        yield Attachment(container, ifname, tuple(addresses))


def address_named(path: Path) -> str | None:
    """The address that a file stands for, or None. Where a name cannot have a colon there is an underscore."""
    try:
        return str(ip_address(path.name.replace("_", ":")))
    except ValueError:
        return None
