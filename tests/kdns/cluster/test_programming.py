"""DNS programming latency."""

import pytest

from kdns.cluster.programming import TRIGGERED, Latency, latency
from tests.kdns.cluster.making import Cluster, service, slice_of

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("ips", "when", "expected"),
    [
        (["None"], "2023-11-14T22:13:10Z", Latency("headless_with_selector", 10.0)),
        (["10.0.0.1"], "2023-11-14T22:13:10Z", Latency("cluster_ip", 10.0)),
        (["None"], "2023-11-14T23:13:10.500000000+01:00", Latency("headless_with_selector", 9.5)),
    ],
)
def test_the_time_since_the_change_by_kind_of_service(ips: list[str], when: str, expected: Latency) -> None:
    world = Cluster(service("a", ips))
    assert latency(world.index, slice_of("a", [], **{TRIGGERED: when}), NOW) == expected


def test_nothing_is_known_of_slices_that_do_not_say_or_whose_service_is_not_there() -> None:
    world = Cluster(service("a"))
    assert latency(world.index, slice_of("a", []), NOW) is None
    assert latency(world.index, slice_of("b", [], **{TRIGGERED: "2023-11-14T22:13:10Z"}), NOW) is None


@pytest.mark.parametrize("when", ["yesterday", "2023-11-14T22:13:10"])
def test_a_time_that_is_none_is_refused(when: str) -> None:
    with pytest.raises(ValueError, match=when):
        latency(Cluster(service("a")).index, slice_of("a", [], **{TRIGGERED: when}), NOW)
