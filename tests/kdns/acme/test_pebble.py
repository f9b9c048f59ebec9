"""A certificate from Pebble, which sees to it that its clients do as RFC 8555 says, by way of kdns's own answers."""

import json
import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from bench.ports import free_port
from tests.kdns.server import Kdns
from tests.kdns.transport import certificates

Start = Callable[..., Kdns]

COREFILE = """\
.:@PORT@ {
    bind 127.0.0.1
    whoami
}
tls://dns.example:TLS {
    bind 127.0.0.1
    tls {
        acme dns.example *.dns.example
        ca https://127.0.0.1:ACME/dir
        ca_root certificate.crt
        storage certificates
        email admin@dns.example
    }
    whoami
}
"""


@pytest.fixture
def pebble(tmp_path: Path) -> Iterator[Callable[[int], int]]:
    """Start one that looks names up at a port; gives its own."""
    certificates.make(tmp_path)
    running: list[subprocess.Popen[bytes]] = []

    def start(dns: int) -> int:
        port = free_port()
        config = {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{free_port()}",
            "certificate": str(tmp_path / "certificate.crt"),
            "privateKey": str(tmp_path / "certificate.key"),
            "httpPort": 1,
            "tlsPort": 1,
        }
        file = tmp_path / "pebble.json"
        file.write_text(json.dumps({"pebble": config}))
        command = ["pebble", "-config", str(file), "-strict", "-dnsserver", f"127.0.0.1:{dns}"]
        with (tmp_path / "pebble.log").open("wb") as output:
            environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1"}
            running.append(subprocess.Popen(command, stdout=output, stderr=output, env=environment))
        while "ACME directory available" not in (tmp_path / "pebble.log").read_text():
            assert running[0].poll() is None
        return port

    yield start
    for process in running:
        process.terminate()
        process.wait(20)


def test_a_certificate_is_fetched_and_shown(tmp_path: Path, pebble: Callable[[int], int]) -> None:
    server = Kdns(tmp_path, "")
    tls, acme = free_port(), pebble(server.port)
    server.write(COREFILE.replace("TLS", str(tls)).replace("ACME", str(acme)))
    server.start()
    try:
        server.wait_for("obtained a certificate for dns.example, *.dns.example")
        shown = shown_at(tls)
        while "Pebble" not in shown.issuer.rfc4514_string():
            shown = shown_at(tls)
        assert server.ask("_acme-challenge.dns.example. TXT").answer == ()
    finally:
        assert server.stop() == 0
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {*names.get_values_for_type(x509.DNSName)} == {"dns.example", "*.dns.example"}
    kept = tmp_path / "certificates"
    assert {path.stat().st_mode & 0o777 for path in kept.iterdir()} == {0o600}
    server.start()  # what is kept is shown at once, and nothing is fetched again
    try:
        assert shown_at(tls) == shown
    finally:
        assert server.stop() == 0
    assert "obtained" not in server.output.read_text()


def shown_at(port: int) -> x509.Certificate:
    """The certificate that a listener shows."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode())


def test_until_then_there_is_one_that_nobody_trusts_and_word_of_what_is_wrong(tmp_path: Path) -> None:
    certificates.make(tmp_path)
    server = Kdns(tmp_path, "")
    tls = free_port()
    server.write(COREFILE.replace("TLS", str(tls)).replace("ACME", str(free_port())))
    server.start()
    try:
        said = server.wait_for("could not obtain a certificate for dns.example, trying again in 60s: ACME:")
        shown = shown_at(tls)
    finally:
        assert server.stop() == 0
    assert "[ERROR] plugin/tls: " in said
    assert shown.issuer == shown.subject
