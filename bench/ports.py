"""Ports for servers that have to be told where to listen."""

import random
import socket
from collections.abc import Iterator

PORTS = range(10_000, 32_000)  # below those that the system gives to clients, so that none of these is in the way


def free_ports() -> Iterator[int]:
    """Ports that are free for UDP and TCP on every address, one after the other, none twice."""
    start = random.choice(PORTS)
    for port in (*range(start, PORTS.stop), *range(PORTS.start, start)):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("", port))
                udp.bind(("", port))
            except OSError:
                continue
        yield port


def free_port() -> int:
    """One of them."""
    return next(free_ports())
