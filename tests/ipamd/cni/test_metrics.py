"""The calls of container runtimes, as Prometheus sees them."""

from collections.abc import Iterator

import pytest

from ipamd.cni.codes import Code
from ipamd.cni.frames import Call, IsThere, Outcome
from ipamd.cni.metrics import CniMetrics
from tests.ipamd.cni.calling import call, network
from tests.ipamd.cni.conftest import Runtime

NAME = "ipamd_cni_request_duration_seconds"


def ticking(*times: float) -> Iterator[float]:
    """The readings of a clock, one after the other."""
    return iter(times)


def samples(metrics: CniMetrics) -> dict[tuple[str, ...], float]:
    """Every sample by its name behind the family's, and the values of its labels."""
    (family,) = metrics.collect()
    return {(each.name.removeprefix(NAME), *each.labels.values()): each.value for each in family.samples}


async def test_calls_are_counted_and_timed_by_command_and_code(runtime: Runtime) -> None:
    clock = ticking(0, 0.002, 10, 10.5, 20, 20.1)
    metrics = CniMetrics(lambda: next(clock))
    answer = metrics.counted(runtime.plugin.answer)
    for command in ("ADD", "ADD", "CHECK"):
        await answer(call(network({"subnet": "10.1.2.0/24"}, "0.3.1"), COMMAND=command), lambda: True)

    seen = samples(metrics)
    assert (seen["_count", "ADD", "0"], seen["_sum", "ADD", "0"]) == (2, 0.502)
    assert [seen["_bucket", "ADD", "0", bound] for bound in ("0.001", "0.0025", "0.25", "1.0", "+Inf")] == [
        0,
        1,
        1,
        2,
        2,
    ]
    assert seen["_count", "CHECK", str(int(Code.INCOMPATIBLE_VERSION))] == 1


@pytest.mark.parametrize("command", ["FROB", "", None])
async def test_a_command_that_there_is_not_makes_no_label(runtime: Runtime, command: str | None) -> None:
    metrics = CniMetrics(lambda: 0.0)
    await metrics.counted(runtime.plugin.answer)(call(network({}), COMMAND=command), lambda: True)

    assert samples(metrics)["_count", "other", str(int(Code.INVALID_ENVIRONMENT))] == 1


async def test_a_fault_is_counted_as_one() -> None:
    async def fails(_call: Call, _is_there: IsThere) -> Outcome:
        raise ZeroDivisionError

    metrics = CniMetrics(lambda: 0.0)
    with pytest.raises(ZeroDivisionError):
        await metrics.counted(fails)(call(network({})), lambda: True)
    assert samples(metrics)["_count", "ADD", str(int(Code.INTERNAL))] == 1
