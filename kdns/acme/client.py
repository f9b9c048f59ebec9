"""An ACME server as its client: an account, and certificates by orders whose names are proven by dns-01 (RFC 8555).

Every request is signed and carries a nonce that the server gave with the reply before; one that it does not want any
more is asked for again. What is not ready yet is looked at again and again, a little later each time.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec

from kdns.acme import certificate, jose
from kdns.errors import UpstreamError

TRIES = 3  # of a request whose nonce is refused
FIRST, LONGEST = 0.25, 10.0  # seconds between two looks at what is not ready
PATIENCE = 300.0  # seconds for a certificate, all in all
REQUEST = 30.0  # seconds for one request
BAD_NONCE = "urn:ietf:params:acme:error:badNonce"

Show = Callable[[str, str], None]  # given a name without `_acme-challenge.`, and the text to show there


class Replied(NamedTuple):
    """A reply: its Location, and its JSON or, of another kind, its octets."""

    location: str
    document: Any


class Client:
    """The client of one server. `key` is the account's. To be made while the event loop runs, and closed."""

    def __init__(self, directory: str, key: ec.EllipticCurvePrivateKey, session: aiohttp.ClientSession) -> None:
        self._url = directory
        self._key = key
        self._session = session
        self._directory: Mapping[str, str] = {}
        self._account = ""
        self._nonce = ""

    async def begin(self, email: str) -> None:
        """Have an account. UpstreamError if there is none to be had, as for everything below."""
        self._directory = _object((await self._send("GET", self._url, None)).document)
        wanted: dict[str, Any] = {"termsOfServiceAgreed": True}
        if email:
            wanted["contact"] = [f"mailto:{email}"]
        self._account = (await self._post(self._directory["newAccount"], wanted)).location

    async def certificate(
        self, domains: Sequence[str], key: ec.EllipticCurvePrivateKey, show: Show, hide: Show
    ) -> bytes:
        """A certificate for these names and this key, with its chain, in PEM."""
        identifiers = [{"type": "dns", "value": domain} for domain in domains]
        url, order = await self._post(self._directory["newOrder"], {"identifiers": identifiers})
        for authorization in _object(order)["authorizations"]:
            await self._prove(authorization, show, hide)
        await self._post(order["finalize"], {"csr": jose.encoded(certificate.request(domains, key))})
        order = await self._until(url, ("valid",), ("ready", "processing"))
        found = (await self._post(order["certificate"], None)).document
        if not isinstance(found, bytes):
            raise UpstreamError("ACME: the server sent no certificate")
        return found

    async def _prove(self, url: str, show: Show, hide: Show) -> None:
        """Have the server see that a name is ours."""
        authorization = _object((await self._post(url, None)).document)
        if authorization["status"] == "valid":
            return
        name = authorization["identifier"]["value"]
        offered = [each for each in authorization["challenges"] if each["type"] == "dns-01"]
        if not offered:
            raise UpstreamError(f"ACME: no dns-01 challenge for {name}")
        text = jose.proof(offered[0]["token"], self._key)
        show(name, text)
        try:
            await self._post(offered[0]["url"], {})
            await self._until(url, ("valid",), ("pending",))
        finally:
            hide(name, text)

    async def _until(self, url: str, wanted: Sequence[str], waiting: Sequence[str]) -> Any:
        """What is there once its status is one of these; UpstreamError if it becomes any but those of waiting."""
        delay = FIRST
        while True:
            found = _object((await self._post(url, None)).document)
            if found["status"] in wanted:
                return found
            if found["status"] not in waiting:
                raise UpstreamError(f"ACME: {found['status']}: {_why(found)}")
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST)

    async def _post(self, url: str, payload: Mapping[str, Any] | None) -> Replied:
        for _ in range(TRIES):
            if not self._nonce:
                await self._send("HEAD", self._directory["newNonce"], None)
            who = {"kid": self._account} if self._account else {"jwk": jose.public(self._key)}
            nonce, self._nonce = self._nonce, ""
            body = jose.signed(self._key, {**who, "nonce": nonce, "url": url}, payload)
            replied = await self._send("POST", url, body)
            if not (isinstance(replied.document, dict) and replied.document.get("type") == BAD_NONCE):
                return replied
        raise UpstreamError("ACME: the server takes no nonce of its own")

    async def _send(self, method: str, url: str, body: bytes | None) -> Replied:
        headers = {"content-type": "application/jose+json"} if body is not None else {}
        limit = aiohttp.ClientTimeout(total=REQUEST)
        try:
            async with self._session.request(method, url, data=body, headers=headers, timeout=limit) as reply:
                self._nonce = reply.headers.get("replay-nonce", "")
                is_json = reply.content_type in ("application/json", "application/problem+json")
                found: Any = await reply.json(content_type=None) if is_json else await reply.read()
                if reply.status >= 400 and not (is_json and found.get("type") == BAD_NONCE):
                    raise UpstreamError(f"ACME: {url}: {reply.status} {found.get('detail', '') if is_json else ''}")
                return Replied(reply.headers.get("location", ""), found)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            raise UpstreamError(f"ACME: {url}: {fault or type(fault).__name__}") from None


def _object(document: Any) -> dict[str, Any]:
    """What a server has said in JSON."""
    if not isinstance(document, dict):
        raise UpstreamError("ACME: the server does not speak JSON")
    return document


def _why(document: Any) -> str:
    """What a server says of why something failed."""
    errors = [document.get("error"), *(each.get("error") for each in document.get("challenges", ()))]
    return "; ".join(each["detail"] for each in errors if each and "detail" in each)
