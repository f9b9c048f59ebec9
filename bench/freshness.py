"""How long after a lease its name resolves.

One client leases an address for a Pod and then asks for the Pod's name again and again, until the answer is right. What
counts is the time from the end of ipamd's 201 to that answer; most of the time the first answer is.
"""

import http.client
import json
import socket
import time
from contextlib import closing
from statistics import quantiles

from bench.processes import Server

LEASES = 300
HEAD = b"\0\1\1\0\0\1\0\0\0\0\0\0"


def delays(ipamd: Server, kdns: Server) -> list[float]:
    """The delay of each of LEASES leases, in milliseconds."""
    connection = http.client.HTTPConnection("127.0.0.1", ipamd.port)
    with closing(connection), socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", kdns.port))
        return [_delay(connection, sock, number) for number in range(LEASES)]


def row(measured: list[float]) -> tuple[str, str, str]:
    """p50, p99 and the greatest, as text."""
    cuts = quantiles(measured, n=100, method="inclusive")
    return f"{cuts[49]:.2f} ms", f"{cuts[98]:.2f} ms", f"{max(measured):.2f} ms"


def _delay(connection: http.client.HTTPConnection, sock: socket.socket, number: int) -> float:
    owner = {"kind": "Pod", "namespace": "default", "name": f"pod-{number}"}
    connection.request("POST", "/v1/leases", json.dumps({"pool": "pods", "owner": owner}))
    response = connection.getresponse()
    body = response.read()
    begun = time.perf_counter()
    if response.status != 201:
        raise RuntimeError(f"ipamd refused a lease: {body.decode()}")
    address: str = json.loads(body)["address"]
    query = _query(address)
    right = socket.inet_aton(address)
    while True:
        sock.send(query)
        reply = sock.recv(4096)
        if reply[3] & 0xF == 0 and reply.endswith(right):
            return (time.perf_counter() - begun) * 1000


def _query(address: str) -> bytes:
    labels = [address.replace(".", "-"), "default", "pod", "cluster", "local"]
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels)
    return HEAD + name + b"\0\0\1\0\1"
