"""Blocks of nothing but `PROPERTY NUMBER` lines: how much a listener takes on."""

from collections.abc import Mapping

from kdns.corefile.args import Args, Line
from kdns.corefile.numbers import integer


def read(args: Args, least: Mapping[str, int]) -> dict[str, int]:
    """The numbers that stand there by property; `least` is the least number (0 or 1) of every property that there is.

    ConfigError for other properties, for one that stands there twice, and for other numbers.
    """
    found: dict[str, int] = {}
    for directive in args.directives:
        directive.expect(0)
        for line in directive.lines:
            if line.name not in least:
                raise line.error(f"unknown property '{line.name}'")
            number = _number(line, least[line.name])
            if line.name in found:
                raise line.error(f"{line.name} already defined for this server block")
            found[line.name] = number
    return found


def _number(line: Line, least: int) -> int:
    (word,) = line.expect(1)
    number = line.read(word, integer, f"invalid {line.name} value '{word}': ")
    if number < least:
        wanted = "positive" if least else "non-negative"
        raise line.error(f"{line.name} must be a {wanted} integer: {number}")
    return number
