"""Durations as Go reads and writes them: `1h30m`, `1.5s`, `300ms`."""

import re

LONGEST = ((1 << 63) - 1) / 1e9  # seconds: Go counts nanoseconds in 64 bits

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_BELOW_A_SECOND = ("ns", "µs", "ms")
_AMOUNT = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"[-+]?(0|({_AMOUNT.pattern})+)")
_BARE_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)")


def duration(text: str) -> float:
    """Seconds of `5s`, `1h30m`, `1.5s`, `300ms`, `-2s` or `0`. ValueError, in Go's words, for anything else."""
    if not _DURATION.fullmatch(text):
        fault = "missing unit in" if _BARE_NUMBER.fullmatch(text) else "invalid"
        raise ValueError(f'time: {fault} duration "{text}"')
    seconds = sum(float(match[1]) * _UNITS[match[2]] for match in _AMOUNT.finditer(text))
    if seconds > LONGEST:
        raise ValueError(f'time: invalid duration "{text}"')
    return -seconds if text.startswith("-") else seconds


def show_duration(seconds: float) -> str:
    """A duration of zero or more seconds, to the nanosecond: `300ms`, `1.5s`, `1m0s`, `2h0m0s`."""
    for unit in _BELOW_A_SECOND:
        if 0 < seconds < _UNITS[unit] * 1000:
            return _decimal(seconds / _UNITS[unit]) + unit
    whole, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(whole), 60)
    lead = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{lead}{_decimal(rest)}s"


def _decimal(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")
