"""timeouts: how long connections may take, and how many queries they may carry.

Syntax:
    timeouts {
        read DURATION         # until the first query is whole; 3s
        write DURATION        # until a reply is taken; 5s
        idle DURATION         # until the next query; 10s
        maxtcpqueries N       # of one connection; -1 (the default) for any number
    }

Durations are from 1s to 24h; a bare number is seconds. The listeners look at these values.
"""

from dataclasses import dataclass, replace

from kdns.corefile import Args, Line, duration, show_duration
from kdns.corefile.numbers import integer

LOW, HIGH = 1.0, 86_400.0  # seconds


@dataclass(frozen=True)
class Timeouts:
    """Seconds, or None where the Corefile says nothing; `max_queries` is -1 for any number."""

    read: float | None = None
    write: float | None = None
    idle: float | None = None
    max_queries: int = -1


def setup(args: Args) -> Timeouts:
    """The values of one server block. ConfigError for those out of bounds, or for none at all."""
    found = Timeouts()
    for directive in args.directives:
        directive.expect(0)
        if not directive.lines:
            raise directive.error("timeouts block with no timeouts specified")
        for line in directive.lines:
            found = _with(found, line)
    return found


def _with(found: Timeouts, line: Line) -> Timeouts:
    (word,) = line.expect(1)
    if line.name == "maxtcpqueries":
        return replace(found, max_queries=_queries(line, word))
    seconds = _seconds(line, word)
    match line.name:
        case "read":
            return replace(found, read=seconds)
        case "write":
            return replace(found, write=seconds)
        case "idle":
            return replace(found, idle=seconds)
    raise line.error(f"unknown option: '{line.name}'")


def _queries(line: Line, word: str) -> int:
    count = line.read(word, integer, f"invalid value for maxtcpqueries '{word}': ")
    if count == 0 or count < -1:
        raise line.error(f"maxtcpqueries provided '{count}' needs to be -1 (unlimited) or a positive integer")
    return count


def _seconds(line: Line, word: str) -> float:
    try:
        seconds = duration(f"{word}s" if word.lstrip("+-").isdecimal() else word)
    except ValueError:
        raise line.error(f"failed to parse duration '{word}'") from None
    if not LOW <= seconds <= HIGH:
        shown = show_duration(abs(seconds))
        raise line.error(f"timeout provided '{shown}' needs to be between 1 second and 24 hours")
    return seconds
