"""The words behind `tls`: [CA | CERT KEY | CERT KEY CA], as files."""

import ssl
from collections.abc import Sequence
from pathlib import Path

from kdns.corefile import Directive


def client_context(directive: Directive, paths: Sequence[Path]) -> ssl.SSLContext:
    """What a client verifies servers with and shows them; without a CA the system's are trusted.

    ConfigError if a file cannot be read as what it stands for.
    """
    try:
        context = ssl.create_default_context(cafile=paths[-1] if len(paths) in (1, 3) else None)
        if len(paths) > 1:
            context.load_cert_chain(paths[0], paths[1])
    except (OSError, ssl.SSLError) as error:
        raise directive.error(f"could not load X509 key pair or CA: {error}") from None
    return context
