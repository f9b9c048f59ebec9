"""tls: the files of a certificate read from a Corefile, and what is wrong with them told."""

from pathlib import Path

import pytest

from kdns.errors import ConfigError
from kdns.plugins import tls
from tests.kdns.asking import args
from tests.kdns.transport import certificates


def setup(directory: Path, text: str) -> tls.Tls:
    return tls.setup(args(text, directory=directory))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    certificates.make(tmp_path)
    certificates.authority(tmp_path, "clients")
    return tmp_path


def test_files_are_relative_to_the_root(directory: Path) -> None:
    found = setup(directory, "tls certificate.crt certificate.key clients.crt {\nclient_auth verify_if_given\n}")

    assert found.files.cert == directory / "certificate.crt"
    assert found.files.ca == directory / "clients.crt"
    assert found.files.client_auth == "verify_if_given"


def test_keys_of_connections_are_written_where_that_is_wanted(directory: Path) -> None:
    said: list[str] = []
    text = "tls certificate.crt certificate.key {\nkeylog keys.log\n}"
    found = tls.setup(args(text, directory=directory, log=lambda level, line: said.append(line)))

    assert found.files.keylog == directory / "keys.log"
    assert "TLS Key Log" in said[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tls certificate.crt", "Wrong argument count"),
        ("tls certificate.crt missing.key", "could not load TLS cert"),
        ("tls certificate.key certificate.crt", "could not load TLS cert"),
        ("tls certificate.crt certificate.key clients.key", "could not load TLS cert"),
        ("tls certificate.crt certificate.key {\nclient_auth sometimes\n}", "unknown authentication type 'sometimes'"),
        ("tls certificate.crt certificate.key {\nclient_auth\n}", "Wrong argument count"),
        ("tls certificate.crt certificate.key {\nciphers all\n}", "unknown option 'ciphers'"),
        ("tls certificate.crt certificate.key\ntls certificate.crt certificate.key", "only be used once"),
        ("tls", "ACME requires at least one domain"),
        ("tls {\nacme 192.0.2.1\n}", 'invalid ACME domain "192.0.2.1"'),
        ("tls {\nacme dns.example\nca ftp://ca.example\n}", "invalid ACME CA URL"),
        ("tls {\nacme dns.example\nresolver 1.1.1.1\n}", "invalid ACME resolver"),
        ("tls {\nacme dns.example\nresolver 1.1.1.1:0\n}", "invalid ACME resolver port"),
        ("tls {\nacme dns.example\nca_root missing.pem\n}", "reading ACME CA root"),
        ("tls {\nacme dns.example\nacme other.example\n}", "can only be specified once"),
        ("tls {\nacme dns.example\nprovider a\n}", 'unknown ACME option "provider"'),
        ("tls {\nacme dns.example\nemail\n}", "Wrong argument count"),
    ],
)
def test_what_cannot_be_used_is_refused(directory: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        setup(directory, text)
