"""Web configuration files: how a metrics address speaks TLS, in the form of Prometheus' exporters.

The file is YAML, as github.com/prometheus/exporter-toolkit describes it. Of its settings the TLS ones are served, but
cipher suites and curves, which stay OpenSSL's; a file with any other is refused, since a page that somebody believes
to be behind a password must not be open. Relative paths are relative to the file.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from kdns.errors import StartError

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
CLIENTS = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}

T = TypeVar("T")


class _Tls(Struct, forbid_unknown_fields=True):
    cert_file: str
    key_file: str
    client_auth_type: str = ""
    client_ca_file: str = ""
    min_version: str = "TLS12"
    max_version: str = "TLS13"


class _WebConfig(Struct, forbid_unknown_fields=True):
    tls_server_config: _Tls | None = None


def context(path: Path) -> ssl.SSLContext | None:
    """The TLS context of the file as it is now; None if it sets up none. StartError if it cannot be used."""
    try:
        config = msgspec.yaml.decode(path.read_bytes() or b"{}", type=_WebConfig)
        return _context(config.tls_server_config, path.parent) if config.tls_server_config else None
    except FileNotFoundError as missing:
        named = missing.filename or f"a file that {path} names"  # OpenSSL does not say which
        raise StartError(f"open {named}: no such file or directory") from missing
    except (OSError, ValueError) as wrong:
        raise StartError(f"web configuration {path}: {wrong}") from wrong


def _context(config: _Tls, where: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(where / config.cert_file, where / config.key_file)
    made.minimum_version = _chosen(VERSIONS, config.min_version, "TLS version")
    made.maximum_version = _chosen(VERSIONS, config.max_version, "TLS version")
    mode = _chosen(CLIENTS, config.client_auth_type, "client_auth_type")
    if (mode == ssl.CERT_NONE) != (not config.client_ca_file):
        raise ValueError("client_ca_file and a client_auth_type that verifies go together")
    if config.client_ca_file:
        made.load_verify_locations(where / config.client_ca_file)
    made.verify_mode = mode
    return made


def _chosen(known: Mapping[str, T], name: str, what: str) -> T:
    if name not in known:
        raise ValueError(f"{what} {name!r} is not one of {', '.join(filter(None, known))}")
    return known[name]
