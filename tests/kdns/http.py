"""An HTTP client as small as it can be, to see of an answer what was sent: the status, the headers and the body."""

import asyncio
import ssl
from typing import NamedTuple


class Got(NamedTuple):
    """An answer; header names are lower-cased."""

    status: int
    headers: dict[str, str]
    body: bytes


async def fetch(
    port: int, path: str, *, method: str = "GET", host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Got:
    """One request on a connection of its own. OSError if there is nobody."""
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        octets = await reader.read()
    finally:
        writer.close()
    if not octets:
        raise ConnectionResetError("closed without an answer")
    head, _, body = octets.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Got(int(status.split()[1]), headers, body)
