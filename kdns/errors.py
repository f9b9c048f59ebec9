"""Every exception of kdns, each with the reply that it deserves.

Grouped by the moment: reading a packet, answering a question, asking an upstream, reading the configuration, starting.
"""

FORMERR, SERVFAIL, REFUSED = 1, 2, 5


class WireError(Exception):
    """Octets that are no DNS message (or name, or record). The sender is to blame: `rcode` is FORMERR."""

    rcode = FORMERR


class NoAnswer(Exception):
    """A plugin wrote no reply: the server sends an empty one with `rcode`.

    `reason` is what the *errors* plugin logs; None where there is nothing to log.
    """

    def __init__(self, rcode: int = SERVFAIL, reason: str | None = None) -> None:
        super().__init__(reason or f"no answer, rcode {rcode}")
        self.rcode = rcode
        self.reason = reason


class NoNext(NoAnswer):
    """Nobody wrote a reply since there is no plugin left to ask."""


class Dropped(Exception):
    """The query gets no reply at all (acl drop, erratic)."""


class EvaluationError(Exception):
    """An expression or a template of the Corefile that has no value for this query."""

    rcode = SERVFAIL


class UpstreamError(Exception):
    """An exchange with an upstream that gave no reply. The text is in the wording that operators' patterns match:
    `read udp 10.0.0.1:4711->10.0.0.2:53: i/o timeout`.
    """

    rcode = SERVFAIL


class ConnectionEnded(UpstreamError):
    """The upstream closed the connection before it replied: another connection may do."""


class NoSuchKey(UpstreamError):
    """A store was asked for a key that it does not have, nor anything below."""


class WrongReply(UpstreamError):
    """The upstream replied to another question than it was asked."""

    rcode = FORMERR


class ZoneError(Exception):
    """Zone data that cannot be served: text with a mistake (with file and line), a transfer that is no zone. What was
    there before is served on; where nothing was, the zone is SERVFAIL.
    """

    rcode = SERVFAIL


class ConfigError(Exception):
    """A Corefile that cannot be served. The text is complete: `FILE:LINE - what is wrong`."""


class StartError(Exception):
    """A configuration that reads well but cannot be started (address in use, file missing). The text is complete."""


class SnapshotError(Exception):
    """A file that is no snapshot of this cluster: cut, changed, of another version or configuration. It is not used;
    queries are answered as if there were none.
    """


class ApiError(Exception):
    """The Kubernetes API server could not be reached, refused, or sent what is no list or watch: ask it again later.

    No query sees it: what is known goes on being answered. `status` is the HTTP status or the code of a Status object,
    0 if there was none; `relist` says that a watch cannot go on from where it was, so that a new list must be compared
    with what is known; `retry_after` is how long the server asked to be left alone, in seconds.
    """

    def __init__(self, reason: str, *, status: int = 0, relist: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.status = status
        self.relist = relist
        self.retry_after = retry_after
