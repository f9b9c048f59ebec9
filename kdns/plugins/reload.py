"""reload: look again and again whether the Corefile has changed, and serve the new one if so.

Syntax:
    reload [INTERVAL [JITTER]]     # durations; 30s and 15s; INTERVAL at least 2s, JITTER 0 or at least 1s

Between two looks pass INTERVAL give or take half of JITTER (which counts as INTERVAL/2 where it is more), so that the
servers of a cluster do not all restart at once. The looking and the change are the process's business (app).
"""

from dataclasses import dataclass

from kdns.corefile import Args, duration

MIN_INTERVAL, MIN_JITTER = 2.0, 1.0  # seconds


@dataclass(frozen=True)
class Reload:
    """How often to look, in seconds: every `interval`, give or take up to `jitter`."""

    interval: float
    jitter: float


def setup(args: Args) -> Reload:
    """The settings of one server block. ConfigError for intervals that are out of bounds."""
    directive = args.directives[0]
    words = (*directive.alone(0, 2), *("30s", "15s")[len(directive.words) :])
    interval, jitter = (directive.head.read(word, duration) for word in words)
    if interval < MIN_INTERVAL:
        raise directive.error("interval value must be greater or equal to 2s")
    if jitter != 0 and jitter < MIN_JITTER:
        raise directive.error("jitter value must be 0 or greater or equal to 1s")
    return Reload(interval, min(jitter, interval / 2) / 2)
