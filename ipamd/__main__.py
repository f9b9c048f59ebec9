"""The command line of ipamd."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from ipamd import VERSION
from ipamd.config import DEFAULT_LISTEN, Config, read_config
from ipamd.errors import ConfigError, StartError


def main() -> None:
    """Run the daemon. Exit status: 0 stopped, 1 cannot start, 2 wrong flags or configuration."""
    given = parse(sys.argv[1:])
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        run(read_config(given.config, given.listen, given.store, given.cni_socket))
    except ConfigError as error:
        sys.exit(complain(error, 2))
    except StartError as error:
        sys.exit(complain(error, 1))


def run(config: Config) -> None:
    """Serve until told to stop."""
    from ipamd.app import serve  # here, since it takes long to import, and --help and a bad configuration do without

    with asyncio.Runner() as runner:
        runner.run(serve(config))


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the flags; wrong ones end the process with status 2."""
    parser = argparse.ArgumentParser(prog="ipamd", description="Hands out addresses, and keeps what owns them.")
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="pools and settings (default: built in)")
    parser.add_argument("--listen", metavar="HOST:PORT", help=f"where to serve HTTP (default: {DEFAULT_LISTEN})")
    parser.add_argument("--store", metavar="sqlite:PATH", help="where to keep the state (default: the state directory)")
    parser.add_argument("--cni-socket", metavar="PATH", help="serve the CNI plugin here (default: as [cni] has it)")
    parser.add_argument("--version", action="version", version=f"ipamd {VERSION}")
    return parser.parse_args(arguments)


def complain(error: Exception, status: int) -> int:
    """Say what is wrong, and return the exit status."""
    print(f"ipamd: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
