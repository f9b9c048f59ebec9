"""What was told in events and what the reconciler suspects, as Prometheus sees it: what an alert is to be made of.

Strategy: every kind of event is counted from nought, so that the first of it is seen as an increase; the rest is read
where it is kept when somebody scrapes.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ipamd.events import KINDS, Events
from ipamd.reconciling import Reconciler


class EventMetrics(Collector):
    """The events and the suspects of one daemon."""

    def __init__(self, events: Events, reconciler: Reconciler) -> None:
        self._events = events
        self._reconciler = reconciler

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """The metric families at this moment."""
        told = CounterMetricFamily("ipamd_events", "Events told, by kind.", labels=["kind"])
        for kind in KINDS:
            told.add_metric([kind], self._events.counts[kind])
        yield told
        number, age = self._reconciler.suspected()
        yield GaugeMetricFamily("ipamd_suspect_leases", "Leases whose owners seem to be gone.", number)
        text = "Seconds since the owner of one of them was first missed."
        yield GaugeMetricFamily("ipamd_oldest_suspect_seconds", text, age)
        text = "Whether the store is an old copy, from which nothing is given."
        yield GaugeMetricFamily("ipamd_store_old_copy", text, bool(self._reconciler.old_because))
