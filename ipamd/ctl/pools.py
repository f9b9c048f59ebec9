"""The commands about pools: pools, pool create|set|delete, grow, shrink, drain, explain."""

import json
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

from ipamd.ctl.client import Client
from ipamd.ctl.columns import columns
from ipamd.ctl.leases import documents, items, label_of, owner_of
from ipamd.ctl.output import Output
from ipamd.errors import Misused, Outdated, Refused
from ipamd.json import Json, Object

HEAD = ("name", "cidrs", "purpose", "capacity", "used", "cooling", "reserved", "free", "leases", "use", "full")
TRIES = 10  # to change a pool that others change at the same time
BAR = 10  # characters of the bar that shows how full a pool is
WORDS = frozenset({"cidrs", "exclude", "ranges", "namespaces", "nodes", "tags"})  # settings that are lists of texts
DOCUMENTS = {  # settings that are JSON
    "block_size": "a prefix length",
    "cooldown": "a number of seconds",
    "drained": "true or false",
    "per_node": "true or false",
    "quotas": 'an object such as {"shop":2,"*":9}',
    "reservations": 'a list such as [{"addresses":"192.0.2.7","kind":"Host","name":"gw"}]',
}
COUNTS = frozenset({"capacity", "used", "cooling", "reserved", "free", "leases", "full_at"})  # not the pool's own


def pools(client: Client, given: Namespace, output: Output) -> None:
    """Show every pool, how full it is, and the day on which it will be full if it goes on so."""
    reply = client.call("GET", "/v1/pools?forecast=true")
    if not output.json(reply):
        output.text(columns(HEAD, [row(pool) for pool in documents(reply, "pools")]))


def create(client: Client, given: Namespace, output: Output) -> None:
    """Make a pool that there is not yet."""
    made: Object = {"name": given.pool, "cidrs": given.cidr, **settings(given.setting)}
    _show(client.call("POST", "/v1/pools", made), output, "is made")


def change(client: Client, given: Namespace, output: Output) -> None:
    """Change what is given of a pool, and nothing else."""
    wanted = settings(given.setting)
    _change(client, given.pool, output, "is changed", lambda _: wanted)


def delete(client: Client, given: Namespace, output: Output) -> None:
    """Delete a pool in which nothing is leased."""
    client.call("DELETE", f"/v1/pools/{quote(given.pool)}")
    if not output.json({"pool": given.pool, "action": "deleted"}):
        output.text(f"pool {given.pool} is deleted")


def settings(words: list[str]) -> Object:
    """KEY=VALUE words as settings of a pool; None for a value that is empty, which is the default. Raises Misused."""
    found: Object = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not key or not equals:
            raise Misused(f"a setting is KEY=VALUE, such as purpose=lb, not {word!r}")
        found[key] = setting(key, text) if text else None
    return found


def setting(key: str, text: str) -> Json:
    """A value of a setting, as the setting has it: JSON, words with commas between them, or a text. Raises Misused."""
    if key in WORDS:
        return [*text.split(",")]
    if key not in DOCUMENTS:
        return text
    try:
        document: Json = json.loads(text)
    except ValueError:
        raise Misused(f"{key} is {DOCUMENTS[key]}, not {text!r}") from None
    return document


def grow(client: Client, given: Namespace, output: Output) -> None:
    """Add CIDRs to a pool."""
    _change(client, given.pool, output, "is changed", lambda pool: {"cidrs": [*items(pool, "cidrs"), *given.cidr]})


def shrink(client: Client, given: Namespace, output: Output) -> None:
    """Take CIDRs from a pool, if nothing in them is leased. Raises Misused for what it does not have, and for all."""

    def without(pool: Object) -> Object:
        cidrs = items(pool, "cidrs")
        for cidr in given.cidr:
            if cidr not in cidrs:
                raise Misused(f"pool {given.pool} has no {cidr}; it has {', '.join(map(str, cidrs))}")
        left = [cidr for cidr in cidrs if cidr not in given.cidr]
        if not left:
            remedy = f"delete the pool (`ipamctl pool delete {given.pool}`), drain it, or grow it first"
            raise Misused(f"pool {given.pool} would have no CIDR left: {remedy}")
        return {"cidrs": left}

    _change(client, given.pool, output, "is changed", without)


def drain(client: Client, given: Namespace, output: Output) -> None:
    """Have a pool give no more leases, or give again."""
    words = "gives again" if given.undo else "is drained"
    _change(client, given.pool, output, words, lambda _: {"drained": not given.undo})


def explain(client: Client, given: Namespace, output: Output) -> None:
    """Show what a lease would get, and what each pool says to it. Raises Refused if it would get nothing."""
    owner = owner_of(given.owner)
    if given.namespace is not None:
        owner["namespace"] = given.namespace
    wish: Object = {"owner": owner, "labels": dict(label_of(text) for text in given.label or ())}
    asked = {
        "pool": given.pool,
        "purpose": given.purpose,
        "address": given.address,
        "prefix_length": given.prefix_length,
        "node": given.node,
    }
    reply = client.call(
        "POST", "/v1/explain", wish | {name: value for name, value in asked.items() if value is not None}
    )
    if not output.json(reply):
        pools = documents(reply, "pools")
        rows = [[str(each["pool"]), str(each.get("would_give") or "-"), reason(each)] for each in pools]
        output.text(columns(("pool", "would give", "why not"), rows))
        if reply["would_give"]:
            output.text(f"a lease would get {reply['would_give']} of pool {reply['pool']}")
    if not reply["would_give"]:
        raise Refused("a lease would get nothing")


def row(pool: Object) -> list[str]:
    """A pool as a row of HEAD."""
    shown = [str(pool["name"]), ",".join(map(str, items(pool, "cidrs"))), str(pool["purpose"])]
    numbers = [str(pool[name]) for name in ("capacity", "used", "cooling", "reserved", "free", "leases")]
    drained = " drained" if pool.get("drained") else ""
    return [*shown, *numbers, bar(pool) + drained, str(pool.get("full_at", "-"))[:10]]


def bar(pool: Object) -> str:
    """How much of a pool is in use, for the eye."""
    capacity, free = int(str(pool["capacity"])), int(str(pool["free"]))
    share = (capacity - free) / capacity if capacity else 1.0
    return "#" * round(share * BAR) + "." * (BAR - round(share * BAR)) + f" {share:.0%}"


def reason(verdict: Object) -> str:
    """Why a pool would give nothing, or nothing."""
    problem = verdict.get("problem")
    return str(problem["detail"]) if isinstance(problem, dict) else ""


def _change(client: Client, name: str, output: Output, words: str, changed: Callable[[Object], Object]) -> None:
    """Have what `changed` returns in place of what a pool says of itself, unless somebody else changed it meanwhile."""
    path = f"/v1/pools/{quote(name)}"
    for _ in range(TRIES):
        found, tag = client.tagged(path)
        pool = {key: value for key, value in found.items() if key not in COUNTS}
        with suppress(Outdated):
            wanted: Object = {key: value for key, value in (pool | changed(pool)).items() if value is not None}
            _show(client.call("PUT", path, wanted, {"If-Match": tag}), output, words)
            return
    raise Refused(f"pool {name} is changed by others all the time")


def _show(pool: Object, output: Output, words: str) -> None:
    if not output.json(pool):
        output.text(f"pool {pool['name']} {words}: {pool['free']} of {pool['capacity']} addresses are free")
