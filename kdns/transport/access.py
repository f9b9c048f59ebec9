"""Where an API server is and how to speak to it: a plain endpoint, or the service account of the pod we run in.

Strategy: an Access names files and holds no secret that a file holds. They are read when they are used, so that a
rotated token or certificate is seen without a restart. Complaints are ValueErrors with a whole sentence; the caller
knows the file and line of the Corefile.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

Pem = Path | str  # a file, or the text itself


@dataclass(frozen=True)
class Access:
    """An API server's URL (no slash at its end) and the credentials for it; `token_file` goes before `token`."""

    url: str
    authority: Pem | None = None
    certificate: Pem | None = None
    key: Pem | None = None
    token: str = ""
    token_file: Path | None = None
    server_name: str | None = None
    verify: bool = True

    @property
    def host(self) -> str:
        """`host:port` as the metrics' label has it."""
        return urlsplit(self.url).netloc

    def bearer(self) -> str:
        """The token to send now, or "". OSError if its file cannot be read.

        Only characters that a header can have are taken (RFC 6750 section 2.1): a broken file is then a refused token.
        """
        text = _text(self.token_file) if self.token_file else self.token
        return re.sub(r"[^!-~]", "", text)

    def tls(self) -> ssl.SSLContext | None:
        """A fresh TLS context from the files as they are now; None for plain HTTP.

        OSError (ssl.SSLError is one) if a file is missing or is not what it should be.
        """
        if not self.url.startswith("https://"):
            return None
        context = ssl.create_default_context() if self.authority is None else _trusting(_text(self.authority))
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate is not None and self.key is not None:
            _load_certificate(context, _text(self.certificate) + "\n" + _text(self.key))
        return context


def from_endpoint(url: str, certificate: Path | None = None, key: Path | None = None, ca: Path | None = None) -> Access:
    """The server at `url`; without a scheme it is https if there is a certificate or CA, else http.

    ValueError if that is no URL of a server.
    """
    scheme = "https" if certificate or ca else "http"
    whole = url if "://" in url else f"{scheme}://{url}"
    return Access(server_url(whole), authority=ca, certificate=certificate, key=key)


def in_cluster(environ: Mapping[str, str], mounted: Path = SERVICE_ACCOUNT) -> Access:
    """The cluster that we are a pod of, by the environment and the files that every pod is given.

    ValueError if this is no pod, or one without a service account token.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        wanted = "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"
        raise ValueError(f"unable to load in-cluster configuration, {wanted}")
    token, ca = mounted / "token", mounted / "ca.crt"
    if not token.is_file():
        raise ValueError(f"open {token}: no such file or directory")
    shown = f"[{host}]" if ":" in host else host
    return Access(server_url(f"https://{shown}:{port}"), authority=ca if ca.is_file() else None, token_file=token)


def server_url(url: str) -> str:
    """The URL without a slash at its end. ValueError if it is not http(s)://host[:port][/path]."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as wrong:
        raise ValueError(f"not a URL of an API server: {url!r}: {wrong}") from wrong
    if not usable or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"not a URL of an API server: {url!r}")
    return url.rstrip("/")


def _text(pem: Pem) -> str:
    return pem.read_bytes().decode("ascii", "ignore") if isinstance(pem, Path) else pem


def _trusting(authorities: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=authorities)
    except ValueError as wrong:  # octets that are no text
        raise ssl.SSLError(f"no certificates: {wrong}") from wrong
    return context


def _load_certificate(context: ssl.SSLContext, pem: str) -> None:
    """OpenSSL reads a certificate and its key from a file only; this one is ours alone and gone at once."""
    with NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
