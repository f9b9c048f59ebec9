"""What alerts are made of: events, leases whose owners seem to be gone, an old copy."""

from ipamd.event_metrics import EventMetrics
from ipamd.events import KINDS, Events
from ipamd.model import Owner, Wish
from ipamd.reconciling import Reconciler
from ipamd.service import Service
from ipamd.witnesses import Subject
from tests.ipamd.clock import Clock

GRACE = 60.0


def samples(metrics: EventMetrics) -> dict[str, float]:
    """Every sample by its name, or by the kind of event."""
    return {s.labels.get("kind", s.name): s.value for family in metrics.collect() for s in family.samples}


async def test_suspects_are_counted_with_the_age_of_the_oldest_until_they_are_freed(
    service: Service, clock: Clock
) -> None:
    events = Events(clock)
    reconciler = Reconciler(service, events, clock, GRACE)
    metrics = EventMetrics(events, reconciler)
    before = samples(metrics)
    assert {before[kind] for kind in KINDS} == {0}
    assert (before["ipamd_suspect_leases"], before["ipamd_store_old_copy"]) == (0, 0)

    await service.lease(Owner("Job", "a", "batch"), Wish(pool="pods"))
    clock.now += 1
    reconciler.heard(Subject("Job", "batch", ""), frozenset())
    await reconciler.free()
    clock.now += GRACE + 1
    assert samples(metrics)["ipamd_suspect_leases"] == 1
    assert samples(metrics)["ipamd_oldest_suspect_seconds"] == GRACE + 1

    reconciler.heard(Subject("Job", "batch", ""), frozenset())
    await reconciler.free()
    after = samples(metrics)
    assert (after["ipamd_suspect_leases"], after["ipamd_oldest_suspect_seconds"], after["reconciled"]) == (0, 0, 1)
