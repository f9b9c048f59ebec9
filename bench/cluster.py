"""The cluster that is asked about: the same names for every server, as Kubernetes objects, as a zone, as hosts. Pure.

Services with a cluster IP are `svc-N`, headless ones `set-N` with 100 endpoints each, and `live-N` are headless ones
with one endpoint, which a measurement changes. They are spread over NAMESPACES namespaces.
"""

import json
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

NAMESPACES = 10
PER_SET = 100  # endpoints of a headless service: as many as Kubernetes puts in one slice
LIVE = 100
TTL = 30
OUTSIDE = "example.org"
PLAIN = "example.net"  # a zone that has nothing to do with the cluster, out of a file
PLAIN_NAMES = 100_000
ASKED_SETS = 10  # headless services whose SRV records are asked for
HEAD = f"$TTL {TTL}\n@ IN SOA ns.dns hostmaster 1 7200 1800 86400 {TTL}\n@ IN NS ns.dns\nns.dns IN A 127.0.0.1\n"
_CLUSTER_IP, _POD_IP, _LIVE_IP = (int(IPv4Address(text)) for text in ("10.96.0.10", "10.128.0.1", "10.120.0.1"))

KINDS = {
    "/api/v1/namespaces": ("v1", "Namespace"),
    "/api/v1/services": ("v1", "Service"),
    "/api/v1/pods": ("v1", "Pod"),
    "/apis/discovery.k8s.io/v1/endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
}
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"


class Cluster(NamedTuple):
    """So many services with a cluster IP, so many headless ones."""

    services: int = 8_500
    sets: int = 1_500

    @property
    def endpoints(self) -> int:
        """All endpoints, but for those that change."""
        return self.sets * PER_SET

    def objects(self) -> dict[str, Iterator[bytes]]:
        """All objects as JSON, by the path of their kind."""
        namespaces = (_object("/api/v1/namespaces", name, "") for name in ("default", *map(_namespace, range(10))))
        # The client of the measurement is a pod, so that a server which looks for it finds it.
        pod = _object("/api/v1/pods", "client", "default", status={"phase": "Running", "podIP": "127.0.0.1"})
        slices = (slice_of(f"set-{n}", _namespace(n), _pods(n)) for n in range(self.sets))
        return {
            "/api/v1/namespaces": namespaces,
            "/api/v1/services": self._services(),
            "/api/v1/pods": iter((pod,)),
            SLICES: (each for group in (slices, map(live, range(LIVE))) for each in group),
        }

    def names(self) -> Iterator[str]:
        """The names of the services with a cluster IP."""
        return (f"svc-{n}.{_namespace(n)}.svc.cluster.local" for n in range(self.services))

    def endpoint_names(self) -> Iterator[str]:
        """The names of the headless services' endpoints."""
        for n in range(self.sets):
            for address in _pods(n):
                yield f"{address.replace('.', '-')}.set-{n}.{_namespace(n)}.svc.cluster.local"

    def srv_names(self) -> Iterator[str]:
        """The names of the headless services' port."""
        return (f"_http._tcp.set-{n}.{_namespace(n)}.svc.cluster.local" for n in range(min(self.sets, ASKED_SETS)))

    def zone(self) -> Iterator[str]:
        """The lines of the same as a zone file, as far as it is asked for."""
        yield HEAD
        yield from (f"{name}. IN A {address}\n" for name, address in self.hosts())
        for name, address in zip(self.endpoint_names(), self._endpoint_addresses(), strict=True):
            yield f"{name}. IN A {address}\n"
        for owner in self.srv_names():
            service = owner.removeprefix("_http._tcp.")
            for address in _pods(int(service.split(".")[0].removeprefix("set-"))):
                yield f"{owner}. IN SRV 0 1 8080 {address.replace('.', '-')}.{service}.\n"

    def hosts(self) -> Iterator[tuple[str, str]]:
        """Names and addresses of the services with a cluster IP."""
        return ((name, str(IPv4Address(_CLUSTER_IP + n))) for n, name in enumerate(self.names()))

    def _endpoint_addresses(self) -> Iterator[str]:
        return (address for n in range(self.sets) for address in _pods(n))

    def _services(self) -> Iterator[bytes]:
        for n, (_, address) in enumerate(self.hosts()):
            yield _service(f"svc-{n}", _namespace(n), address)
        for n in range(self.sets):
            yield _service(f"set-{n}", _namespace(n), "None")
        for n in range(LIVE):
            yield _service(f"live-{n}", "default", "None")


def outside_zone() -> Iterator[str]:
    """The zone outside the cluster: whatever is asked for in it has an address."""
    yield HEAD.replace(f"$TTL {TTL}", "$TTL 3600")
    yield "* IN A 192.0.2.1\n* IN AAAA 2001:db8::1\n"


def plain_names(count: int = PLAIN_NAMES) -> Iterator[str]:
    """The names of the plain zone."""
    return (f"host-{n}.{PLAIN}" for n in range(count))


def plain_zone(count: int = PLAIN_NAMES) -> Iterator[str]:
    """The plain zone: an address a name."""
    yield HEAD
    for n, name in enumerate(plain_names(count)):
        yield f"{name}. IN A {IPv4Address(_POD_IP + n)}\n"


def live(number: int, generation: int = 0) -> bytes:
    """The slice of a service whose endpoint changes."""
    return slice_of(f"live-{number}", "default", [live_address(number, generation)], generation + 2)


def live_address(number: int, generation: int) -> str:
    """Its endpoint's address."""
    return str(IPv4Address(_LIVE_IP + (generation * LIVE + number) % 500_000))


def slice_of(service: str, namespace: str, addresses: list[str], version: int = 1) -> bytes:
    """An EndpointSlice with one port, as the API server of a cluster sends it."""
    endpoints = [
        {
            "addresses": [address],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": f"node-{number % 50}",
            "targetRef": {"kind": "Pod", "namespace": namespace, "name": f"{service}-{number}", "uid": f"u-{address}"},
        }
        for number, address in enumerate(addresses)
    ]
    ports = [{"name": "http", "protocol": "TCP", "port": 8080}]
    labels = {"kubernetes.io/service-name": service}
    return _object(
        SLICES, f"{service}-x", namespace, version, labels, addressType="IPv4", endpoints=endpoints, ports=ports
    )


def _service(name: str, namespace: str, address: str) -> bytes:
    ports = [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}]
    spec = {
        "type": "ClusterIP",
        "clusterIP": address,
        "clusterIPs": [address],
        "ports": ports,
        "selector": {"app": name},
    }
    return _object("/api/v1/services", name, namespace, spec=spec)


def _object(
    path: str, name: str, namespace: str, version: int = 1, labels: dict[str, str] | None = None, **rest: object
) -> bytes:
    api, kind = KINDS[path]
    metadata = {"name": name, "namespace": namespace, "uid": f"{kind}-{namespace}-{name}", "labels": labels or {}}
    metadata["resourceVersion"] = str(version)
    return json.dumps({"apiVersion": api, "kind": kind, "metadata": metadata, **rest}, separators=(",", ":")).encode()


def _namespace(number: int) -> str:
    return f"ns-{number % NAMESPACES}"


def _pods(number: int) -> list[str]:
    first = _POD_IP + number * PER_SET
    return [str(IPv4Address(first + each)) for each in range(PER_SET)]
