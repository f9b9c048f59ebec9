"""Certificates for tests, made by the openssl command: one that is its own authority, or an authority and its own."""

import ssl
import subprocess
from pathlib import Path


def make(directory: Path) -> Path:
    """A file with certificate and key, for 127.0.0.1 and dns.example, which is its own authority."""
    names = "-addext", "subjectAltName=DNS:dns.example,IP:127.0.0.1"
    made, file = _signed(directory, "certificate", *names), directory / "certificate.pem"
    file.write_text(made.read_text() + made.with_suffix(".key").read_text())
    return file


def authority(directory: Path, name: str) -> Path:
    """`NAME.crt` and `NAME.key` of a new authority; gives the certificate's path."""
    return _signed(directory, name, "-addext", "basicConstraints=critical,CA:TRUE")


def certificate(directory: Path, name: str, issuer: str) -> Path:
    """`NAME.crt` and `NAME.key` for 127.0.0.1, signed by the authority `issuer` of the same directory."""
    ca = "-CA", str(directory / f"{issuer}.crt"), "-CAkey", str(directory / f"{issuer}.key")
    names = "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"
    return _signed(directory, name, *ca, *names)


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
