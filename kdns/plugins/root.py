"""root: the directory that relative paths of zone files, keys and certificates are relative to.

Syntax:
    root PATH     # itself relative to the working directory; of several the last counts

As in CoreDNS this is not so of the files of *geoip*, *dnstap* and *prometheus*, of kubeconfigs and the certificates of
*kubernetes*, and of resolv.conf files: they are relative to the working directory. A directory that is not there yet
only earns a warning: it may come later.
"""

from dataclasses import dataclass
from pathlib import Path

from kdns.corefile import Args


@dataclass(frozen=True)
class Root:
    """The directory."""

    directory: Path


def setup(args: Args) -> Root:
    """The directory of one server block. ConfigError if the system does not let us look at it."""
    for directive in args.directives:
        (word,) = directive.alone(1)
    path = args.directory / word
    try:
        path.stat()
    except FileNotFoundError:
        args.warn(f"Root path does not exist: {word}")
    except (OSError, ValueError) as fault:
        raise directive.error(f"unable to access root path '{word}': {fault}") from None
    return Root(path)
