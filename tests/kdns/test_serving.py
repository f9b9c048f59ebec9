"""What a place is opened with, by its transport, and why it cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest

from kdns.answer import Answers
from kdns.errors import StartError
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.plugins.quic import Quic
from kdns.plugins.tls import Tls
from kdns.serving import Around, Behind, Place, opened
from kdns.transport.certificates import Files
from kdns.transport.sockets import Shares
from tests.kdns.server import Kdns
from tests.kdns.transport import certificates


def around() -> Around:
    metrics = Metrics()
    return Around(Answers("", {}, False, metrics, lambda *fault: None), lambda: Memo(1 << 20), metrics, Shares())


@pytest.mark.parametrize("scheme", ["quic", "https3"])
def test_quic_needs_a_certificate(scheme: str) -> None:
    with pytest.raises(StartError, match="the server block needs `tls CERT KEY`"):
        opened(Place(scheme, "127.0.0.1", 0), Behind({}), around())


def test_a_certificate_that_went_away_since_the_set_up_is_told_of(tmp_path: Path) -> None:
    tls = Tls(Files(tmp_path / "gone.pem", tmp_path / "gone.pem"), print)
    with pytest.raises(StartError, match="could not load TLS cert"):
        opened(Place("tls", "127.0.0.1", 0), Behind({}, values=(tls,)), around())


def test_a_directive_that_is_not_there_means_its_defaults() -> None:
    behind = Behind({}, values=(Quic(max_streams=1),))
    assert behind.value(Quic).max_streams == 1
    assert Behind({}).value(Quic) == Quic()
    assert Behind({}).value(Tls) is None


@pytest.mark.parametrize(
    ("scheme", "library", "extra"),
    [("https", "h2", "doh"), ("grpc", "google.protobuf", "grpc"), ("quic", "aioquic", "doq")],
)
def test_a_library_that_is_missing_is_named_with_what_brings_it(
    scheme: str, library: str, extra: str, tmp_path: Path
) -> None:
    certificates.make(tmp_path)
    corefile = tmp_path / "Corefile"
    corefile.write_text(f"{scheme}://.:0 {{\nbind 127.0.0.1\ntls certificate.crt certificate.key\nwhoami\n}}\n")
    script = f"import sys; sys.modules[{library!r}] = None; import runpy; runpy.run_module('kdns', run_name='__main__')"
    command = [sys.executable, "-c", script, "-conf", str(corefile)]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "pip install 'kdns[" in said.stdout + said.stderr
    assert extra in said.stdout + said.stderr


def test_one_server_speaks_every_transport(tmp_path: Path) -> None:
    """As its clients see it: kdig over UDP, TCP, TLS, HTTPS and QUIC, all from one block."""
    certificates.make(tmp_path)
    schemes = "tls", "quic", "https", "https3", "grpc"
    ports = {scheme: Kdns(tmp_path, "").port for scheme in schemes}
    keys = " ".join(f"{scheme}://.:{port}" for scheme, port in ports.items())
    block = "bind 127.0.0.1\ntls certificate.crt certificate.key\nhosts {\n192.0.2.7 www.example.org\n}"
    server = Kdns(tmp_path, f"{keys} .:@PORT@ {{\n{block}\n}}\n")
    server.start()
    try:
        trust = f"+tls-ca={tmp_path / 'certificate.crt'}", "+tls-hostname=dns.example"
        asked = {
            "+notcp": server.port,
            "+tcp": server.port,
            "+tls": ports["tls"],
            "+https": ports["https"],
            "+quic": ports["quic"],
        }
        for flag, port in asked.items():
            how = (*trust, flag) if flag in ("+tls", "+https", "+quic") else (flag,)
            command = ["kdig", "@127.0.0.1", "-p", str(port), *how, "www.example.org", "A", "+short"]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert said == "192.0.2.7\n", (flag, said)
    finally:
        server.stop()
