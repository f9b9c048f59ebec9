"""A server's certificate and what it asks of clients: contexts for its listeners, made anew when the files change.

A context that TLS listeners hold gets the new certificate in place, so that connections from then on show it; one that
does not load leaves the old one, with a line in the log.
"""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdns.errors import StartError

LOOK = 1.0  # seconds between two looks at the files
VERIFY = {
    "nocert": ssl.CERT_NONE,
    "request": ssl.CERT_NONE,
    "require": ssl.CERT_REQUIRED,
    "verify_if_given": ssl.CERT_OPTIONAL,
    "require_and_verify": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True)
class Files:
    """The files of a certificate: chain and key in PEM, the authorities of clients' (None: the system's)."""

    cert: Path
    key: Path
    ca: Path | None = None
    client_auth: str = "nocert"
    keylog: Path | None = None

    def context(self, protocols: Sequence[str] = ()) -> ssl.SSLContext:
        """A server's context, TLS 1.2 at least. OSError or ValueError (as ssl.SSLError is) if it cannot be made."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.load_cert_chain(self.cert, self.key)
        made.verify_mode = VERIFY[self.client_auth]
        if self.ca is not None:
            made.load_verify_locations(self.ca)
        elif made.verify_mode is not ssl.CERT_NONE:
            made.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        if self.keylog is not None:
            made.keylog_filename = str(self.keylog)
        if protocols:
            made.set_alpn_protocols(list(protocols))
        return made


class Certificates:
    """The current context for one listener. `log` is told when other files were loaded, or could not be."""

    def __init__(
        self, files: Files, protocols: Sequence[str], clock: Callable[[], float], log: Callable[[str, str], None]
    ) -> None:
        self.files = files
        self._clock = clock
        self._log = log
        self._looked = clock()
        self._seen = self._times()
        self.renewals = 0
        try:
            self._context = files.context(protocols)
        except (OSError, ValueError) as fault:
            raise StartError(f"plugin/tls: could not load TLS cert: {fault}") from None

    def context(self) -> ssl.SSLContext:
        """The context for the next connection."""
        self.renew()
        return self._context

    def renew(self) -> None:
        """Look at the files, if the last look is a while ago, and load them if they are others."""
        now = self._clock()
        if now - self._looked < LOOK:
            return
        self._looked = now
        found = self._times()
        if found == self._seen:
            return
        self._seen = found
        try:
            self.files.context()  # whole before anything of it is used
            self._context.load_cert_chain(self.files.cert, self.files.key)
        except (OSError, ValueError) as fault:
            self._log("WARNING", f"{self.files.cert}: {fault}; the certificate loaded before stays")
            return
        self.renewals += 1
        self._log("INFO", f"{self.files.cert}: another certificate was loaded")

    def _times(self) -> tuple[int, ...]:
        """What tells these files from others; 0 for one that cannot be looked at now."""
        return tuple(_stamp(path) for path in (self.files.cert, self.files.key))


def _stamp(path: Path) -> int:
    try:
        status = path.stat()
    except OSError:
        return 0
    return hash((status.st_mtime_ns, status.st_ino, status.st_size))
