"""The checker: what must hold of a store, whatever has happened to it, and of what the daemon keeps of it in memory.

Strategy: every check yields findings, each under the name of the invariant that is broken. `check` reads one committed
state and may take as long as it likes, in a thread or on the file of a daemon that does not run; `counting` compares a
running daemon's memory with the store, inside a transaction, where neither can change.

What is about order in time, and not about a state, no checker can see: that what was acknowledged is durable, that a
release frees only what it means, that requests may be repeated and race. That is for the tests.
"""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from ipamd.fsck import blocks, owners
from ipamd.stores import Flaw, View


class Invariant(NamedTuple):
    """What has to hold, and what to do where it does not."""

    text: str
    remedy: str


RESTORE = "stop ipamd and put a backup in the place of the store, then `ipamctl reconcile --accept-rollback`"
REPORT = "restart ipamd, which counts anew, and report this as a fault of ipamd"
RECONCILE = "`ipamctl reconcile` shows what has no owner any more, and with `--yes` frees it"

INVARIANTS = {
    "one-owner": Invariant(
        "an address has one owner in its space, and the pools of a space never overlap",
        "release the lease that is wrong (`ipamctl release ID`); `ipamctl history ADDRESS` tells who came first",
    ),
    "inside-pool": Invariant(
        "a lease lies in its pool, and not on an address that the pool withholds",
        "release the lease (`ipamctl release ID`), or widen the pool",
    ),
    "durable": Invariant("the file of the store is sound", RESTORE),
    "counts": Invariant("what is free, leased, cooling and reserved is the pool, as a recount finds it", REPORT),
    "idempotent": Invariant("a lease has one id for ever, and a generation that only grows", RESTORE),
    "attached": Invariant("an attachment and its leases name each other", "run the runtime's GC, or " + RECONCILE),
    "alive": Invariant("the Pod that has a lease exists, as the incarnation that got it", RECONCILE),
    "cooling": Invariant("what cools is not leased", "release the lease (`ipamctl release ID`)"),
    "blocks": Invariant("a pool made of a block lies in the lease of the block", "delete the pool, or lease the block"),
    "canonical": Invariant("addresses are canonical and blocks aligned", RESTORE),
    "history": Invariant("log, history and state agree, without gaps and overlaps", RESTORE),
    "shown": Invariant(
        "the addresses in a Pod, Service or Node are leased to it, so that DNS tells the truth",
        "delete the object and make it again, or lease the address to it",
    ),
    "quotas": Invariant("the leases of a namespace are counted right", REPORT),
    "own-past": Invariant("the store is the newest copy of itself", "see `ipamctl reconcile --accept-rollback`"),
}  # fmt: skip


class Finding(NamedTuple):
    """Where an invariant is broken, how, and what to do."""

    invariant: str
    subject: str
    detail: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.subject} {self.detail}"


def check(view: View) -> Iterator[Finding]:
    """Every invariant of the state, over all that is stored."""
    return map(finding, chain(view.flaws(), blocks.flaws(view), owners.flaws(view)))


def finding(flaw: Flaw) -> Finding:
    """A flaw with what to do about it."""
    return Finding(*flaw, INVARIANTS[flaw.invariant].remedy)
