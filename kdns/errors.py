"""Every exception of kdns, each with the reply that it deserves.

Grouped by the moment: reading a packet, answering a question, reading the configuration, starting.
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


class Dropped(Exception):
    """The query gets no reply at all (acl drop, erratic)."""


class ConfigError(Exception):
    """A Corefile that cannot be served. The text is complete: `FILE:LINE - what is wrong`."""


class StartError(Exception):
    """A configuration that reads well but cannot be started (address in use, file missing). The text is complete."""
