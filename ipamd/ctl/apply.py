"""The commands that bring manifests about: apply and delete.

`apply` creates what is missing and replaces what differs, and says which. What a status of a manifest says is applied
through the status path, as the API wants it. A refused object does not keep the others from being applied.
"""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy

from ipamd.ctl.client import Client
from ipamd.ctl.manifests import read_manifests
from ipamd.ctl.output import Output
from ipamd.ctl.resources import Place, place_of
from ipamd.errors import AskError, Missing, Refused, Unreachable
from ipamd.json import Json, Object
from ipamd.kube.document import child, text

Act = Callable[[Client, Object], tuple[Place, str]]

LONG = 50  # objects from which on a terminal gets a progress bar in place of a line for each
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
OF_THE_SERVER = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink")


def apply(client: Client, given: Namespace, output: Output) -> None:
    """Make the cluster have what the manifests say."""
    carry_out(client, read_manifests(given.filename), apply_one, output)


def delete(client: Client, given: Namespace, output: Output) -> None:
    """Delete what the manifests name, in reverse order."""
    carry_out(client, read_manifests(given.filename)[::-1], delete_one, output)


def carry_out(client: Client, manifests: list[Object], act: Act, output: Output) -> None:
    """Act on every manifest and say what was done. Raises the gravest error at the end."""
    done: list[Json] = []
    errors: list[AskError] = []
    is_long = len(manifests) >= LONG and output.is_terminal and output.form != "json"
    with progress(manifests) if is_long else plain(manifests) as steps:
        for manifest in steps:
            try:
                place, word = act(client, manifest)
            except Unreachable:
                raise
            except AskError as error:
                errors.append(error)
                print(f"ipamctl: {label(manifest)}: {error}", file=sys.stderr)
                continue
            named = {"kind": place.kind.name, "namespace": place.namespace, "name": place.name}
            done.append({**named, "action": word})
            if output.form != "json" and not is_long:
                output.text(f"{place} {word}")
    if not output.json(done) and is_long:
        output.text(summary(done))
    if errors:
        told = f"{len(errors)} of {len(manifests)} objects failed"
        raise Missing(told) if all(isinstance(error, Missing) for error in errors) else Refused(told)


def apply_one(client: Client, manifest: Object) -> tuple[Place, str]:
    """Create or replace one object: created, configured or unchanged."""
    place, wanted = place_of(manifest), deepcopy(manifest)
    for field in OF_THE_SERVER:
        child(wanted, "metadata").pop(field, None)
    try:
        before = client.call("GET", place.path) if place.name else None
    except Missing:
        before = None
    if before is None:
        made = client.call("POST", place.collection, wanted)
        return place._replace(name=text(made, "metadata", "name")), "created"
    after = client.call("PUT", place.path, wanted)
    if place.kind.has_status and "status" in wanted:
        after = client.call("PATCH", f"{place.path}/status", {"status": wanted["status"]}, MERGE_PATCH)
    return place, "unchanged" if version(after) == version(before) else "configured"


def delete_one(client: Client, manifest: Object) -> tuple[Place, str]:
    """Delete one object."""
    place = place_of(manifest)
    client.call("DELETE", place.path)
    return place, "deleted"


def version(document: Object) -> str:
    """The resourceVersion of an object."""
    return text(document, "metadata", "resourceVersion")


def label(manifest: Object) -> str:
    """A manifest as messages name it."""
    return f"{text(manifest, 'kind')} {text(manifest, 'metadata', 'name')}"


def summary(done: list[Json]) -> str:
    """How many objects were created, configured, unchanged or deleted."""
    words = [str(entry["action"]) for entry in done if isinstance(entry, dict)]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


@contextmanager
def plain(manifests: list[Object]) -> Iterator[Iterable[Object]]:
    """The manifests, with nothing shown."""
    yield manifests


@contextmanager
def progress(manifests: list[Object]) -> Iterator[Iterable[Object]]:
    """The manifests, with a bar that grows as they are taken."""
    from rich.progress import track  # here, since it takes longer to import than a short command takes to run

    yield track(manifests, description="ipamctl")
