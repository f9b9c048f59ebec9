"""The commands about leases: lease, leases, search, release, renew, who."""

import socket
from argparse import Namespace
from urllib.parse import quote

from ipamd.ctl.client import Client, with_query
from ipamd.ctl.columns import columns
from ipamd.ctl.output import Output
from ipamd.errors import Missing, Misused
from ipamd.json import Json, Object

LEASE_HEAD = ("id", "address", "pool", "owner", "created", "expires")


def lease(client: Client, given: Namespace, output: Output) -> None:
    """Lease an address, or a block, and print it."""
    wish: Object = {"pool": given.pool, "owner": owner_of(given.owner)}
    wish |= {name: value for name, value in (("address", given.address), ("ttl", given.ttl)) if value is not None}
    if given.prefix_length is not None:
        wish["prefix_length"] = given.prefix_length
    if given.label:
        wish["labels"] = dict(label_of(text) for text in given.label)
    reply = client.call("POST", "/v1/leases", wish)
    if not output.json(reply):
        output.text(shown_address(reply))


def leases(client: Client, given: Namespace, output: Output) -> None:
    """Show the leases that all the filters let through."""
    filters = {name: getattr(given, name) for name in ("pool", "within", "node", "state", "namespace", "tag", "label")}
    if given.owner is not None:
        owner = owner_of(given.owner)
        filters |= {"kind": owner["kind"], "name": owner["name"]}
        filters["namespace"] = given.namespace or owner["namespace"] or None
    show_leases(client, output, filters)


def search(client: Client, given: Namespace, output: Output) -> None:
    """Show the leases of which owner, node, description, labels or tags have a text."""
    show_leases(client, output, {"q": given.text})


def show_leases(client: Client, output: Output, filters: dict[str, str | list[str] | None]) -> None:
    """Show all that the filters let through, asked for page by page."""
    found: list[Json] = []
    following: str | None = ""
    while following is not None:
        page = client.call("GET", with_query("/v1/leases", **filters, **{"continue": following or None}))
        found += items(page, "leases")
        following = str(page["continue"]) if "continue" in page else None
    reply: Object = {"leases": found}
    if not output.json(reply):
        output.text(columns(LEASE_HEAD, [lease_row(entry) for entry in documents(reply, "leases")]))


def release(client: Client, given: Namespace, output: Output) -> None:
    """Give a lease back."""
    found = lease_named(client, given.lease)
    client.call("DELETE", lease_path(found))
    if not output.json(found):
        output.text(f"released {shown_address(found)}")


def renew(client: Client, given: Namespace, output: Output) -> None:
    """Put off the end of a lease."""
    path = f"{lease_path(lease_named(client, given.lease))}/renew"
    reply = client.call("POST", path, {} if given.ttl is None else {"ttl": given.ttl})
    if not output.json(reply):
        output.text(f"{shown_address(reply)} expires {reply.get('expires', 'never')}")


def who(client: Client, given: Namespace, output: Output) -> None:
    """Show whose an address is."""
    reply = client.call("GET", with_query("/v1/leases", address=given.address))
    found = documents(reply, "leases")
    if not found:
        raise Missing(f"nobody has {given.address}")
    if not output.json(reply):
        output.text(columns(LEASE_HEAD, [lease_row(entry) for entry in found]))


def lease_named(client: Client, text: str) -> Object:
    """The lease of an id, or the one that an address belongs to. Raises Missing, also if there are several."""
    if text.isdigit():
        return client.call("GET", f"/v1/leases/{text}")
    found = documents(client.call("GET", with_query("/v1/leases", address=text)), "leases")
    if not found:
        raise Missing(f"there is no lease on {text}")
    if found[1:]:
        ids = ", ".join(str(each["id"]) for each in found)
        raise Missing(f"{text} is leased in several address spaces: name a lease by its id, which are {ids}")
    return found[0]


def lease_path(found: Object) -> str:
    """Where a lease is."""
    return f"/v1/leases/{quote(str(found['id']))}"


def lease_row(entry: Object) -> list[str]:
    """A lease as a row of LEASE_HEAD."""
    held = [str(entry["id"]), shown_address(entry), str(entry["pool"]), shown_owner(entry)]
    return [*held, str(entry["created"]), str(entry.get("expires", "never"))]


def shown_owner(entry: Object) -> str:
    """The owner in a document, as KIND/NAMESPACE/NAME."""
    owner = entry.get("owner")
    named = owner if isinstance(owner, dict) else {}
    return "/".join(str(named[part]) for part in ("kind", "namespace", "name") if named.get(part))


def shown_address(entry: Object) -> str:
    """The address of a lease; a block with its length."""
    address, length = str(entry["address"]), entry["prefix_length"]
    return address if length == (128 if ":" in address else 32) else f"{address}/{length}"


def owner_of(text: str | None) -> Object:
    """KIND/NAME or KIND/NAMESPACE/NAME as an owner; this machine when nothing is given. Raises Misused."""
    if text is None:
        return {"kind": "Host", "name": socket.gethostname()}
    kind, *rest = text.split("/")
    if not kind or not 1 <= len(rest) <= 2 or not rest[-1]:
        raise Misused(f"an owner is KIND/NAME or KIND/NAMESPACE/NAME, not {text!r}")
    return {"kind": kind, "namespace": rest[0] if len(rest) == 2 else "", "name": rest[-1]}


def label_of(text: str) -> tuple[str, str]:
    """KEY=VALUE as a label. Raises Misused."""
    key, equals, value = text.partition("=")
    if not equals:
        raise Misused(f"a label is KEY=VALUE, not {text!r}")
    return key, value


def documents(reply: Object, name: str) -> list[Object]:
    """The objects in a list of a reply."""
    return [entry for entry in items(reply, name) if isinstance(entry, dict)]


def items(reply: Object, name: str) -> list[Json]:
    """A list of a reply."""
    found = reply.get(name)
    return found if isinstance(found, list) else []
