"""Side by side: the same Corefile and the same ipamd behind kdns and a CoreDNS, the same questions to both.

    python -m bench.differential [--corefile FILE] [--limit N]
    python -m bench.differential --plugins [NAME...]

Needs a `coredns` on the PATH (it is no Debian package). Prints every reply that differs, and exits with 1 if there is
one. Order within a section does not count, since loadbalance shuffles; nor does the serial of a SOA, nor a second in a
TTL. With --plugins the Corefiles are those of `bench.neighbours`, or the ones named; every question is asked twice.
"""

import argparse
import itertools
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from bench.backends import Backends
from bench.neighbours import BIG, HOSTS, RESOLV_CONF, SCENES, UPSTREAM, WEIGHTED, Scene
from bench.ports import free_port
from bench.processes import wait_for_udp
from kdns.errors import WireError
from kdns.wire import codes, message, names, records
from kdns.wire.edns import DO, Edns, pack_options, to_record

COREFILE = """\
.:@PORT@ {
    bind 127.0.0.1
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        endpoint @API@
        pods verified
        ttl 30
        fallthrough in-addr.arpa ip6.arpa
    }
    cache 30 {
        disable success cluster.local in-addr.arpa ip6.arpa
        disable denial cluster.local in-addr.arpa ip6.arpa
        servfail 0
    }
    loadbalance
}
"""
TYPES = (
    "A",
    "AAAA",
    "SRV",
    "TXT",
    "NS",
    "SOA",
    "CNAME",
    "MX",
    "PTR",
    "ANY",
    "HTTPS",
    "HINFO",
    "TYPE65280",
    "DS",
    "AXFR",
)
COOKIE = pack_options([(10, b"12345678"), (8, b"\0\1\x18\0\x0a\0\0"), (3, b"")])
OPTS = {"": b"", "edns": to_record(Edns(1232)), "do": to_record(Edns(4096, COOKIE, DO)), "tiny": to_record(Edns(100))}
BANNER = re.compile(r"^(?:CoreDNS-|kdns-|ipamd: listening)", re.MULTILINE)
ZONE = "cluster.local."
PATIENCE = 1.0  # seconds for a reply
RESET = b"\1\0\0\0" + bytes(4)  # SO_LINGER: close without waiting, so that the port is free again
SOURCE = 28_653  # the port that all queries come from
SHOWN = 2  # differences that are printed of one name and type


class Ask(NamedTuple):
    """One question: name, type, class, and what else the packet has."""

    name: str
    qtype: str
    qclass: int = codes.IN
    opt: str = ""
    flags: int = codes.RD
    tcp: bool = False

    def packet(self) -> bytes:
        """The query, with an ID of its own: what answers another one too late is told apart."""
        opt = OPTS[self.opt]
        head = (
            (crc32(repr(self).encode()) & 0xFFFF).to_bytes(2, "big")
            + self.flags.to_bytes(2, "big")
            + b"\0\1\0\0\0\0"
            + bool(opt).to_bytes(2, "big")
        )
        kind = codes.type_number(self.qtype).to_bytes(2, "big")
        return head + names.parse(self.name) + kind + self.qclass.to_bytes(2, "big") + opt


