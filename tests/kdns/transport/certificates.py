"""Certificates for tests, made by the openssl command: one that is its own authority, or an authority and its own."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key


def make(directory: Path) -> Path:
    """A file with certificate and key, for 127.0.0.1 and dns.example, which is its own authority."""
    names = "-addext", "subjectAltName=DNS:dns.example,IP:127.0.0.1"
    made, file = _signed(directory, "certificate", *names), directory / "certificate.pem"
    file.write_text(made.read_text() + made.with_suffix(".key").read_text())
    return file


def authority(directory: Path, name: str) -> Path:
    """`NAME.crt` and `NAME.key` of a new authority; gives the certificate's path."""
    return _signed(directory, name, "-addext", "basicConstraints=critical,CA:TRUE")


def certificate(directory: Path, name: str, issuer: str, usage: str = "") -> Path:
    """`NAME.crt` and `NAME.key` for 127.0.0.1, signed by the authority `issuer` of the same directory.

    `usage` is what it may be used for (extendedKeyUsage).
    """
    ca = "-CA", str(directory / f"{issuer}.crt"), "-CAkey", str(directory / f"{issuer}.key")
    names = "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"
    return _signed(directory, name, *ca, *names, *(("-addext", f"extendedKeyUsage={usage}") if usage else ()))


def expired(directory: Path, name: str, issuer: str) -> Path:
    """The same of a certificate that is over since yesterday, which the openssl command does not make."""
    made = certificate(directory, name, issuer)
    before = x509.load_pem_x509_certificate(made.read_bytes())
    key = load_pem_private_key((directory / f"{issuer}.key").read_bytes(), None)
    now = datetime.now(UTC)
    assert isinstance(key, EllipticCurvePrivateKey)
    builder = x509.CertificateBuilder(before.issuer, before.subject, before.public_key(), before.serial_number)
    builder = builder.not_valid_before(now - timedelta(days=2)).not_valid_after(now - timedelta(days=1))
    made.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    return made


def _signed(directory: Path, name: str, *more: str) -> Path:
    made = directory / f"{name}.crt"
    curve = "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"
    files = "-keyout", str(directory / f"{name}.key"), "-out", str(made)
    command = ["openssl", "req", "-x509", *curve, "-subj", f"/CN={name}", *files, *more]
    subprocess.run(command, check=True, capture_output=True)
    return made


def server_side(file: Path) -> ssl.SSLContext:
    """A server that shows the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def client_side(file: Path) -> ssl.SSLContext:
    """A client that trusts the certificate."""
    return ssl.create_default_context(cafile=str(file))
