"""A certificate authority of a test's own, made with the openssl command."""

import subprocess
from pathlib import Path


def authority(folder: Path, name: str) -> Path:
    """`NAME.crt` and `NAME.key` of a new authority; gives the certificate's path."""
    return _signed(folder, name, "-addext", "basicConstraints=critical,CA:TRUE")


def certificate(folder: Path, name: str, issuer: str, subject: str = "IP:127.0.0.1") -> Path:
    """`NAME.crt` and `NAME.key` for an address, signed by the authority `issuer` of the same folder."""
    ca = "-CA", str(folder / f"{issuer}.crt"), "-CAkey", str(folder / f"{issuer}.key")
    return _signed(folder, name, *ca, "-addext", f"subjectAltName={subject}", "-addext", "basicConstraints=CA:FALSE")


def _signed(folder: Path, name: str, *more: str) -> Path:
    made = folder / f"{name}.crt"
    curve = "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"
    files = "-keyout", str(folder / f"{name}.key"), "-out", str(made)
    subprocess.run(
        ["openssl", "req", "-x509", *curve, "-subj", f"/CN={name}", *files, *more], check=True, capture_output=True
    )
    return made