def main() -> int:
    """Run both and compare; 1 if something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corefile", type=Path, help="a Corefile with @PORT@ and @API@ in it (default: built in)")
    parser.add_argument("--limit", type=int, default=100_000, help="at most so many questions (default: %(default)s)")
    parser.add_argument("--plugins", nargs="*", metavar="NAME", help="compare other plugins: all scenes, or these")
    given = parser.parse_args()
    coredns = shutil.which("coredns")
    if coredns is None:
        print("there is no coredns on the PATH to compare with")
        return 1
    corefile = given.corefile.read_text() if given.corefile else COREFILE
    with tempfile.TemporaryDirectory() as directory, ExitStack() as running:
        both = Both(coredns, Path(directory), running)
        if given.plugins is None:
            return both.compare(corefile, itertools.islice(questions(both.api), given.limit))
        return max([both.compare_scene(name) for name in given.plugins or SCENES])


class Both:
    """A CoreDNS and a kdns on the same Corefile, beside the demo cluster."""

    def __init__(self, coredns: str, directory: Path, running: ExitStack) -> None:
        self._coredns = coredns
        self._directory = directory
        self._running = running
        self._backends = Backends(directory, running)
        self._has_upstream = False
        command = [sys.executable, "-m", "ipamd", "--listen", "127.0.0.1:0", "--store", f"sqlite:{directory}/s"]
        self.api = _serving(command, directory / "ipamd.log", running).split()[-1]
        demo = Path(__file__).parent.parent / "configs/demo"
        apply: list[str | Path] = [sys.executable, "-m", "ipamd.ctl", "--server", self.api, "apply", "-f", demo]
        subprocess.run(apply, check=True, stdout=subprocess.DEVNULL)

    def compare(self, corefile: str, asked: Iterable[Ask], first: str = "") -> int:
        """Ask both, once they answer for the name `first` if there is one; 1 if something differs."""
        text = self._backends.filled(corefile).replace("@DIR@", str(self._directory))
        ports = []
        with ExitStack() as running:
            for command in (
                [self._coredns],
                [sys.executable, "-m", "kdns"],
            ):  # which end with what they say, if at once
                ports.append(free_port())
                path = self._directory / f"Corefile.{ports[-1]}"
                path.write_text(text.replace("@PORT@", str(ports[-1])).replace("@API@", self.api))
                _serving([*command, "-conf", str(path)], path.with_suffix(".log"), running)
            for port in ports if first else ():
                wait_for_udp(port, first.rstrip("."))
            return _compare(ports, asked)

    def compare_scene(self, name: str) -> int:
        """Ask both about a scene; 1 if something differs."""
        if not self._has_upstream:
            self._start_upstream()
        print(f"== {name}")
        scene = SCENES[name]
        cluster = itertools.product(dict.fromkeys(_names(self.api)), scene.types)
        asked = questions_of(scene) if scene.names else (Ask(*each) for each in cluster)
        try:
            return self.compare(scene.corefile, asked, scene.first)
        except SystemExit as ended:
            print(f"does not start: {ended}")
            return 1

    def _start_upstream(self) -> None:
        zone, directory = UPSTREAM + BIG + "\n", self._directory
        (directory / "zones").mkdir()
        files = {"example.org": zone, "zones/example.org": zone, "hosts": HOSTS, "resolv.conf": RESOLV_CONF}
        for name, text in (files | {"weights": WEIGHTED}).items():
            (directory / name).write_text(text)
        corefile = directory / "Corefile.upstream"
        corefile.write_text(self._backends.upstream())
        _serving([self._coredns, "-conf", str(corefile)], directory / "upstream.log", self._running)
        self._has_upstream = True


def questions_of(scene: Scene) -> Iterator[Ask]:
    """Every name of a scene with every type, in several dresses, each twice."""
    for name, qtype in itertools.product(scene.names.split(), scene.types):
        dresses = [Ask(name, qtype, opt=opt) for opt in OPTS]
        dresses += [Ask(name, qtype, flags=flags) for flags in (0, codes.CD | codes.RD, codes.AD | codes.RD)]
        yield from (Ask(name, qtype, codes.CH), Ask(name, qtype, tcp=True), *dresses, *dresses)


def questions(api: str) -> Iterator[Ask]:
    """Every name of the cluster and its near misses, with every type, and some of them in every dress."""
    found = list(dict.fromkeys(_names(api)))
    for name, qtype in itertools.product(found, TYPES):
        yield Ask(name, qtype)
        yield Ask(name, qtype, opt="edns")
    for name in found:
        yield Ask(name.upper(), "A")
        yield Ask(name.title(), "SRV")
        yield from (Ask(name, "A", opt=opt) for opt in OPTS)
        yield from (Ask(name, "A", flags=flags) for flags in (0, codes.CD, codes.AD, codes.RA | codes.AA))
        yield from (Ask(name, "A", qclass) for qclass in (codes.CH, codes.ANY_CLASS, codes.NONE_CLASS))


def _names(api: str) -> Iterator[str]:
    spaces = [item["metadata"]["name"] for item in _items(api, "/api/v1/namespaces")]
    yield from (
        ZONE,
        f"svc.{ZONE}",
        f"pod.{ZONE}",
        f"dns-version.{ZONE}",
        f"ns.dns.{ZONE}",
        f"x.{ZONE}",
        ".",
        "example.org.",
    )
    for space in (*spaces, "nowhere"):
        yield from (f"{space}.svc.{ZONE}", f"{space}.pod.{ZONE}", f"none.{space}.svc.{ZONE}", f"*.{space}.svc.{ZONE}")
    for item in _items(api, "/api/v1/services"):
        yield from _names_of_service(item)
    for item in _items(api, "/apis/discovery.k8s.io/v1/endpointslices"):
        yield from _names_of_slice(item)
    for item in _items(api, "/api/v1/pods"):
        for address in (each["ip"] for each in item.get("status", {}).get("podIPs", ())):
            dashed = address.replace(".", "-").replace(":", "-")
            yield from (f"{dashed}.{item['metadata']['namespace']}.pod.{ZONE}", f"{dashed}.nowhere.pod.{ZONE}")
            yield _reverse(address)


def _names_of_service(item: Any) -> Iterator[str]:
    whole = f"{item['metadata']['name']}.{item['metadata']['namespace']}.svc.{ZONE}"
    yield from (whole, f"none.{whole}", f"_none._tcp.{whole}", f"a.b.c.{whole}")
    yield from (f"{zone}._zone.{whole}" for zone in ("zone-a.pin", "zone-b.prefer", "nowhere.pin", "pin"))
    for port in item["spec"].get("ports", ()):
        protocol = port.get("protocol", "TCP").lower()
        yield from (f"_{port.get('name', '')}._{protocol}.{whole}", f"{port.get('name') or 'x'}.{protocol}.{whole}")
        yield f"_{port.get('name', '')}._sctp.{whole}"
    yield from (_reverse(ip) for ip in item["spec"].get("clusterIPs", ()) if ip != "None")


def _names_of_slice(item: Any) -> Iterator[str]:
    owner = item["metadata"].get("labels", {}).get("kubernetes.io/service-name", "none")
    whole = f"{owner}.{item['metadata']['namespace']}.svc.{ZONE}"
    for endpoint in item.get("endpoints") or ():
        for address in endpoint["addresses"]:
            yield _reverse(address)
            yield f"{address.replace('.', '-').replace(':', '-')}.{whole}"
        if endpoint.get("hostname"):
            yield f"{endpoint['hostname']}.{whole}"


def _compare(ports: list[int], asked: Iterable[Ask]) -> int:
    differing = count = 0
    kinds: Counter[tuple[str, str]] = Counter()
    outcomes: Counter[str] = Counter()
    for ask in asked:
        count += 1
        theirs, ours = (_reply(port, ask) for port in ports)
        outcomes[theirs[0].partition(" rcode ")[2].partition(" ")[0] or theirs[0]] += 1
        if _are_alike(theirs, ours):
            continue
        differing += 1
        kinds[ask.name, ask.qtype] += 1
        if kinds[ask.name, ask.qtype] > SHOWN:
            continue
        print(f"\n{ask.name} {ask.qtype} class {ask.qclass} {ask.opt} flags {ask.flags:#06x}")
        print("".join(f"  - {line}\n" for line in theirs if line not in ours), end="")
        print("".join(f"  + {line}\n" for line in ours if line not in theirs), end="")
    told = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
    print(f"{count} questions ({told}), {differing} differences (- CoreDNS, + kdns)")
    return bool(differing)


def _reply(port: int, ask: Ask) -> list[str]:
    """A reply as lines that can be compared."""
    try:
        found = records.read_message((_over_tcp if ask.tcp else _over_udp)(port, ask.packet()))
    except (TimeoutError, EOFError):
        return ["no reply"]
    except WireError as fault:
        return [f"unreadable: {fault}"]
    lines = [f"flags {found.flags:#06x} rcode {codes.rcode_name(found.rcode)} opt {found.edns}"]
    for title in ("answer", "authority", "additional"):
        lines += sorted(f"{title} {_shown(rr)}" for rr in getattr(found, title))
    return lines


def _over_udp(port: int, packet: bytes) -> bytes:
    """The reply. All queries come from one port, which whoami tells."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.bind(("127.0.0.1", SOURCE))
        sock.connect(("127.0.0.1", port))
        sock.send(packet)
        while not (reply := sock.recv(65535)).startswith(packet[:2]):
            continue
        return reply


