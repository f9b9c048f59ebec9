"""$GENERATE of master files: one line of a pattern for each number of a range. Pure.

    $GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE RDATA

In every word `$` is the number, `${OFFSET[,WIDTH[,BASE]]}` the number and OFFSET in WIDTH digits, BASE being d, o, x or
X; `$$` and `\\$` are a dollar sign.
"""

import re
from collections.abc import Iterator

MOST = 65_536  # lines of one $GENERATE, as CoreDNS has it

_RANGE = re.compile(r"(\d+)-(\d+)(?:/(\d+))?\Z", re.ASCII)
_INTEGER = re.compile(r"-?\d+\Z", re.ASCII)
_DOLLAR = re.compile(r"\\\$|\$\$|\$\{([^}]*)\}|\$")


def generated(words: list[str]) -> Iterator[list[str]]:
    """The words of each line. ValueError for a range or a modifier that is none."""
    found = _RANGE.match(words[0])
    if found is None or len(words) < 4:
        raise ValueError(f"not $GENERATE START-STOP[/STEP] OWNER TYPE RDATA: {' '.join(words)!r}")
    start, stop, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if step < 1 or stop < start or stop - start >= MOST * step:
        raise ValueError(f"bad range in $GENERATE: {words[0]!r}")
    for number in range(start, stop + 1, step):
        yield [_DOLLAR.sub(lambda match, at=number: _put(match, at), word) for word in words[1:]]  # type: ignore[misc]


def _put(match: re.Match[str], number: int) -> str:
    if match[0] in ("\\$", "$$"):
        return "$"
    offset, _, rest = (match[1] or "0").partition(",")
    width, _, base = rest.partition(",")
    if not _INTEGER.match(offset) or not (width or "0").isdecimal():
        raise ValueError(f"bad modifier in $GENERATE: {match[0]!r}")
    value = number + int(offset)
    if value < 0 or (base or "d") not in ("d", "o", "x", "X") or int(width or 0) > 255:
        raise ValueError(f"bad modifier in $GENERATE: {match[0]!r}")
    return f"{value:0{int(width or 0)}{base or 'd'}}"
