"""A small HTTP client for one daemon: JSON in, JSON out, errors as the exceptions that a command ends with.

One connection is kept for all requests of a command. http.client is used, since it is there and starts fast.
"""

import http.client
import json
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode, urlsplit

from ipamd.errors import AskError, Missing, Misused, Outdated, Refused, Unreachable
from ipamd.json import Json, Object

PIECE = 1 << 18  # octets read at once
MEANINGLESS = frozenset({"malformed", "invalid"})  # codes for what no state of the daemon would make right
TIMEOUT = 30  # seconds for one request; a watch waits as long as it takes
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class Client:
    """A client of the daemon at a URL. The methods raise Refused, Missing or Unreachable."""

    def __init__(self, server: str) -> None:
        """Raise Misused when `server` is no URL of the form http://HOST:PORT."""
        try:
            url = urlsplit(server)
            port = url.port
        except ValueError as error:
            raise Misused(f"not a URL: {server}: {error}") from error
        if url.scheme not in ("http", "https") or not url.hostname:
            raise Misused(f"not a URL of the form http://HOST:PORT: {server}")
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self._server = server
        self._connection = kind(url.hostname, port, timeout=TIMEOUT)

    def call(self, method: str, path: str, body: Json = None, headers: Mapping[str, str] | None = None) -> Object:
        """Send a request and return the document of the reply; empty when there is none."""
        document, _ = self._ask(method, path, body, headers or {})
        return document

    def tagged(self, path: str) -> tuple[Object, str]:
        """The document that is there, and the ETag that tells this state of it."""
        return self._ask("GET", path, None, {})

    def stream(self, path: str, headers: Mapping[str, str]) -> Iterator[Object]:
        """The documents of a reply that does not end by itself, one a line."""
        response = self._send("GET", path, None, headers)
        if response.status >= 400:
            read_reply(response.status, response.read())
        if self._connection.sock is not None:
            self._connection.sock.settimeout(None)
        try:
            for line in response:
                yield read_reply(200, line)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def download(self, path: str) -> Iterator[bytes]:
        """The octets of a reply, piece by piece; all of them, or Unreachable is raised."""
        response = self._send("GET", path, None, {})
        if response.status >= 400:
            read_reply(response.status, response.read())
        missing = response.length or 0
        try:
            while piece := response.read(PIECE):
                missing -= len(piece)
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        if missing:
            raise Unreachable(f"ipamd at {self._server} has gone away before all was sent")

    def _ask(self, method: str, path: str, body: Json, headers: Mapping[str, str]) -> tuple[Object, str]:
        response = self._send(method, path, body, headers)
        try:
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        return read_reply(response.status, raw), response.headers.get("ETag", "")

    def _send(self, method: str, path: str, body: Json, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        raw = None if body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, path, raw, {"Content-Type": "application/json", **headers})
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"cannot reach ipamd at {self._server}: {error or type(error).__name__}")


def read_reply(status: int, raw: bytes) -> Object:
    """The document of a reply.

    Raises Missing for 404, Outdated for 412, Misused for what cannot be meant, else Refused.
    """
    try:
        document = json.loads(raw) if raw.strip() else {}
    except ValueError:
        document = {"message": raw.decode(errors="replace").strip()}
    if not isinstance(document, dict):
        raise Refused("the reply is no JSON object: is this an ipamd?")
    if status >= 400:
        raise failure(status, document)
    return document


def failure(status: int, document: Object) -> AskError:
    """What a reply with an error says: `detail` of problem JSON, `message` of a Status."""
    told = str(document.get("detail") or document.get("message") or f"HTTP status {status}")
    if status == 404:
        return Missing(told)
    if status == 412:
        return Outdated(told)
    return Misused(told) if status == 400 or document.get("code") in MEANINGLESS else Refused(told)


def with_query(path: str, **parameters: str | int | list[str] | None) -> str:
    """`path` with those parameters that are not None; those that may be given several times are lists."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path
