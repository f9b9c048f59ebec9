"""What the TO arguments of forward stand for: IP addresses as they are, files read, host names left for later."""

from pathlib import Path

from kdns.corefile import Directive
from kdns.errors import ConfigError, WireError
from kdns.transport.address import Address, nameservers, parse, unique
from kdns.wire import names

MOST = 15  # TO arguments
SCHEMES = ("dns", "tls", "https")


def read_targets(directive: Directive, server_name: str) -> tuple[Address, ...]:
    """The addresses of all TO arguments, each once. `server_name` is what tls_servername says, or "".

    ConfigError in CoreDNS's words for what is neither IP address, file nor host name, and if none is left.
    """
    words = directive.words[1:]
    for text in words:
        _, scheme, rest = text.rpartition("https://")
        if scheme and "/" in rest:
            hint = "paths are not allowed in HTTPS upstream addresses (the /dns-query path is used by default)"
            raise directive.error(f"{hint}: {text}")
    found = unique(address for text in words for address in _read(directive, text))
    if len(words) > MOST:
        raise directive.error(f"more than {MOST} TOs configured: {len(words)}")
    if not found:
        raise directive.error("no valid upstream addresses found")
    return tuple(_named(directive, address, server_name) for address in found)


def _read(directive: Directive, text: str) -> tuple[Address, ...]:
    file = Path(text)  # relative to the working directory, whatever `root` says
    try:
        address = parse(text)
        if not address.is_resolved and file.is_file():
            return tuple(nameservers(file.read_text(errors="replace")))
    except ValueError as fault:
        raise directive.error(str(fault)) from None
    except OSError as fault:
        raise directive.error(f'not an IP address or file "{text}": {fault}') from None
    if address.scheme not in SCHEMES:
        what = f"'{address.scheme}' is not supported as a destination protocol in forward"
        raise directive.error(f"{what}: {text}")
    if not address.is_resolved and not _is_host_name(address.host):
        raise directive.error(f'not an IP address, file, or valid domain: "{text}"')
    return (address,)


def _is_host_name(text: str) -> bool:
    """Whether this is one: no address in a form of old either, which would be found under another number."""
    try:
        names.parse(text)
    except WireError:
        return False
    labels = text.rstrip(".").lower().split(".")
    return not all(label.isdigit() or label.startswith("0x") for label in labels)


def _named(directive: Directive, address: Address, server_name: str) -> Address:
    """The address with the name that its certificate must have; a plain one has none."""
    if address.scheme == "dns":
        return address._replace(server_name="")
    if address.scheme == "tls" and address.server_name and server_name:
        raise _two_names(directive, address, server_name)
    return address._replace(server_name=server_name or address.server_name)


def _two_names(directive: Directive, address: Address, server_name: str) -> ConfigError:
    both = f"both forward ('{server_name}') and proxy level ('{address.server_name}') TLS servernames"
    return directive.error(f"{both} are set for upstream proxy '{address.scheme}://{address}'")