def _over_tcp(port: int, packet: bytes) -> bytes:
    with socket.socket() as sock, sock.makefile("rb") as replies:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", SOURCE))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.connect(("127.0.0.1", port))
        sock.sendall(len(packet).to_bytes(2, "big") + packet)
        head = replies.read(2)
        if len(head) < 2:
            raise EOFError
        return replies.read(int.from_bytes(head, "big"))


def _without_ttl(line: str) -> str:
    words = line.split()
    return line if words[0] == "flags" else " ".join(words[:2] + words[3:])


def _are_alike(theirs: list[str], ours: list[str]) -> bool:
    if theirs == ours:
        return True
    return list(map(_without_ttl, theirs)) == list(map(_without_ttl, ours)) and _are_close(theirs, ours)


def _are_close(theirs: list[str], ours: list[str]) -> bool:
    """Whether the TTLs of records that are otherwise the same differ by a second at most."""
    pairs = [(one.split()[2], other.split()[2]) for one, other in zip(theirs, ours, strict=True) if one[:5] != "flags"]
    return all(abs(int(one) - int(other)) <= 1 for one, other in pairs)


def _shown(rr: bytes) -> str:
    text = message.to_text(rr)
    if records.rtype(rr) != codes.SOA:
        return text
    words = text.split()
    words[-5] = "SERIAL"
    return " ".join(words)


def _items(api: str, path: str) -> list[Any]:
    with urllib.request.urlopen(f"{api}{path}") as response:
        found: list[Any] = json.load(response)["items"]
        return found


def _reverse(address: str) -> str:
    return f"{ip_address(address).reverse_pointer}."


def _serving(command: list[str], log: Path, running: ExitStack) -> str:
    """Start a daemon, to be ended with `running`; what it said when it served."""
    with log.open("wb") as output:  # a file: a pipe that nobody reads would stop a server that logs
        process = subprocess.Popen(command, stdout=output, stderr=output)
    running.callback(process.wait)
    running.callback(process.terminate)
    return _wait_for_banner(process, log)


def _wait_for_banner(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait until a daemon says that it serves; what it said."""
    while not BANNER.search(said := log.read_text()):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            raise SystemExit(said)
    return said


if __name__ == "__main__":
    sys.exit(main())
