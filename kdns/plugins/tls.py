"""tls: the certificate of the server block's tls://, https://, https3://, quic:// and grpc:// listeners.

Syntax:
    tls CERT KEY [CA] {       # PEM files; CA is who signs clients' certificates, by default the system's authorities
        client_auth nocert|request|require|verify_if_given|require_and_verify     # nocert
        keylog FILE           # secrets of all connections, for those who debug them
    }
    tls {
        acme DOMAIN...        # names of a certificate that is fetched by ACME; the first domain names its files
        email EMAIL           # of the account
        ca URL                # the server's directory: Let's Encrypt's
        storage DIRECTORY     # .coredns/acme
        ca_root FILE          # PEM: who signed the ACME server's own certificate
        resolver HOST:PORT    # the DNS server that knows its address
    }

The files are read again when they change, for the connections that begin then. A client's certificate is always
verified where one is required. ACME's challenges (dns-01) are answered by every server block: the domains' name servers
have to be this one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kdns.acme.keeper import Keeper, Proofs
from kdns.acme.settings import Settings, read
from kdns.corefile import Args, Line
from kdns.transport.certificates import VERIFY, Files


@dataclass(frozen=True)
class Tls:
    """What one server block's listeners show. `log` is for what happens to the files later."""

    files: Files
    log: Callable[[str, str], None]


@dataclass(frozen=True)
class Fetched(Tls):
    """The same of a certificate that is fetched by ACME; `proofs` answers its challenges in every server block."""

    proofs: Proofs
    keeper: Keeper
    divisible = False  # what it proves is known to one process only

    async def start(self) -> None:
        """Have a certificate to begin with. StartError if its place cannot be written."""
        self.keeper.begin()

    async def serving(self) -> None:
        """Begin to fetch: the challenges can be answered."""
        self.keeper.serving.set()

    async def run(self) -> None:
        """Fetch one, and others before it ends."""
        await self.keeper.run()


def setup(args: Args) -> Tls:
    """The certificate of one server block. ConfigError for files that cannot be used, and for what is misspelt."""
    directive = args.once()
    if not directive.words:
        return _fetched(read(directive, args.directory), args)
    cert, key, *rest = (args.directory / word for word in directive.expect(2, 3))
    files = Files(cert, key, rest[0] if rest else None)
    for line in directive.lines:
        files = _with(files, line, args)
    try:
        files.context()
    except (OSError, ValueError) as fault:
        raise directive.error(f"could not load TLS cert: {fault}") from None
    return Tls(files, args.log)


def _fetched(settings: Settings, args: Args) -> Fetched:
    proofs = Proofs()
    keeper = Keeper(settings, proofs, lambda: datetime.now(UTC), args.log)
    return Fetched(Files(settings.certificate, settings.key), args.log, proofs, keeper)


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
