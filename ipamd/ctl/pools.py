"""The commands about pools: pools, grow, shrink, drain, explain."""

from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

from ipamd.ctl.client import Client
from ipamd.ctl.columns import columns
from ipamd.ctl.leases import documents, items, label_of, owner_of
from ipamd.ctl.output import Output
from ipamd.errors import Misused, Outdated, Refused
from ipamd.json import Object

HEAD = ("name", "cidrs", "purpose", "capacity", "used", "cooling", "reserved", "free", "leases", "use", "full")
TRIES = 10  # to change a pool that others change at the same time
BAR = 10  # characters of the bar that shows how full a pool is
COUNTS = frozenset({"capacity", "used", "cooling", "reserved", "free", "leases", "full_at"})  # not the pool's own


def pools(client: Client, given: Namespace, output: Output) -> None:
    """Shows every pool, how full it is, and the day on which it will be full if it goes on so."""
    reply = client.call("GET", "/v1/pools?forecast=true")
    if not output.json(reply):
        output.text(columns(HEAD, [row(pool) for pool in documents(reply, "pools")]))


def grow(client: Client, given: Namespace, output: Output) -> None:
    """Adds CIDRs to a pool."""
    _change(client, given.pool, output, "is changed", lambda pool: {"cidrs": [*items(pool, "cidrs"), *given.cidr]})


def shrink(client: Client, given: Namespace, output: Output) -> None:
    """Takes CIDRs from a pool, if nothing in them is leased. Raises Misused for what it does not have, and for all."""

    def without(pool: Object) -> Object:
        cidrs = items(pool, "cidrs")
        for cidr in given.cidr:
            if cidr not in cidrs:
                raise Misused(f"pool {given.pool} has no {cidr}; it has {', '.join(map(str, cidrs))}")
        left = [cidr for cidr in cidrs if cidr not in given.cidr]
        if not left:
            raise Misused(f"pool {given.pool} would have no CIDR left: drain it, or delete it")
        return {"cidrs": left}

    _change(client, given.pool, output, "is changed", without)


def drain(client: Client, given: Namespace, output: Output) -> None:
    """Has a pool give no more leases, or give again."""
    words = "gives again" if given.undo else "is drained"
    _change(client, given.pool, output, words, lambda _: {"drained": not given.undo})


def explain(client: Client, given: Namespace, output: Output) -> None:
    """Shows what a lease would get, and what each pool says to it. Raises Refused if it would get nothing."""
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
            reply = client.call("PUT", path, pool | changed(pool), {"If-Match": tag})
            if not output.json(reply):
                output.text(f"pool {name} {words}: {reply['free']} of {reply['capacity']} addresses are free")
            return
    raise Refused(f"pool {name} is changed by others all the time")
