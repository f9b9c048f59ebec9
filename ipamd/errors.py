"""Every exception of ipamd, each with the reply that it deserves.

`status` is the HTTP status, `code` the stable word that programs compare, `title` the same for every occurrence
(RFC 9457 section 3.1); the text of the exception is the detail, and `members` are the extension members of the
problem document. Grouped by the moment: reading a request, finding things, allocating, storing, starting.
"""

from typing import ClassVar

from ipamd.json import Json, Object


class IpamError(Exception):
    """A request that is refused. Never raised itself: each subclass names one reason."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, **members: Json) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


# Reading a request


class Malformed(IpamError):
    """The body or a parameter cannot be read: not JSON, a wrong type, an unknown field, no IP address."""

    status, code, title = 400, "malformed", "The request cannot be read"


class Invalid(IpamError):
    """The request reads well, but its values cannot be meant."""

    status, code, title = 422, "invalid", "The request cannot be carried out as it stands"


class Unfit(Invalid):
    """No block of that size can be in a pool; in another it can, perhaps."""


class EncodedBody(IpamError):
    """A Content-Encoding on a request; refused, for a small body could unpack to any size."""

    status, code, title = 415, "encoded-body", "Compressed request bodies are not read"


class TooLarge(IpamError):
    """A body with more octets than the server reads, or an object with more than it stores."""

    status, code, title = 413, "too-large", "The body is too large"


class MethodNotAllowed(IpamError):
    """The path exists, but not with this method."""

    status, code, title = 405, "method-not-allowed", "The method is not allowed"


class Failed(IpamError):
    """A fault of the daemon: its log tells more."""

    status, code, title = 500, "failed", "The server failed"


# Finding things


class NotFound(IpamError):
    """There is no such object."""

    status, code, title = 404, "not-found", "There is no such thing"


class UnknownPool(IpamError):
    """The pool that the request names does not exist."""

    status, code, title = 404, "unknown-pool", "There is no such pool"


class UnknownLease(IpamError):
    """The lease that the request names does not exist, or no longer does."""

    status, code, title = 404, "unknown-lease", "There is no such lease"


class AlreadyExists(IpamError):
    """The name is in use."""

    status, code, title = 409, "already-exists", "The name is in use"


class Conflict(IpamError):
    """The request contradicts what is stored, or what was stored has changed since the caller read it."""

    status, code, title = 409, "conflict", "The request conflicts with what is stored"


class PreconditionFailed(IpamError):
    """The thing is not at the revision that If-Match or If-None-Match say; the member `revision` tells at which."""

    status, code, title = 412, "precondition-failed", "A condition of the request does not hold"


class KeyReused(IpamError):
    """The Idempotency-Key came before with another request."""

    status, code, title = 422, "idempotency-key-reused", "The key belongs to another request"


class Overtaken(IpamError):
    """The request was undone, by its Idempotency-Key, before it came."""

    status, code, title = 409, "overtaken", "The request was undone already"


class Compacted(IpamError):
    """The change log no longer reaches back to the revision that was asked for; list again."""

    status, code, title = 410, "compacted", "The change log begins later"


# Allocating


class OutsidePool(IpamError):
    """The address that was asked for is not in the pool."""

    status, code, title = 422, "outside-pool", "The address is outside the pool"


class Withheld(IpamError):
    """The address is in the pool but never handed out: network, broadcast, gateway or an exclusion."""

    status, code, title = 422, "withheld", "The address is never handed out"


class Taken(IpamError):
    """The address that was asked for belongs to somebody; the member `holder` tells whom."""

    status, code, title = 409, "taken", "The address is taken"


class Exhausted(IpamError):
    """No address (or block) that would do is free; the members give the counts of the pool."""

    status, code, title = 409, "exhausted", "The pool is exhausted"


class Cools(IpamError):
    """All that is free was given back a moment ago, and caches may name its last owner; `retry_after` is in seconds."""

    status, code, title = 409, "cooling", "The addresses are cooling"


class OldCopy(IpamError):
    """The store is an old copy of itself: what was given since it was made would be given again."""

    status, code, title = 503, "rolled-back", "The store is an old copy"


class Drained(IpamError):
    """The pool gives nothing more."""

    status, code, title = 409, "drained", "The pool is drained"


class Reserved(IpamError):
    """The address is kept for another owner."""

    status, code, title = 409, "reserved", "The address is reserved"


class NotAdmitted(IpamError):
    """The pool is not for this owner; the detail says why."""

    status, code, title = 403, "not-admitted", "The pool is for others"


class QuotaExceeded(IpamError):
    """The namespace has as many leases of the pool as it may."""

    status, code, title = 403, "quota-exceeded", "The quota is used up"


class NeedsThaw(Exception):
    """Nothing is free, but something cools: what has cooled by now is to be freed, and asked for again.

    `refusal` is what to refuse with if nothing has.
    """

    def __init__(self, refusal: IpamError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class PoolOverlap(IpamError):
    """The CIDRs of a new pool overlap those of another; the members say which."""

    status, code, title = 409, "pool-overlap", "The pool overlaps another"


class PoolInUse(IpamError):
    """The pool cannot go, or change so, while leases stand in it."""

    status, code, title = 409, "pool-in-use", "Leases stand in the pool"


# Storing


class StoreFull(IpamError):
    """The disk is full: nothing of the transaction was kept."""

    status, code, title = 507, "store-full", "The store has no room"


class StoreUnavailable(IpamError):
    """The store cannot be written or read now: nothing of the transaction was kept."""

    status, code, title = 503, "store-unavailable", "The store cannot be written"


class DryRun(Exception):
    """Ends a transaction that is only tried (`dryRun=All`), so that nothing of it stays; see `stores.tried`."""


# Answering on the Kubernetes paths


class StatusError(Exception):
    """A request on a Kubernetes path is refused: the members of the `Status` that says so.

    `reason` is the API machinery's word for it (NotFound, Conflict...), `details` names the object and the causes.
    """

    def __init__(self, status: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details


# Answering a container runtime


class CniError(Exception):
    """A CNI request that is refused: the members of the error result (CNI specification 1.1.0, "Error").

    `code` is a `ipamd.cni.codes.Code`, `message` short, `details` longer and often empty.
    """

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


# Answering Docker


class DockerError(Exception):
    """A request of dockerd that is refused; the text is what Docker shows its user."""


# Starting


class ConfigError(Exception):
    """A configuration that cannot be used. The text is complete; the exit status is 2."""


class StartError(Exception):
    """A sound configuration that cannot be started (address or store in use, newer schema). The exit status is 1."""


# Asking a daemon, for `ipamctl`: the text is complete, `exit_status` is what scripts see


class AskError(Exception):
    """A command of `ipamctl` that failed. Never raised itself: each subclass names one reason."""

    exit_status: ClassVar[int]


class Refused(AskError):
    """The daemon has refused the request."""

    exit_status = 1


class Outdated(Refused):
    """What was to be changed is not what had been read: somebody else changed it first."""


class Misused(AskError):
    """The command line, or a file that it names, cannot be used."""

    exit_status = 2


class Unreachable(AskError):
    """There is no daemon at the address, or it has gone away."""

    exit_status = 3


class Unsound(AskError):
    """What was checked is not as it must be."""

    exit_status = 5


class Missing(AskError):
    """There is no such thing at the daemon."""

    exit_status = 4
