"""The name servers that are compared, each with one worker on the servers' core, with the same names and upstream.

kdns and CoreDNS read the Corefile that kubeadm installs, on a wildcard socket as there, and the same API server. The
others have the cluster as a zone or as hosts, and forward what is outside where they can.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.cluster import OUTSIDE, PLAIN, Cluster, outside_zone, plain_zone
from bench.ports import free_port
from bench.processes import CLIENT_CORE, SERVER_CORE, Server, keep_on_core, limit, running, wait_for_udp

COREFILE = """\
.:{port} {secure} {{
    errors
    health 127.0.0.1:{health} {{
        lameduck 5s
    }}
    ready 127.0.0.1:{ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        endpoint http://127.0.0.1:{api}
        pods {pods}
        fallthrough in-addr.arpa ip6.arpa
        startup_timeout 60s
        ttl 30
        {cluster}
    }}
    {more}
    prometheus 127.0.0.1:{admin}
    forward . 127.0.0.1:{upstream} {{
        max_concurrent 1000
    }}
    cache 30 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    loop
    reload
    loadbalance
}}
"""
FILE = """\
.:{port} {{
    errors
    prometheus 127.0.0.1:{admin}
    file {directory}/{zone}.zone {zone}
    reload
}}
"""
NSD = """\
server:
    ip-address: 127.0.0.1@{port}
    ip-address: 127.0.0.1@{tls}
    tls-port: {tls}
    tls-service-key: "{directory}/key.pem"
    tls-service-pem: "{directory}/cert.pem"
    username: ""
    database: ""
    pidfile: "{directory}/nsd-{port}.pid"
    xfrdfile: "{directory}/xfrd-{port}.state"
    zonelistfile: "{directory}/zone-{port}.list"
    zonesdir: "{directory}"
    server-count: 1
    ipv4-edns-size: 4096
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: {zone}
    zonefile: {zone}.zone
"""
KNOT = """\
server:
    rundir: "{own}"
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    udp-max-payload: 4096
database:
    storage: "{own}"
zone:
  - domain: {zone}
    storage: "{directory}"
    file: {zone}.zone
"""
BIND = """\
options {{
    directory "{directory}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    max-udp-size 4096;
    dnssec-validation no;
    forward only;
    forwarders {{ 127.0.0.1 port {upstream}; }};
    recursive-clients 10000;
}};
controls {{ }};
zone "{zone}" {{ type primary; file "{zone}.zone"; }};
"""
UNBOUND = """\
server:
    interface: 127.0.0.1@{port}
    num-threads: 1
    username: ""
    chroot: ""
    directory: "{directory}"
    pidfile: ""
    logfile: ""
    use-syslog: no
    do-daemonize: no
    do-not-query-localhost: no
    module-config: "iterator"
    include: "{directory}/local-data"
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@{upstream}
"""
DNSMASQ = (
    "dnsmasq -k -p {port} --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --user=root --pid-file= "
    "--conf-file=/dev/null --addn-hosts={directory}/hosts --local=/cluster.local/ --server=127.0.0.1#{upstream} "
    "--cache-size=10000 --dns-forward-max=1000"
)
WITHOUT_C = (
    "import sys; sys.modules |= {'kdns.transport.drain': None, 'kdns.wire.sections': None}; "
    "from kdns.__main__ import main; main()"
)
BY_NAME = "autopath @kubernetes {{\n        namespace_of_name\n    }}"
CERTIFICATE = "tls {0}/cert.pem {0}/key.pem"
SBIN = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin"}


class Place(NamedTuple):
    """Where servers run: a directory with the zones, and who is asked for the cluster and for the outside."""

    directory: Path
    api: Server
    upstream: Server

    def filled(self, text: str, **more: object) -> str:
        """A configuration of a server; ports that it does not share are new ones."""
        known = {"directory": self.directory, "api": self.api.port, "upstream": self.upstream.port}
        free = {name: free_port() for name in ("health", "ready", "admin")}
        return text.format(**{"zone": "cluster.local", **known, **free, **more})


@contextmanager
def place(directory: Path, cluster: Cluster, with_zone: bool = True) -> Iterator[Place]:
    """The API server and the upstream of a cluster, on the client's core; and the files that the others read."""
    write_zones(directory, cluster if with_zone else Cluster(0, 0))
    make_certificate(directory)
    with ExitStack() as stack:
        api = stack.enter_context(api_server(cluster))
        nowhere = Place(directory, api, Server(0, 0))
        upstream = stack.enter_context(nsd(nowhere, OUTSIDE, CLIENT_CORE))
        yield Place(directory, api, upstream)


def write_zones(directory: Path, cluster: Cluster) -> None:
    """The cluster as a zone, as hosts, as local data; the outside and the plain zone as zones."""
    _write(directory / "cluster.local.zone", cluster.zone())
    _write(directory / f"{OUTSIDE}.zone", outside_zone())
    _write(directory / f"{PLAIN}.zone", plain_zone())
    _write(directory / "hosts", (f"{address} {name}\n" for name, address in cluster.hosts()))
    data = (f'local-data: "{name}. 30 IN A {address}"\n' for name, address in cluster.hosts())
    (directory / "local-data").write_text('local-zone: "cluster.local." static\n' + "".join(data))


def make_certificate(directory: Path) -> None:
    """A certificate for nobody, and its key."""
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench"
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")]
    subprocess.run([*words.split(), *files], check=True, capture_output=True)


@contextmanager
def api_server(cluster: Cluster) -> Iterator[Server]:
    """An API server with the cluster in it."""
    command = [sys.executable, "-m", "bench.apiserver", str(cluster.services), str(cluster.sets)]
    with running(command, "ready", core=CLIENT_CORE) as (process, line):
        yield Server(process.pid, int(line.split()[1]))


