"""An API server with a cluster of any size in it: lists page by page, or as a stream, and watches. Read only.

    python -m bench.apiserver SERVICES SETS

It changes objects itself when it is told to, `POST /changes?port=DNS&seconds=S&rate=N`: so many endpoints a second are
replaced, and after each change the DNS server at that port is asked until it says so. The reply has the delays.
"""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from bench.cluster import KINDS, LIVE, SLICES, Cluster, live, live_address

PATIENCE = 1.0  # seconds until an answer counts as one that never comes
RETRY = 0.05  # seconds until a question is sent again: under load some are lost
BLOCK = 500  # objects that are written at a time


class Api:
    """The objects, and who watches them."""

    def __init__(self, cluster: Cluster) -> None:
        self._objects = {path: list(each) for path, each in cluster.objects().items()}
        self._watchers: dict[str, set[asyncio.StreamWriter]] = {path: set() for path in KINDS}
        self._version = 1
        self._generations = [0] * LIVE

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
                url = urlsplit(target)
                await self._answer(method, url.path, dict(parse_qsl(url.query)), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for watchers in self._watchers.values():
                watchers.discard(writer)
            writer.close()

    async def _answer(self, method: str, path: str, query: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
        if method == "POST" and path == "/changes":
            await _send(writer, json.dumps(await self._change(query)).encode())
        elif path not in KINDS:
            await _send(writer, b'{"kind":"Status","status":"Failure","reason":"NotFound","code":404}', "404 Not Found")
        elif query.get("watch") in ("true", "1"):
            await self._watch(path, query, writer)
        else:
            await self._list(path, query, writer)

    async def _list(self, path: str, query: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
        """A page: `limit` objects from where `continue` says."""
        objects, start = self._objects[path], int(query.get("continue", 0))
        end = start + int(query.get("limit", 0)) if query.get("limit", "0") != "0" else len(objects)
        token = str(end) if end < len(objects) else ""
        api, kind = KINDS[path]
        about = {"resourceVersion": str(self._version), "continue": token}
        head = json.dumps({"apiVersion": api, "kind": f"{kind}List", "metadata": about})[:-1].encode()
        await _send(writer, head + b',"items":[' + b",".join(objects[start:end]) + b"]}")

    async def _watch(self, path: str, query: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        if query.get("sendInitialEvents") == "true":
            objects = self._objects[path]
            for start in range(0, len(objects), BLOCK):
                writer.write(_chunk(b"".join(_event("ADDED", each) for each in objects[start : start + BLOCK])))
                await writer.drain()
            writer.write(_chunk(_event("BOOKMARK", self._mark(path))))
        self._watchers[path].add(writer)
        await writer.drain()

    def _mark(self, path: str) -> bytes:
        api, kind = KINDS[path]
        notes = {"k8s.io/initial-events-end": "true"}
        about = {"resourceVersion": str(self._version), "annotations": notes}
        return json.dumps({"apiVersion": api, "kind": kind, "metadata": about}).encode()

    async def _change(self, query: Mapping[str, str]) -> list[float]:
        """Change endpoints at an even pace; the seconds from each change to the answer that shows it."""
        port, seconds, rate = int(query["port"]), float(query["seconds"]), int(query["rate"])
        begun, probes = time.perf_counter(), []
        for number in range(int(seconds * rate)):
            await asyncio.sleep(begun + number / rate - time.perf_counter())
            probes.append(asyncio.ensure_future(self._change_one(number % LIVE, port)))
        return list(await asyncio.gather(*probes))

    async def _change_one(self, number: int, port: int) -> float:
        self._version += 1
        self._generations[number] += 1
        generation = self._generations[number]
        changed = live(number, generation)
        objects = self._objects[SLICES]
        objects[len(objects) - LIVE + number] = changed
        for watcher in self._watchers[SLICES]:
            watcher.write(_chunk(_event("MODIFIED", changed)))
        return await _seen(port, number, socket.inet_aton(live_address(number, generation)))


async def _seen(port: int, number: int, address: bytes) -> float:
    """Seconds until the service has the address; PATIENCE if it never does."""
    begun, loop = time.perf_counter(), asyncio.get_running_loop()
    label = f"live-{number}".encode()
    query = b"\0\1\1\0\0\1\0\0\0\0\0\0" + bytes([len(label)]) + label + b"\7default\3svc\7cluster\5local\0\0\1\0\1"
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        while (taken := time.perf_counter() - begun) < PATIENCE:
            await loop.sock_sendall(sock, query)
            try:
                reply = await asyncio.wait_for(loop.sock_recv(sock, 4096), RETRY)
            except TimeoutError:
                continue
            if address in reply[len(query) :]:
                return time.perf_counter() - begun
    return taken


def _event(kind: str, octets: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + octets + b"}\n"


def _chunk(octets: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(octets), octets)


async def _send(writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK") -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    writer.write(body)
    await writer.drain()


async def _main() -> None:
    services, sets = map(int, sys.argv[1:3])
    server = await asyncio.start_server(Api(Cluster(services, sets)).serve, "127.0.0.1", 0)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
