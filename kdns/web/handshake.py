"""The certificates of QUIC's handshake: the server's, which may change, and those that clients show.

A client's is verified before anything is read of its streams. aioquic makes sure that a client has the key of the
certificate that it shows, but verifies no chain, and asks for one only by a switch of its own. Both are done here: the
switch is thrown when a connection begins, and when its handshake is over the chain is looked at as OpenSSL does it for
the other transports. What will not do is closed with TLS's alert (RFC 9001 section 4.8). Should the switch go, no
client has a certificate any more, and all are refused that need one.
"""

import ssl
from pathlib import Path
from typing import Any, NamedTuple

from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import Alert, AlertBadCertificate, AlertDescription, AlertUnsupportedCertificate, verify_certificate
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from kdns.transport.certificates import Certificates

FOR_CLIENTS = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


class Configurations:
    """aioquic's configuration for new connections, made again when the certificate is another one."""

    def __init__(self, certificates: Certificates, protocol: str, idle: float) -> None:
        self._certificates = certificates
        self._protocol = protocol
        self._idle = idle
        self._loaded = certificates.renewals
        self._configuration = self._made()

    def current(self) -> QuicConfiguration:
        """The configuration for a connection that begins now."""
        self._certificates.renew()
        if self._loaded != self._certificates.renewals:
            self._loaded = self._certificates.renewals
            self._configuration = self._made()
        return self._configuration

    def _made(self) -> QuicConfiguration:
        files = self._certificates.files
        made = QuicConfiguration(is_client=False, alpn_protocols=[self._protocol], idle_timeout=self._idle)
        made.load_cert_chain(files.cert, files.key)
        return made


class Clients(NamedTuple):
    """Whose certificates are taken: those that `authorities` (PEM; None: the system's) have signed for clients.

    `required`: whether a client may do without.
    """

    authorities: Path | None
    required: bool

    def ask(self, quic: Any) -> None:
        """Have a connection that has not begun ask its client for a certificate."""
        initialize = quic._initialize

        def initialized(peer_cid: bytes) -> None:
            initialize(peer_cid)
            quic.tls._request_client_certificate = True

        quic._initialize = initialized

    def refusal(self, quic: Any) -> AlertDescription | None:
        """Why a connection whose handshake is over is to be closed, or None."""
        shown: x509.Certificate | None = quic.tls._peer_certificate
        if shown is None:
            return AlertDescription.certificate_required if self.required else None
        try:
            _verify(shown, quic.tls._peer_certificate_chain, self.authorities)
        except Alert as alert:
            return alert.description
        return None


def _verify(shown: x509.Certificate, chain: list[x509.Certificate], authorities: Path | None) -> None:
    """Alert for a certificate that is over, not to be trusted, or not for clients (RFC 5280 section 4.2.1.12)."""
    if authorities is None:
        system = ssl.get_default_verify_paths()
        verify_certificate(shown, chain, cafile=system.cafile, capath=system.capath)
    else:
        verify_certificate(shown, chain, cafile=str(authorities))
    try:
        usage = shown.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    except ValueError:
        raise AlertBadCertificate("extensions that cannot be read") from None
    if FOR_CLIENTS.isdisjoint(usage):
        raise AlertUnsupportedCertificate("not for clients")
