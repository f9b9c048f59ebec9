"""Corefiles as they are written for other machines, moved to the ports and servers that a test has."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.ports import free_port
from tests.ipamd.daemon import Daemon
from tests.kdns import mmdb
from tests.kdns.server import Kdns
from tests.kdns.transport import certificates
from tests.kdns.zone import signed
from tests.system.demo import Nsd

ADMIN = re.compile(r"(?m)^(\s*)(health|ready|prometheus|pprof)(?: [^\s{]*:\d+)?(?=\s*(?:\{|$))")
FORWARD = re.compile(r"(?m)^(\s*forward [^\s{]+) [^{\n]+?(?=\s*(?:\{|$))")
KUBERNETES = re.compile(r"(?m)^(\s*kubernetes[^{\n]*?)\s*(\{?)$")
ENCRYPTED = re.compile(r"\b(tls|quic|https3?|grpc)://([^\s:]*):\d+")
KEY = re.compile(r"key file (\S+)")
PORT = re.compile(r":53(?=[\s,])")
MASTER = "$TTL 60\n@ SOA ns hostmaster 1 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.80\n"
FILES = {
    "NodeHosts": "192.168.56.11 node-1\n192.168.56.12 node-2\n",
    "db.example.org": MASTER,
    "zones/db.example.org": MASTER,
    "weights.txt": "www.example.org\n192.0.2.80 3\n192.0.2.81 1\n",
}


class Surroundings:
    """What a Corefile speaks to: an ipamd as its cluster, an NSD with example.org as the world outside."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.nsd = Nsd(directory)
        self.ipamd = Daemon(directory)
        self.ipamd.start()

    def stop(self) -> None:
        """End both."""
        self.nsd.stop()
        self.ipamd.stop()

    def moved(self, corefile: str) -> str:
        """The Corefile with ports, addresses and paths of this place."""
        text = ADMIN.sub(lambda found: f"{found[1]}{found[2]} 127.0.0.1:{free_port()}", corefile)
        text = FORWARD.sub(rf"\1 127.0.0.1:{self.nsd.port}", text)
        if "endpoint" in text:
            text = re.sub(r"endpoint \S+", f"endpoint {self.ipamd.url}", text)
        else:
            text = KUBERNETES.sub(self._with_endpoint, text)
        text = ENCRYPTED.sub(lambda found: f"{found[1]}://{found[2]}:{free_port()}", text)
        text = re.sub(r"(?m)^(\s*bind) .*$", r"\1 127.0.0.1", text)
        text = re.sub(r"lameduck \S+", "lameduck 1ms", text)  # nobody is there who has to notice
        return PORT.sub(":@PORT@", text.replace("/etc/coredns/NodeHosts", "NodeHosts"))

    @contextmanager
    def started(self, corefile: str, name: str) -> Iterator[Kdns]:
        """A kdns on the Corefile, moved here; it stops at the end, and nothing unforeseen is in its log."""
        directory = self.directory / name
        directory.mkdir()
        for file, content in FILES.items():
            path = directory / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        if ".mmdb" in corefile:
            mmdb.write(directory / "GeoLite2-City.mmdb")
        if "cert.pem" in corefile:
            made = certificates.make(directory)
            made.rename(directory / "cert.pem")
            (directory / "certificate.key").rename(directory / "key.pem")
        for stem in KEY.findall(corefile):
            new = signed.made(directory, "ECDSAP256SHA256", "-f", "KSK", zone=stem[1:].partition(".+")[0])
            for ending in (".key", ".private"):
                Path(f"{new}{ending}").rename(directory / f"{stem}{ending}")
        server = Kdns(directory, self.moved(corefile))
        server.start("-dns.port", str(server.port))
        try:
            yield server
        finally:
            status = server.stop()
        assert status == 0
        assert "Traceback" not in server.output.read_text()

    def _with_endpoint(self, found: re.Match[str]) -> str:
        endpoint = f"{found[1]} {{\nendpoint {self.ipamd.url}"
        return endpoint if found[2] else f"{endpoint}\n}}"
