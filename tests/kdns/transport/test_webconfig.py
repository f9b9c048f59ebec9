"""Web configuration files: what is served, and what is refused rather than left out."""

import ssl
from pathlib import Path

import pytest

from kdns.errors import StartError
from kdns.transport import webconfig
from tests.kdns.transport import certificates


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    certificates.authority(folder, "server")
    return folder


def written(pki: Path, text: str) -> Path:
    path = pki / "web.yml"
    path.write_text(text)
    return path


def tls(*more: str) -> str:
    return "\n  ".join(["tls_server_config:", "cert_file: server.crt", "key_file: server.key", *more])


@pytest.mark.parametrize("text", ["", "{}", "tls_server_config: null"])
def test_a_file_that_sets_up_no_tls_gives_none(pki: Path, text: str) -> None:
    assert webconfig.context(written(pki, text)) is None


def test_tls_is_1_2_or_later_and_asks_for_no_certificate_by_default(pki: Path) -> None:
    context = webconfig.context(written(pki, tls()))
    assert context is not None
    assert (context.minimum_version, context.verify_mode) == (ssl.TLSVersion.TLSv1_2, ssl.CERT_NONE)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("VerifyClientCertIfGiven", ssl.CERT_OPTIONAL), ("RequireAndVerifyClientCert", ssl.CERT_REQUIRED)],
)
def test_client_certificates_can_be_asked_for(pki: Path, kind: str, mode: ssl.VerifyMode) -> None:
    more = f"client_auth_type: {kind}", "client_ca_file: server.crt", "min_version: TLS13"
    context = webconfig.context(written(pki, tls(*more)))
    assert context is not None
    assert (context.minimum_version, context.verify_mode) == (ssl.TLSVersion.TLSv1_3, mode)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[", "web configuration"),
        ("basic_auth_users: {admin: hash}", "basic_auth_users"),
        ("tls_server_config: {cert_file: server.crt}", "key_file"),
        (tls("cipher_suites: [X]"), "cipher_suites"),
        (tls("min_version: TLS10"), "TLS version 'TLS10' is not one of TLS12, TLS13"),
        (tls("client_auth_type: RequireAnyClientCert"), "client_auth_type 'RequireAnyClientCert' is not one of"),
        (tls("client_auth_type: RequireAndVerifyClientCert"), "go together"),
        (tls("client_ca_file: server.crt"), "go together"),
        ("tls_server_config: {cert_file: none.crt, key_file: server.key}", "names: no such file or directory"),
        ("tls_server_config: {cert_file: server.key, key_file: server.crt}", "web configuration"),
    ],
)
def test_says_what_is_wrong_with_a_file(pki: Path, text: str, complaint: str) -> None:
    with pytest.raises(StartError, match=complaint):
        webconfig.context(written(pki, text))


def test_says_that_the_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"open .*web.yml: no such file or directory"):
        webconfig.context(tmp_path / "web.yml")
