"""Numbers as a Corefile has them, refused in the words of Go's parser, which operators know."""

import re

_DIGITS = re.compile(r"[+-]?[0-9]+\Z")


def integer(text: str, bits: int = 64) -> int:
    """A signed number of at most `bits` bits. ValueError for anything else."""
    return _read(text, "Atoi", -(1 << bits - 1), (1 << bits - 1) - 1, signed=True)


def unsigned(text: str, bits: int = 64) -> int:
    """A number from 0 to 2**bits-1, without sign. ValueError for anything else."""
    return _read(text, "ParseUint", 0, (1 << bits) - 1, signed=False)


def real(text: str) -> float:
    """A number with or without a fraction. ValueError for anything else."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None


def _read(text: str, parser: str, low: int, high: int, *, signed: bool) -> int:
    if not _DIGITS.match(text) or not (signed or text[0].isdigit()):
        raise ValueError(f'strconv.{parser}: parsing "{text}": invalid syntax')
    # So many digits cannot be in range, and reading millions of them would take long.
    if len(text) > 40 or not low <= int(text) <= high:
        raise ValueError(f'strconv.{parser}: parsing "{text}": value out of range')
    return int(text)
