"""The command line: CoreDNS's flags, with one dash or two; `kdns plan`; `kdns up`."""

import argparse
import gc
import sys
from importlib.util import find_spec

from kdns import about
from kdns.errors import ConfigError, StartError
from kdns.plugins import ORDER


def main() -> None:
    """Run the command; exits with its status."""
    if sys.argv[1:2] == ["up"]:
        from kdns.up import main as up  # the server itself never needs it

        sys.exit(up(sys.argv[2:]))
    if sys.argv[1:2] == ["plan"]:
        sys.exit(show_plan(sys.argv[2:]))
    sys.exit(serve(sys.argv[1:]))


def serve(words: list[str]) -> int:
    """Run the server with these flags until it is told to stop; its exit status (0, 1 failed to start, 2 usage)."""
    given, rest = _flags().parse_known_args(words)
    if rest:
        unknown = [word for word in rest if word.startswith("-")]
        if unknown:
            print(f"flag provided but not defined: {unknown[0]}", file=sys.stderr)
            _flags().print_usage(sys.stderr)
            return 2
        print(f"extra command line arguments: [{' '.join(rest)}]", file=sys.stderr)
        return 1
    if given.plugins:
        print("\n".join(sorted(name for name in ORDER if find_spec(f"kdns.plugins.{name}"))))
        return 0

    if given.version:
        print("\n".join(about.lines()))
        return 0

    gc.disable()  # modules and first lists stay: looking through them again and again only takes time; see app
    import asyncio  # below, not above: `-version` and `-plugins` should not pay for the server

    from kdns.app import App, Options

    try:
        return asyncio.run(App(Options(given.conf, given.dns_port, given.pidfile, given.quiet)).run())
    except (ConfigError, StartError) as fault:
        print(fault, file=sys.stderr)
        return 1


def show_plan(words: list[str]) -> int:
    """Print what a Corefile makes the server do, without starting it; the exit status (0, 1 for a bad Corefile)."""
    parser = argparse.ArgumentParser(
        prog="kdns plan", description="Print the server blocks of a Corefile, with their plugins in order."
    )
    _add_source(parser)
    given = parser.parse_args(words)

    from kdns.app import Options, print_plan  # as in `serve`

    try:
        print_plan(Options(given.conf, given.dns_port))
    except ConfigError as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


def _flags() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kdns",
        allow_abbrev=False,
        description="A DNS server for clusters, configured by a Corefile.",
        epilog="Beside these: `kdns up` runs a demo cluster on this machine, `kdns plan` prints what a Corefile means.",
    )
    add = parser.add_argument
    _add_source(parser)
    add("-pidfile", "--pidfile", metavar="FILE", help="path to write the process ID to")
    add("-plugins", "--plugins", action="store_true", help="list the plugins and exit")
    add("-quiet", "--quiet", action="store_true", help="print no banner")
    add("-version", "--version", action="store_true", help="print the version and exit")
    return parser


def _add_source(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-conf", "--conf", metavar="FILE", help="Corefile to load, or `stdin` (default: ./Corefile)")
    add("-dns.port", "--dns.port", "-p", dest="dns_port", type=int, default=53, metavar="N", help="default port (53)")


if __name__ == "__main__":
    main()
