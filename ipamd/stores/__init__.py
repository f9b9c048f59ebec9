"""The seam between the daemon and what makes its state durable.

Strategy: a store is a list of objects (Kubernetes objects and pools, as JSON), a table of leases and a log of every
change to them. All writing is `await store.update(fn)`: `fn` gets a transaction and runs to its end without a pause, so
what it reads stays true until it has written; the result is handed back when it is on disk. All reading of committed
state is `store.view(fn)`. Every change gets the next revision, in one order without gaps; a revision never comes again.
"""

from asyncio import Future
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO, Literal, NamedTuple, Protocol, TypeVar

from ipamd.errors import DryRun
from ipamd.json import Object
from ipamd.model import Cooling, Lease, LeaseFilter, Owner, Tenure, TenureFilter
from ipamd.ranges import Cidr

Op = Literal["ADDED", "MODIFIED", "DELETED"]

LARGEST_OBJECT = 3 << 19  # octets of JSON: 1.5 MiB, as etcd lets a Kubernetes API server store
MOST_REPLIES = 100_000  # to requests that may be repeated
PAGE = 1000  # leases read at once
T = TypeVar("T")


OwnerKey = tuple[str, str, str]
"""Kind, namespace and name."""


def key_of(owner: Owner) -> OwnerKey:
    """What identifies an owner, whatever its uid."""
    return owner.kind, owner.namespace, owner.name


class Stored(NamedTuple):
    """An object as stored: its key, the revision of its last change, and its JSON."""

    namespace: str
    name: str
    revision: int
    body: bytes


class Change(NamedTuple):
    """One row of the log. `time` is in seconds since the epoch.

    `body` is the JSON after the change, and of what was deleted the last state under the revision of its deletion.
    `previous` is the JSON before; None if the change added. A lease is logged under its pool and its address.
    """

    revision: int
    time: float
    op: Op
    kind: str
    namespace: str
    name: str
    body: bytes
    previous: bytes | None


class Kept(NamedTuple):
    """The reply to a request that may be repeated: a digest of the request, the status and body of the reply."""

    digest: bytes
    status: int
    body: bytes


class Changes(NamedTuple):
    """A stretch of the log. All that was asked for up to and including revision `upto` is in `rows`."""

    rows: Sequence[Change]
    upto: int


class Flaw(NamedTuple):
    """Where what is stored breaks an invariant: its name, what it is about, and how."""

    invariant: str
    subject: str
    detail: str


class Holding(NamedTuple):
    """How many blocks of a prefix length are leased, or cooling, in a pool."""

    pool: str
    prefix_length: int
    blocks: int


class View(Protocol):
    """One consistent state of the store, to read from."""

    @property
    def revision(self) -> int:
        """The revision of the last change in this state; 0 before the first."""

    def get(self, kind: str, namespace: str, name: str) -> Stored | None:
        """The object of that key, or None."""

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
        at: int | None = None,
    ) -> Sequence[Stored]:
        """Objects of a kind in bytewise order of (namespace, name), at most `limit`, beginning behind the key `after`.

        With `at`, the objects as they were at that revision. Raises Compacted if the log does not reach back so far.
        """

    def lease(self, lease_id: int) -> Lease | None:
        """The lease of that id, or None."""

    def lease_meeting(self, pool: str, block: Cidr) -> Lease | None:
        """The last lease of the pool that has an address in the block, which may be a single address, or None."""

    def held_blocks(self, pool: str) -> Iterable[tuple[int, int]]:
        """What the leases of the pool hold, the oldest lease first: first address, as a number, and prefix length."""

    def leases_of(self, owner: Owner) -> Sequence[Lease]:
        """The leases of the owner, whatever its uid, in order of their ids."""

    def owners_known(self, owners: Iterable[OwnerKey]) -> set[OwnerKey]:
        """Those of the owners that have a lease, or of whom something cools."""

    def leases(self, wanted: LeaseFilter, after: int = 0, limit: int | None = None) -> Sequence[Lease]:
        """Leases in order of their ids, at most `limit`, beginning behind the id `after`."""

    def cooling(self, owner: Owner) -> Sequence[Cooling]:
        """What cools since this owner, whatever its uid, gave it back; what ends last first."""

    def cooling_at(self, pool: str, block: Cidr) -> Cooling | None:
        """What cools in the pool and has an address in the block, the last such, or None."""

    def cooling_blocks(self, pool: str) -> Iterable[tuple[int, int]]:
        """What cools in the pool: first address, as a number, and prefix length."""

    def thawing(self, until: float, limit: int) -> Sequence[Cooling]:
        """What cools no longer than `until` (seconds since the epoch), what ends first first."""

    def next_thaw(self, pool: str) -> float | None:
        """When the first address of the pool has cooled (seconds since the epoch), or None if none cools."""

    def leases_by_namespace(self, pool: str) -> dict[str, int]:
        """How many leases of the pool the owners of each namespace have."""

    def leased(self) -> Sequence[Holding]:
        """How many blocks of each length are leased in each pool, counted."""

    def cooled(self) -> Sequence[Holding]:
        """How many blocks of each length cool in each pool, counted."""

    def flaws(self) -> Iterable[Flaw]:
        """What in the store contradicts itself. Takes long: it reads all that there is."""

    def growth(self, pool: str, since: float) -> int:
        """By how many leases the pool has more than at `since` (seconds since the epoch)."""

    def reply(self, key: str) -> Kept | None:
        """What a request of that key was answered, or None."""

    @property
    def clock(self) -> float:
        """The time of the last change, in seconds since the epoch."""

    @property
    def identity(self) -> str:
        """What tells this store from every other, for ever."""

    def tenures(self, wanted: TenureFilter, limit: int) -> Sequence[Tenure]:
        """Who had what when, by address or name; at most `limit`, those that began last first, what lasts included."""

    def expiring(self, until: float, limit: int) -> Sequence[Lease]:
        """Leases that expire at or before `until` (seconds since the epoch), the earliest first."""


