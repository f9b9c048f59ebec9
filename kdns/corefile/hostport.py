"""`host:port` as Go's net package takes it apart, and as the argument of directives that listen."""

from kdns.corefile.args import Directive


def argument(directive: Directive, default: str) -> str:
    """The one word that a directive may have, checked to be host:port. ConfigError for another, or for more words."""
    for word in directive.expect(0, 1):
        directive.read(word, split)
        return word
    return default


def split(text: str) -> tuple[str, str]:
    """Host (without brackets) and port, either of which may be empty. ValueError in Go's words if it is not that."""
    host, colon, port = text.rpartition(":")
    if not colon or (text.startswith("[") and text.endswith("]")):
        raise ValueError(f"address {text}: missing port in address")
    if host.startswith("["):
        if not host.endswith("]"):
            raise ValueError(f"address {text}: missing ']' in address")
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"address {text}: too many colons in address")
    for bracket in "[]":
        if bracket in host or bracket in port:
            raise ValueError(f"address {text}: unexpected '{bracket}' in address")
    return host, port


def join(host: str, port: str | int) -> str:
    """The opposite of `split`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
