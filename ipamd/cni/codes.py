"""What the numbers of CNI mean: the versions of the specification, and the codes of its errors.

The first codes are those of the specification 1.1.0 ("Error"), from 100 on they are the plugin's own.
"""

from enum import IntEnum

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


class Code(IntEnum):
    """Why a request is refused."""

    INCOMPATIBLE_VERSION = 1
    UNSUPPORTED_FIELD = 2
    UNKNOWN_CONTAINER = 3
    INVALID_ENVIRONMENT = 4
    IO_FAILURE = 5
    DECODING_FAILURE = 6
    INVALID_CONFIG = 7
    INVALID_NETNS = 8
    TRY_AGAIN_LATER = 11
    UNAVAILABLE = 50  # STATUS: ADD cannot be served now
    EXHAUSTED = 100
    TAKEN = 101
    QUOTA = 102
    NO_POOL = 103  # unknown, or not for this owner
    COOLING = 104
    LOST = 105  # CHECK: the attachment does not have what it was given
    INTERNAL = 999


def number_of(version: str) -> tuple[int, ...]:
    """A version as numbers to compare, three of them; the empty one means 0.1.0. Raises ValueError."""
    parts = [int(part) for part in (version or "0.1.0").split(".")]
    if len(parts) > 3:
        raise ValueError(f"invalid version {version!r}: too many parts")
    return (*parts, 0, 0)[:3]
