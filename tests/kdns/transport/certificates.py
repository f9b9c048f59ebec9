"""Certificates for tests: a self-signed one for 127.0.0.1 and dns.example, made by openssl."""

import ssl
import subprocess
from pathlib import Path


def make(directory: Path) -> Path:
    """A file with certificate and key, which is its own authority."""
    key, file = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=dns.example", "-addext", "subjectAltName=DNS:dns.example,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(file)],
        check=True, capture_output=True,
    )  # fmt: skip
    file.write_text(file.read_text() + key.read_text())
    return file


def server_side(file: Path) -> ssl.SSLContext:
    """A server that shows the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def client_side(file: Path) -> ssl.SSLContext:
    """A client that trusts the certificate."""
    return ssl.create_default_context(cafile=str(file))