class Tx(View, Protocol):
    """A transaction: a view of the state that includes its own changes, and the means to change it."""

    @property
    def now(self) -> float:
        """The time of the transaction, in seconds since the epoch."""

    def put(self, kind: str, namespace: str, name: str, document: Object) -> Stored:
        """Add or replace an object. Its `metadata`, if it has one, gets the new revision as `resourceVersion`.

        Raises TooLarge for one of more than LARGEST_OBJECT octets.
        """

    def delete(self, kind: str, namespace: str, name: str) -> Stored | None:
        """Take an object away and return it as it was, under the revision of the deletion; None if there was none."""

    def put_lease(self, lease: Lease) -> Lease:
        """Add a lease (one without an id, which it gets) or replace it; returns it with its new revision."""

    def add_leases(self, leases: Sequence[Lease]) -> None:
        """Add many leases. Their ids are their revisions: those behind `revision`, without a gap."""

    def delete_lease(self, lease: Lease, reason: str) -> None:
        """Take away a lease that is there; who had it until now, and why no longer, stays in the history."""

    def cool(self, lease: Lease, until: float) -> None:
        """Keep what a lease held from everybody but its owner until that time (seconds since the epoch)."""

    def thaw(self, cooling: Cooling) -> None:
        """End that."""

    def keep_reply(self, key: str, kept: Kept, until: float) -> None:
        """Keep what a request of that key was answered, until that time.

        Of more than MOST_REPLIES those go that would go first.
        """

    def forget_replies(self, until: float, limit: int) -> int:
        """Forget the replies kept no longer than `until`, at most `limit`, and return how many."""

    def forget_history(self, until: float, limit: int) -> int:
        """Forget who had what in leases that ended before `until`, at most `limit`, and return how many."""

    @property
    def old_because(self) -> str:
        """Why the store is an old copy of itself, from which nothing may be given; empty if it is none."""

    def accept_age(self) -> None:
        """Have an old copy go on as the store, with revisions that were never reached before. Forgets the log."""

    def compact(self, revision: int) -> None:
        """Forget the rows of the log up to and including `revision`."""

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Have `undo` called if what this transaction did is taken back; the last registered comes first.

        For state in memory that is derived from the store: change it at once, and register how to change it back.
        """


Follower = Callable[[Tx, Change], None]
"""Sees every change to an object within the transaction that makes it, and may make further ones."""

Listener = Callable[[Sequence[Change], float], None]
"""Hears of every commit: its changes, and the seconds it took."""


class Store(Protocol):
    """A durable store. Its methods are called on the event loop only."""

    @property
    def revision(self) -> int:
        """The last committed revision."""

    @property
    def compacted(self) -> int:
        """The last revision that the log has forgotten; 0 if it reaches back to the first."""

    @property
    def old_because(self) -> str:
        """Why the store is an old copy of itself; empty if it is none."""

    async def copy(self) -> BinaryIO:
        """A copy of the store that knows that it is one, in a file without a name, to be read and closed.

        Raises StoreFull, StoreUnavailable.
        """

    async def update(self, change: Callable[[Tx], T]) -> T:
        """Run `change` in a transaction, and return what it returned once that is durable.

        If it raises, what it did is taken back and the exception is raised here. Raises StoreFull or StoreUnavailable,
        likewise with nothing kept, if the store could not be written. `change` must not await, nor keep the
        transaction.
        """

    def submit(self, change: Callable[[Tx], T]) -> Future[T]:
        """The same, as a future; whoever asks for much need not have a task for each."""

    def view(self, read: Callable[[View], T]) -> T:
        """Run `read` on the committed state, and return what it returned. Raises StoreUnavailable."""

    async def apart(self, read: Callable[[View], T]) -> T:
        """Run `read` on one committed state in a thread, for what takes long. Raises StoreUnavailable."""

    def changes(self, since: int, kinds: Collection[str], limit: int) -> Changes:
        """The changes behind revision `since` to objects of these kinds, at most `limit`. Raises Compacted."""

    def last_changes(self) -> dict[str, int]:
        """The revision of the last change that the log knows of every kind."""

    def follow(self, follower: Follower) -> None:
        """Show every later change of an object to `follower`, in the transaction that makes it."""

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every later commit."""

    async def close(self) -> None:
        """Finish what was asked for and let go of the files."""


def each_lease(view: View) -> Iterator[Lease]:
    """Every lease in order of its id, PAGE of them in memory at a time."""
    after = 0
    while page := view.leases(LeaseFilter(), after, PAGE):
        yield from page
        after = page[-1].id


async def tried(store: Store, change: Callable[[Tx], T]) -> T:
    """What `change` would return now; nothing that it does is kept. Raises what `Store.update` raises."""
    found: list[T] = []

    def attempt(tx: Tx) -> None:
        found.append(change(tx))
        raise DryRun

    with suppress(DryRun):
        await store.update(attempt)
    return found[0]