@contextmanager
def corefile(
    command: Sequence[str],
    place: Place,
    word: str,
    pods: str = "insecure",
    more: str = "",
    secure: bool = False,
    patient: bool = False,
    cluster: str = "",
) -> Iterator[Server]:
    """kdns or CoreDNS, with `more` in its Corefile and `cluster` in *kubernetes*; it is there when it answers."""
    port, tls = free_port(), free_port()
    file = place.directory / f"Corefile-{port}"
    key = f"tls://.:{tls}" if secure else ""
    file.write_text(
        place.filled(COREFILE, port=port, secure=key, pods=pods, cluster=cluster, more=more.format(place.directory))
    )
    with running([*command, "-conf", str(file)], word, patient=patient) as (process, _):
        wait_for_udp(port)
        yield Server(process.pid, port, tls)


@contextmanager
def with_file(command: Sequence[str], place: Place, word: str) -> Iterator[Server]:
    """kdns or CoreDNS with the plain zone; it is there when it answers for that."""
    port = free_port()
    file = place.directory / f"Corefile-{port}"
    file.write_text(place.filled(FILE, port=port, zone=PLAIN))
    with running([*command, "-conf", str(file)], word) as (process, _):
        wait_for_udp(port, PLAIN)
        yield Server(process.pid, port)


@contextmanager
def nsd(place: Place, zone: str = "cluster.local", core: int = SERVER_CORE) -> Iterator[Server]:
    """NSD with one server process."""
    port, tls = free_port(), free_port()
    file = place.directory / f"nsd-{port}.conf"
    file.write_text(place.filled(NSD, port=port, tls=tls, zone=zone))
    with running(["nsd", "-d", "-c", str(file)], "", SBIN, core) as (process, _):
        wait_for_udp(port, zone)
        yield Server(process.pid, port, tls)


@contextmanager
def configured(words: Sequence[str], text: str, place: Place, zone: str = "cluster.local") -> Iterator[Server]:
    """A server that takes its configuration file as the last word, with a directory of its own beside the zones."""
    port = free_port()
    own = place.directory / f"{words[0]}-{port}"
    own.mkdir()
    file = own / "conf"
    file.write_text(place.filled(text, port=port, zone=zone, own=own))
    with running([*words, str(file)], "", SBIN, patient=False) as (process, _):
        wait_for_udp(port, zone)
        keep_on_core(process.pid, SERVER_CORE)
        yield Server(process.pid, port)


@contextmanager
def dnsmasq(place: Place) -> Iterator[Server]:
    """dnsmasq, which has no configuration but its command line."""
    port = free_port()
    with running(place.filled(DNSMASQ, port=port).split(), "", SBIN) as (process, _):
        wait_for_udp(port)
        yield Server(process.pid, port)


@contextmanager
def canned(place: Place) -> Iterator[Server]:
    """The least that a server can do: see limit.c."""
    with limit(place.directory, "cc") as server:
        yield server


KDNS = [sys.executable, "-m", "kdns"]
_FIRST = "kdns-"  # of the banner
STARTS: Mapping[str, Callable[[Place], AbstractContextManager[Server]]] = {
    "kdns": lambda at: corefile(KDNS, at, _FIRST),
    "kdns without C": lambda at: corefile([sys.executable, "-c", WITHOUT_C], at, _FIRST),
    "kdns, autopath": lambda at: corefile(KDNS, at, _FIRST, more=BY_NAME),
    "kdns, DoT": lambda at: corefile(KDNS, at, _FIRST, more=CERTIFICATE, secure=True),
    "NSD": nsd,
    "Knot DNS": partial(configured, ["knotd", "-c"], KNOT),
    "BIND": partial(configured, ["named", "-g", "-n", "1", "-c"], BIND),
    "unbound": partial(configured, ["unbound", "-d", "-c"], UNBOUND),
    "dnsmasq": dnsmasq,
    "CoreDNS": lambda at: corefile(["coredns"], at, "CoreDNS-"),
    "CoreDNS, autopath": lambda at: corefile(["coredns"], at, "CoreDNS-", "verified", "autopath @kubernetes"),
    "canned answer, C": canned,
    "kdns, file": lambda at: with_file(KDNS, at, _FIRST),
    "kdns without C, file": lambda at: with_file([sys.executable, "-c", WITHOUT_C], at, _FIRST),
    "NSD, file": partial(nsd, zone=PLAIN),
    "Knot DNS, file": partial(configured, ["knotd", "-c"], KNOT, zone=PLAIN),
    "CoreDNS, file": lambda at: with_file(["coredns"], at, "CoreDNS-"),
}
"""How each of them is started, by the name that the tables have."""


class Running:
    """The servers that run so far at one place; each is started when it is first asked for."""

    def __init__(self, place: Place, until: ExitStack) -> None:
        self._place = place
        self._until = until
        self._servers: dict[str, Server] = {}

    def __getitem__(self, name: str) -> Server:
        if name not in self._servers:
            self._servers[name] = self._until.enter_context(STARTS[name](self._place))
        return self._servers[name]

    @contextmanager
    def alone(self, name: str) -> Iterator[Server]:
        """A server while all others stand still: they watch the same cluster, and its changes cost them something."""
        chosen = self[name]
        others = [server for server in self._servers.values() if server is not chosen]
        for other in others:
            other.signal(signal.SIGSTOP)
        try:
            yield chosen
        finally:
            for other in others:
                other.signal(signal.SIGCONT)


def is_here(name: str) -> bool:
    """Whether a server can be had: CoreDNS is in no Debian package."""
    return "CoreDNS" not in name or shutil.which("coredns") is not None


def _write(file: Path, lines: Iterator[str]) -> None:
    with file.open("w") as opened:
        opened.writelines(lines)
