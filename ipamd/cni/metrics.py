"""What container runtimes have asked for, and how long it took, as Prometheus sees it.

Strategy: a histogram for every command and code; 0 is success. Numbers are added where a call is answered, at the cost
of a bisection; metric families are built when somebody scrapes.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from ipamd.cni.codes import Code
from ipamd.cni.frames import Answer, Call, IsThere, Outcome
from ipamd.cni.skeleton import ALL

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)  # seconds of a call
OTHER = "other"  # a command that there is not: whoever calls does not make labels


class CniMetrics(Collector):
    """The calls of one daemon. `clock` is in seconds, from anywhere."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, int], list[int]] = {}
        self._seconds: dict[tuple[str, int], float] = {}

    def counted(self, answer: Answer) -> Answer:
        """What answers calls, with every call counted."""

        async def counting(call: Call, is_there: IsThere) -> Outcome:
            begun, code = self._clock(), int(Code.INTERNAL)
            try:
                outcome = await answer(call, is_there)
                code = outcome.code
                return outcome
            finally:
                self._count(call.environment.get("CNI_COMMAND", ""), code, self._clock() - begun)

        return counting

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The metric family at this moment."""
        name, text = "ipamd_cni_request_duration_seconds", "Seconds until a call of the CNI plugin was answered."
        family = HistogramMetricFamily(name, text, labels=["command", "code"])
        bounds = [*map(str, BUCKETS), "+Inf"]
        for (command, code), counts in sorted(self._counts.items()):
            buckets = [(bound, float(total)) for bound, total in zip(bounds, accumulate(counts), strict=True)]
            family.add_metric([command, str(code)], buckets, self._seconds[command, code])
        yield family

    def _count(self, command: str, code: int, seconds: float) -> None:
        key = (command if command in ALL else OTHER, code)
        counts = self._counts.setdefault(key, [0] * (len(BUCKETS) + 1))
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[key] = self._seconds.get(key, 0.0) + seconds
