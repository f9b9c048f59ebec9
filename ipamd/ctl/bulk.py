"""The commands export and import leases: many leases at once.

Strategy of an import: pools that lie in blocks of others come after the leases of these. What would keep owners out of
a pool that it gave to once is said only when its leases are there.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import Progress

from ipamd.ctl.client import Client
from ipamd.ctl.leases import documents, items
from ipamd.ctl.output import Output
from ipamd.ctl.pools import COUNTS
from ipamd.errors import Misused
from ipamd.json import Json, Object

BATCH = 1000  # leases in one request
WISHED = ("pool", "owner", "address", "prefix_length", "labels", "ttl", "node", "description", "tags")
NARROWING = frozenset(
    {"drained", "quotas", "namespaces", "namespace_selector", "selector", "nodes", "node_selector", "reservations"}
)  # what keeps some owners out
WITH_OBJECTS = frozenset({"Service", "Node", "IPAddress"})  # the leases of these come with the objects


def export(client: Client, given: Namespace, output: Output) -> None:
    """Write every pool and lease to a file, or to standard output, a JSON document a line."""
    counts = {"Pool": 0, "Lease": 0}
    with ExitStack() as opened:
        target: IO[str] = sys.stdout if given.path == "-" else opened.enter_context(Path(given.path).open("w"))
        progress = opened.enter_context(bar(given.path != "-"))
        task = progress.add_task("export", total=sum(number(pool["leases"]) for pool in all_pools(client)))
        for document in client.stream("/v1/export", {}):
            target.write(json.dumps(document, separators=(",", ":")) + "\n")
            counts[str(document["kind"])] += 1
            progress.update(task, completed=counts["Lease"])
    if given.path != "-" and not output.json({**counts}):
        output.text(f"{given.path} has {counted(counts['Pool'], 'pool')} and {counted(counts['Lease'], 'lease')}")


def take_in(client: Client, given: Namespace, output: Output) -> None:
    """Make the pools and leases of an export: each lease at its address, or nothing of its batch.

    With `--dry-run` it is only tried. What is there already stays as it is, so an import may be repeated. Leases of
    Kubernetes objects that have their addresses in their spec are left out, for they come with the objects; not so the
    blocks of Nodes that are pools.
    """
    pools, leases = read_export(given.path)
    missing = [pool for pool in pools if pool["name"] not in {each["name"] for each in all_pools(client)}]
    with bar(not given.dry_run) as progress:
        if given.dry_run:
            known = [lease for lease in leases if lease["pool"] not in {pool["name"] for pool in missing}]
            for batch in batches(known):
                client.call("POST", "/v1/leases:batch?dryRun=All", {"leases": batch})
        else:
            make(client, missing, leases, progress)
    verb = "could be made" if given.dry_run else "are there"
    if not output.json({"pools": len(missing), "leases": len(leases), "dryRun": given.dry_run}):
        output.text(f"{counted(len(missing), 'new pool')} and {counted(len(leases), 'lease')} {verb}")


def make(client: Client, pools: list[Object], leases: list[Object], progress: Progress) -> None:
    """Makes pools that are not there, and leases."""
    task = progress.add_task("import", total=len(leases))
    made: list[Object] = []
    try:
        for layer, standing in layers(pools, leases):
            for pool in layer:
                put(client, {name: value for name, value in pool.items() if name not in NARROWING})
                made.append(pool)
            for batch in batches(standing):
                client.call("POST", "/v1/leases:batch", {"leases": batch})
                progress.advance(task, len(batch))
    finally:
        for pool in made:
            if NARROWING & pool.keys():
                put(client, pool)


def put(client: Client, pool: Object) -> None:
    """Makes a pool what it is to be."""
    client.call("PUT", f"/v1/pools/{pool['name']}", pool)


def layers(pools: list[Object], leases: list[Object]) -> Iterator[tuple[list[Object], list[Object]]]:
    """Pools and the leases in them, in an order in which they can be made; first the leases in pools that are there."""
    waiting = {pool["name"]: pool for pool in pools}
    layer: list[Object] = []
    while True:
        yield layer, [lease for lease in leases if lease["pool"] not in waiting]
        leases = [lease for lease in leases if lease["pool"] in waiting]
        if not waiting:
            return
        layer = [pool for pool in waiting.values() if pool.get("parent") not in waiting] or [*waiting.values()]
        waiting = {name: pool for name, pool in waiting.items() if pool not in layer}


def read_export(path: str) -> tuple[list[Object], list[Object]]:
    """The pools and the wishes for leases of an export. Raises Misused, with the line, for what is none."""
    pools: list[Object] = []
    leases: list[Object] = []
    of_objects: list[Object] = []
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"cannot read {path}: {error}") from None
    for position, line in enumerate(text.splitlines(), start=1):
        document = read_line(path, position, line)
        if document["kind"] == "Pool":
            pools.append({name: value for name, value in document.items() if name not in ("kind", *COUNTS)})
        else:
            wish = {name: document[name] for name in WISHED if name in document}
            (of_objects if owner_kind(document) in WITH_OBJECTS else leases).append(wish)
    return pools, [wish for wish in of_objects if is_cut_up(wish, pools)] + leases


def is_cut_up(lease: Object, pools: list[Object]) -> bool:
    """Whether a pool was made of the block that is leased."""
    inside = (str(cidr) for pool in pools if pool.get("parent") == lease.get("pool") for cidr in items(pool, "cidrs"))
    with suppress(ValueError):  # what is no block is for the daemon to refuse
        block = ip_network(f"{lease.get('address')}/{lease.get('prefix_length')}")
        return any(ip_network(cidr).overlaps(block) for cidr in inside)
    return False


def read_line(path: str, position: int, line: str) -> Object:
    """A document of an export. Raises Misused."""
    try:
        document = json.loads(line)
    except json.JSONDecodeError as error:
        raise Misused(f"{path}:{position}: no JSON: {error}") from None
    if not isinstance(document, dict) or document.get("kind") not in ("Pool", "Lease"):
        raise Misused(f"{path}:{position}: neither a Pool nor a Lease; is it an export of ipamctl?")
    return document


def owner_kind(document: Object) -> str:
    """The kind of a lease's owner."""
    owner = document.get("owner")
    return str(owner.get("kind")) if isinstance(owner, dict) else ""


def batches(leases: list[Object]) -> Iterator[list[Json]]:
    """The leases, so many at a time."""
    for start in range(0, len(leases), BATCH):
        yield [*leases[start : start + BATCH]]


def all_pools(client: Client) -> list[Object]:
    """Every pool of the daemon."""
    return documents(client.call("GET", "/v1/pools"), "pools")


def number(value: Json) -> int:
    """A count of a reply."""
    return value if isinstance(value, int) else 0


def counted(count: int, thing: str) -> str:
    """A number of things, in words."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def bar(is_shown: bool) -> Progress:
    """A progress bar on standard error, if that is a terminal and somebody is to see it."""
    return Progress(console=Console(stderr=True), transient=True, disable=not (is_shown and sys.stderr.isatty()))
