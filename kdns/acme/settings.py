"""The properties of `tls` without files: which names, from whom, where it is kept. ConfigError in CoreDNS's words."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kdns.corefile import Directive, Line
from kdns.corefile.numbers import integer

ACME = frozenset({"acme", "email", "ca", "storage", "ca_root", "resolver"})
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
STORAGE = ".coredns/acme"
_OTHERWISE = (("ca", LETS_ENCRYPT), ("email", ""), ("resolver", ""))
_DOMAIN = re.compile(r"(\*\.)?([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)*[a-z]([-a-z0-9]*[a-z0-9])?\.?", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """What the directive says. `domains` in lower case without the last dot; `ca` is the directory's URL.

    `ca_root`: who signed the authority's own certificate; `resolver`: HOST:PORT of who knows the authority's address.
    """

    domains: tuple[str, ...]
    storage: Path
    ca: str = LETS_ENCRYPT
    email: str = ""
    ca_root: Path | None = None
    resolver: str = ""

    @property
    def account(self) -> Path:
        """The file of the account's key."""
        return self.storage / f"{urlsplit(self.ca).netloc.replace(':', '_')}.key"

    @property
    def certificate(self) -> Path:
        """The certificate's file, with its chain."""
        return self.storage / f"{self.domains[0].replace('*', 'wildcard_')}.crt"

    @property
    def key(self) -> Path:
        """The file of the certificate's key."""
        return self.certificate.with_suffix(".crt.key")


def read(directive: Directive, directory: Path) -> Settings:
    """The settings of one occurrence of the directive; relative paths are below `directory`."""
    seen: dict[str, Line] = {}
    for line in directive.lines:
        if line.name in seen:
            raise line.error(f'ACME option "{line.name}" can only be specified once')
        if line.name not in ACME:
            raise line.error(f'unknown ACME option "{line.name}"')
        if not line.args or (line.name != "acme" and len(line.args) > 1):
            raise line.wrong_count()
        seen[line.name] = line
    if "acme" not in seen:
        raise directive.error("ACME requires at least one domain")
    said = {name: line.args for name, line in seen.items()}
    fault = _fault(said, directory)
    if fault:
        raise directive.error(fault)
    domains = dict.fromkeys(domain.lower().removesuffix(".") for domain in said["acme"])
    (ca,), (email,), (resolver,) = (said.get(name, (other,)) for name, other in _OTHERWISE)
    storage = directory / said.get("storage", (STORAGE,))[0]
    root = directory / said["ca_root"][0] if "ca_root" in said else None
    return Settings((*domains,), storage, ca, email, root, resolver)


def _fault(options: dict[str, tuple[str, ...]], directory: Path) -> str:
    for domain in options["acme"]:
        if not _DOMAIN.fullmatch(domain):
            return f'invalid ACME domain "{domain}"'
    (url,) = options.get("ca", (LETS_ENCRYPT,))
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return f'invalid ACME CA URL "{url}"'
    for resolver in options.get("resolver", ()):
        host, colon, port = resolver.rpartition(":")
        if not colon or not host:
            return f'invalid ACME resolver "{resolver}": it is HOST:PORT'
        if not _is_port(port):
            return f'invalid ACME resolver port "{port}"'
    for root in options.get("ca_root", ()):
        if not (directory / root).is_file():
            return f'reading ACME CA root "{root}": no such file'
    return ""


def _is_port(text: str) -> bool:
    try:
        return 0 < integer(text) < 1 << 16
    except ValueError:
        return False
