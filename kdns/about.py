"""What the server says of itself: the last lines of the banner, and all that `-version` prints."""

import platform
import sys

from kdns import VERSION


def lines() -> list[str]:
    """Name and version, then system, machine and Python."""
    return [f"kdns-{VERSION}", f"{sys.platform}/{platform.machine()}, python{platform.python_version()}"]
