"""Endpoints and service accounts as ways to an API server."""

import ssl
from pathlib import Path

import pytest

from kdns.transport.access import Access, from_endpoint, in_cluster

HERE = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.mark.parametrize(
    ("given", "url", "host"),
    [
        ("http://127.0.0.1:8653", "http://127.0.0.1:8653", "127.0.0.1:8653"),
        ("https://api.example/k8s/clusters/c-1/", "https://api.example/k8s/clusters/c-1", "api.example"),
        ("http://[::1]:8653", "http://[::1]:8653", "[::1]:8653"),
        ("localhost:8653", "http://localhost:8653", "localhost:8653"),
    ],
)
def test_an_endpoint_is_a_url(given: str, url: str, host: str) -> None:
    access = from_endpoint(given)
    assert (access.url, access.host) == (url, host)


def test_an_endpoint_with_certificates_is_https_unless_it_says_otherwise() -> None:
    assert from_endpoint("api:6443", Path("c"), Path("k"), Path("ca")).url == "https://api:6443"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ftp://host",
        "http://",
        "http://h:port",
        "http://h:99999",
        "http://[::1",
        "http://u:p@h",
        "http://h?q",
        "http://h#f",
    ],
)
def test_says_what_is_no_url_of_a_server(given: str) -> None:
    with pytest.raises(ValueError, match="not a URL of an API server"):
        from_endpoint(given)


def test_a_pod_has_a_service_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "ca.crt").write_text("pem")

    access = in_cluster(HERE, tmp_path)

    assert access == Access("https://10.96.0.1:443", authority=tmp_path / "ca.crt", token_file=tmp_path / "token")
    assert access.bearer() == "secret"


def test_a_rotated_token_is_seen(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    access = in_cluster(HERE | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path)
    assert (access.url, access.bearer()) == ("https://[fd00::1]:443", "old")
    (tmp_path / "token").write_text("new")
    assert access.bearer() == "new"


def test_a_token_never_breaks_a_header(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"to\r\nken\0\xff\n")

    assert in_cluster(HERE, tmp_path).bearer() == "token"
    assert Access("https://api", token="to\nken\n").bearer() == "token"


@pytest.mark.parametrize(
    "environ", [{}, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, {**HERE, "KUBERNETES_SERVICE_PORT": ""}]
)
def test_says_that_this_is_no_pod(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"):
        in_cluster(environ, tmp_path)


def test_says_that_a_pod_has_no_token(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="token: no such file or directory"):
        in_cluster(HERE, tmp_path)


def test_plain_http_has_no_tls() -> None:
    assert Access("http://127.0.0.1", authority="whatever").tls() is None


def test_https_checks_certificates_unless_told_not_to() -> None:
    checked, unchecked = Access("https://api").tls(), Access("https://api", verify=False).tls()
    assert checked is not None
    assert unchecked is not None
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (unchecked.verify_mode, unchecked.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize("spoilt", [b"", b"no certificate", b"\xff\xfe\x00", None])
def test_certificates_that_cannot_be_read_are_an_os_error(spoilt: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    if spoilt is not None:
        file.write_bytes(spoilt)
    with pytest.raises(OSError, match=r"No such file|no start line|NO_CERTIFICATE|no certificates|PEM|EMPTY"):
        Access("https://api", authority=file).tls()
    with pytest.raises(OSError, match=r"No such file|PEM"):
        Access("https://api", certificate=file, key=file).tls()
