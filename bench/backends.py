"""What stands behind the plugins that are compared: a name server, an etcd, and as much of a Nomad as is asked for."""

import base64
import json
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.ports import free_port

PATIENCE = 30.0  # seconds for an etcd to start
UPSTREAM = """\
example.org:{port} {{
    file {directory}/example.org
    transfer {{
        to *
    }}
}}
grpc://example.org:{grpc} {{
    file {directory}/example.org
}}
"""
KEYS: Mapping[str, Mapping[str, Any]] = {
    "org/skydns": {"host": "192.0.2.1", "ttl": 77},
    "org/skydns/web/a": {"host": "192.0.2.10", "port": 8080},
    "org/skydns/web/b": {"host": "192.0.2.11", "port": 8081, "priority": 20, "weight": 50},
    "org/skydns/web/six": {"host": "2001:db8::10", "port": 8082, "ttl": 11},
    "org/skydns/alias": {"host": "web.skydns.org"},
    "org/skydns/outside": {"host": "elsewhere.example.net"},
    "org/skydns/loop/one": {"host": "loop.skydns.org"},
    "org/skydns/text/a": {"text": "hello there"},
    "org/skydns/text/b": {"text": "and more", "host": "192.0.2.12"},
    "org/skydns/mail/a": {"host": "mx.skydns.org", "mail": True, "priority": 5},
    "org/skydns/mx": {"host": "192.0.2.25"},
    "org/skydns/ns/dns/a": {"host": "192.0.2.53"},
    "org/skydns/group/a": {"host": "192.0.2.31", "group": "g1"},
    "org/skydns/group/b": {"host": "192.0.2.32", "group": "g2"},
    "org/skydns/deep/er/x": {"host": "192.0.2.40"},
    "arpa/in-addr/192/0/2/10": {"host": "web.skydns.org"},
}
WEB = [("192.0.2.1", 8080), ("2001:db8::1", 8081), ("192.0.2.2", 8080)]
SERVICES = {("web", "default"): WEB, ("web", "prod"): [("192.0.2.9", 80)], ("six", "default"): [("2001:db8::2", 53)]}


class Backends:
    """All of them, each started when it is first asked for. `running` ends them."""

    def __init__(self, directory: Path, running: ExitStack) -> None:
        self._directory = directory
        self._running = running
        self._places: dict[str, str] = {}

    def upstream(self) -> str:
        """A Corefile for a CoreDNS with the zone example.org, at @UPSTREAM@ and, over gRPC, @GRPC@."""
        self._places |= {"UPSTREAM": str(free_port()), "GRPC": str(free_port())}
        return UPSTREAM.format(port=self._places["UPSTREAM"], grpc=self._places["GRPC"], directory=self._directory)

    def filled(self, corefile: str) -> str:
        """A Corefile with the places of what it names: @UPSTREAM@, @GRPC@, @ETCD@, @NOMAD@."""
        for word, start in (("ETCD", self._etcd), ("NOMAD", self._nomad)):
            if f"@{word}@" in corefile and word not in self._places:
                self._places[word] = start()
        for word, place in self._places.items():
            corefile = corefile.replace(f"@{word}@", place)
        return corefile

    def _etcd(self) -> str:
        clients, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        words = ["--data-dir", str(self._directory / "etcd"), "--name", "one", "--initial-cluster", f"one={peers}"]
        words += ["--listen-client-urls", clients, "--advertise-client-urls", clients]
        words += ["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(["etcd", *words], stdout=quiet, stderr=quiet)
        self._running.callback(process.wait)
        self._running.callback(process.terminate)
        _wait_for(f"{clients}/health")
        for key, value in KEYS.items():
            pair = {"key": _base64(f"/skydns/{key}"), "value": _base64(json.dumps(value))}
            urllib.request.urlopen(f"{clients}/v3/kv/put", json.dumps(pair).encode()).close()
        return clients

    def _nomad(self) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Agent)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self._running.callback(server.server_close)
        self._running.callback(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}"


class _Agent(BaseHTTPRequestHandler):
    """What a Nomad agent says of SERVICES."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body: Any = {"member": {"Name": "here"}}
        if url.path.startswith("/v1/service/"):
            namespace = parse_qs(url.query).get("namespace", ["default"])[0]
            name = url.path.removeprefix("/v1/service/")
            body = [_registration(name, namespace, *each) for each in SERVICES.get((name, namespace), ())]
        octets = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""


def _registration(name: str, namespace: str, address: str, port: int) -> dict[str, Any]:
    job = {"JobID": "job", "AllocID": "a", "NodeID": "n1", "Datacenter": "dc1", "Tags": []}
    return {
        "ID": f"{name}-{address}",
        "ServiceName": name,
        "Namespace": namespace,
        "Address": address,
        "Port": port,
        **job,
    }


def _wait_for(url: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
