"""A certificate fetched when there is none, and again when a third of its time is left; its files, and its proofs.

The files are what the listeners read: first a certificate of our own, which no client trusts, then the server's. The
proofs are TXT records below `_acme-challenge`, which `Proofs` answers in front of every server block's plugins.
"""

import asyncio
import socket
import ssl
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

import aiohttp
import aiohttp.abc
from cryptography.hazmat.primitives.asymmetric import ec

from kdns.acme import certificate
from kdns.acme.client import PATIENCE, Client
from kdns.acme.settings import Settings
from kdns.chain import Handler, Reply, Request, nameblind
from kdns.errors import StartError, UpstreamError
from kdns.transport.address import Address
from kdns.transport.files import put
from kdns.transport.resolve import resolve
from kdns.wire import build, codes, names
from kdns.wire.names import Name

LABEL = b"\x0f_acme-challenge"
FIRST, LONGEST = 60.0, 3600.0  # seconds between two tries that fail
DAY = 86_400.0


@nameblind
class Proofs:
    """The texts that are shown now, by name; a plugin in front of all others."""

    def __init__(self) -> None:
        self._texts: dict[Name, list[str]] = defaultdict(list)

    def show(self, domain: str, text: str) -> None:
        """Answer with this text from now on."""
        self._texts[LABEL + names.parse(domain).lower()].append(text)

    def hide(self, domain: str, text: str) -> None:
        """Answer with it no more."""
        self._texts[LABEL + names.parse(domain).lower()].remove(text)

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The proofs; other questions go on. What is said of such names by others is not kept: it may change."""
        asked = request.question
        if asked.qtype != codes.TXT or asked.qclass != codes.IN:
            return await rest(request)
        texts = self._texts.get(asked.key)
        if texts:
            answer = tuple(build.txt(asked.qname, 0, text.encode()) for text in sorted(texts))
            return Reply(answer=answer, flags=codes.AA, by="tls")
        reply = await rest(request)
        return reply.keeping(None) if asked.key.startswith(LABEL) else reply.alone()


class Keeper:
    """What keeps one certificate. `clock` gives the time of day; `log` is told what comes of it."""

    def __init__(
        self, settings: Settings, proofs: Proofs, clock: Callable[[], datetime], log: Callable[[str, str], None]
    ) -> None:
        self._settings = settings
        self._proofs = proofs
        self._clock = clock
        self._log = log
        self.serving = asyncio.Event()  # the listeners answer, so that what is asked for can be proven

    def begin(self) -> None:
        """Have files that listeners can read. StartError if they cannot be written."""
        settings = self._settings
        try:
            settings.storage.mkdir(parents=True, exist_ok=True, mode=0o700)
            files = settings.certificate, settings.key
            if not (all(file.exists() for file in files) and certificate.fits(*(file.read_bytes() for file in files))):
                key = certificate.new_key()
                put(settings.key, (certificate.key_to_pem(key),))
                put(settings.certificate, (certificate.placeholder(settings.domains, key, self._clock()),))
        except OSError as fault:
            raise StartError(f"plugin/tls: ACME storage {settings.storage}: {fault.strerror or fault}") from None

    async def run(self) -> None:
        """Keep the certificate for ever, from when it is `serving`."""
        await self.serving.wait()
        delay = FIRST
        while True:
            try:
                await asyncio.sleep(self._left())
                async with asyncio.timeout(PATIENCE):
                    await self._renew()
                delay = FIRST
            except (UpstreamError, TimeoutError, OSError, ValueError, KeyError) as fault:
                what = f"could not obtain a certificate for {self._settings.domains[0]}"
                self._log("ERROR", f"{what}, trying again in {delay:g}s: {str(fault) or type(fault).__name__}")
                await asyncio.sleep(delay)
                delay = min(2 * delay, LONGEST)

    def _left(self) -> float:
        """Seconds until there has to be another certificate, a day at most: the clock may be set meanwhile."""
        due = certificate.renewal(self._settings.certificate.read_bytes(), self._settings.domains)
        return 0.0 if due is None else min(DAY, max(0.0, (due - self._clock()).total_seconds()))

    async def _renew(self) -> None:
        """Fetch a certificate if it is time."""
        if self._left():
            return
        settings = self._settings
        tls = ssl.create_default_context(cafile=settings.ca_root)
        connector = aiohttp.TCPConnector(ssl=tls, resolver=OneServer(settings.resolver) if settings.resolver else None)
        async with aiohttp.ClientSession(connector=connector) as session:
            client = Client(settings.ca, self._account(), session)
            await client.begin(settings.email)
            key = certificate.new_key()
            found = await client.certificate(settings.domains, key, self._proofs.show, self._proofs.hide)
        if certificate.renewal(found, settings.domains) is None:
            raise UpstreamError("ACME: the certificate is for other names")
        put(settings.key, (certificate.key_to_pem(key),))
        put(settings.certificate, (found,))
        if not self._left():
            raise UpstreamError("ACME: a third of the certificate's time is over already")
        self._log("INFO", f"obtained a certificate for {', '.join(settings.domains)} from {settings.ca}")

    def _account(self) -> ec.EllipticCurvePrivateKey:
        path = self._settings.account
        if not path.exists():
            put(path, (certificate.key_to_pem(certificate.new_key()),))
        return certificate.key_of(path.read_bytes())


class OneServer(aiohttp.abc.AbstractResolver):
    """Asks one DNS server for the addresses of hosts."""

    def __init__(self, server: str) -> None:
        self._server = server

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[aiohttp.abc.ResolveResult]:
        """What aiohttp wants to know of a host."""
        found = await resolve(Address("https", host, port), (self._server,))
        return [
            {"hostname": host, "host": each.host, "port": port, "family": _family(each.host), "proto": 0, "flags": 0}
            for each in found
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _family(host: str) -> int:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
