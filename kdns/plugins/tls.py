"""tls: the certificate of the server block's tls://, https://, https3://, quic:// and grpc:// listeners.

Syntax:
    tls CERT KEY [CA] {       # PEM files; CA is who signs clients' certificates, by default the system's authorities
        client_auth nocert|request|require|verify_if_given|require_and_verify     # nocert
        keylog FILE           # secrets of all connections, for those who debug them
    }

The files are read again when they change, for the connections that begin then. A client's certificate is always
verified where one is required. Certificates are not fetched by ACME: a client of its own (certbot, lego, cert-manager)
keeps the files, and kdns picks up what it writes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from kdns.corefile import Args, Directive, Line
from kdns.corefile.numbers import integer
from kdns.transport.certificates import VERIFY, Files

ACME = frozenset({"acme", "email", "ca", "storage", "ca_root", "resolver"})
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
_DOMAIN = re.compile(r"(\*\.)?([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)*[a-z]([-a-z0-9]*[a-z0-9])?\.?", re.IGNORECASE)


@dataclass(frozen=True)
class Tls:
    """What one server block's listeners show. `log` is for what happens to the files later."""

    files: Files
    log: Callable[[str, str], None]


def setup(args: Args) -> Tls:
    """The certificate of one server block. ConfigError for files that cannot be used, and for what is misspelt."""
    directive = args.once()
    if not directive.words:
        raise _no_acme(directive, args.directory)
    cert, key, *rest = (args.directory / word for word in directive.expect(2, 3))
    files = Files(cert, key, rest[0] if rest else None)
    for line in directive.lines:
        files = _with(files, line, args)
    try:
        files.context()
    except (OSError, ValueError) as fault:
        raise directive.error(f"could not load TLS cert: {fault}") from None
    return Tls(files, args.log)


def _with(files: Files, line: Line, args: Args) -> Files:
    match line.name:
        case "client_auth":
            (kind,) = line.expect(1)
            if kind not in VERIFY:
                raise line.error(f"unknown authentication type '{kind}'")
            return replace(files, client_auth=kind)
        case "keylog":
            path = args.directory / line.expect(1)[0]
            args.warn(f'Writing TLS Key Log to "{path}"')
            return replace(files, keylog=path)
    raise line.error(f"unknown option '{line.name}'")


def _no_acme(directive: Directive, directory: Path) -> Exception:
    """What a block for ACME is refused with: what is wrong in it, or else that ACME is not spoken."""
    seen: dict[str, Line] = {}
    for line in directive.lines:
        if line.name in seen:
            return line.error(f'ACME option "{line.name}" can only be specified once')
        if line.name not in ACME:
            return line.error(f'unknown ACME option "{line.name}"')
        if not line.args or (line.name != "acme" and len(line.args) > 1):
            return line.wrong_count()
        seen[line.name] = line
    if "acme" not in seen:
        return directive.error("ACME requires at least one domain")
    fault = _fault({name: line.args for name, line in seen.items()}, directory)
    advice = "ACME is not spoken here: have an ACME client keep the files and name them, `tls CERT KEY`"
    return directive.error(fault or advice)


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
