"""The parts of the benchmark, on real servers; what they measure is not judged here."""

import cProfile
import json
from pathlib import Path

import pytest

from bench import dnsperf, freshness, instructions, leases_page, leasing, processes, servers, startup, workloads
from bench.changes import change
from bench.cluster import Cluster
from bench.dnsperf import Questions, write
from bench.http_load import posts
from bench.profiling import table
from bench.workloads import WORKLOADS

TINY = Cluster(services=40, sets=2)


def test_every_lease_resolves(tmp_path: Path) -> None:
    with processes.ipamd(tmp_path) as ipamd, processes.kdns(tmp_path, ipamd.port) as kdns:
        measured = freshness.delays(ipamd, kdns)
        assert kdns.cpu() > 0

    assert len(measured) == freshness.LEASES
    assert all(delay > 0 for delay in measured)
    assert freshness.row([1.0, 2.0, 3.0])[0] == "2.00 ms"


def test_every_start_comes_to_an_answer() -> None:
    measured = startup.delays()
    assert len(measured) == startup.STARTS
    assert startup.row([0.5, 0.7, 0.6]) == ("0.60 s", "0.70 s")


def test_kdns_answers_every_workload_and_shows_what_changes(tmp_path: Path) -> None:
    asked = {name: workloads.slices(each, TINY, tmp_path, rounds=1)[0] for name, each in WORKLOADS.items()}
    with servers.place(tmp_path, TINY) as at, servers.STARTS["kdns"](at) as kdns:
        for name in ("hot", "even", "fresh", "nxdomain", "srv", "forward", "miss", "tcp", "mixed"):
            assert dnsperf.rate(kdns, asked[name], 0.1).answers > 0
        assert dnsperf.latency(kdns, asked["hot"], 0.1)[0] > 0
        assert len(change(at.api, kdns, 0.1)) == 10
        assert kdns.memory() > 10


@pytest.mark.parametrize(
    ("name", "workload"), [("kdns, autopath", "storm"), ("kdns, DoT", "tls"), ("kdns without C", "fresh")]
)
def test_kdns_answers_in_its_other_forms(name: str, workload: str, tmp_path: Path) -> None:
    asked = workloads.slices(WORKLOADS[workload], TINY, tmp_path, rounds=1)[0]
    with servers.place(tmp_path, TINY) as at, servers.STARTS[name](at) as kdns:
        assert dnsperf.rate(kdns, asked, 0.1).answers > 0


@pytest.mark.parametrize("name", ["NSD", "Knot DNS", "BIND", "unbound", "dnsmasq"])
def test_peers_answer_for_the_same_names(name: str, tmp_path: Path) -> None:
    hot = workloads.slices(WORKLOADS["hot"], TINY, tmp_path)[0]
    with servers.place(tmp_path, TINY) as at, servers.STARTS[name](at) as server:
        assert dnsperf.rate(server, hot, 0.1).answers > 0


def test_other_answers_than_expected_are_no_measurement(tmp_path: Path) -> None:
    absent = Questions(write(tmp_path / "absent", ["absent.cluster.local A"]), "NOERROR")
    with (
        servers.place(tmp_path, TINY) as at,
        servers.STARTS["NSD"](at) as nsd,
        pytest.raises(RuntimeError, match="other answers"),
    ):
        dnsperf.rate(nsd, absent, 0.1)


def test_every_request_is_sent_once_and_answered() -> None:
    wanted = [{"number": number} for number in range(500)]
    with processes.echo() as echo:
        load = posts(echo.port, "/v1/leases", wanted)
    assert sorted(map(json.loads, load.replies), key=lambda each: int(each["number"])) == wanted
    assert len(load.waits) == 500
    assert 0 < load.p99 <= load.seconds
    assert load.rate == 500 / load.seconds


def test_a_profile_tells_of_the_functions_that_took_longest(tmp_path: Path) -> None:
    file = tmp_path / "profile"
    with cProfile.Profile() as profile:
        sorted(range(1000), key=lambda each: -each)
    profile.dump_stats(str(file))

    head, *rows = table(file, queries=1000, rows=3).splitlines()
    assert "1,000 queries" in head
    assert len(rows) == 3


def test_instructions_are_shown_by_the_query() -> None:
    shown = instructions.table([(4_000_000, "PROGRAM TOTALS"), (1_000, "./Objects/x.c:compare")], 2_000).splitlines()
    assert [line.split() for line in shown[1:]] == [["2,000", "PROGRAM", "TOTALS"], ["0", "compare"]]


def test_leases_in_batches_are_counted(tmp_path: Path) -> None:
    with processes.ipamd(tmp_path) as ipamd:
        measured = leasing.batches(ipamd, count=3, size=10)
    assert measured.qps > 0
    assert leases_page.of_batches(measured)[0].row()[:2] == ("batches of 10,000", "ipamd")
    assert "10,000 leases a batch" in leases_page.batches(measured)


def test_stores_of_several_sizes_are_filled_listed_and_leased_from(tmp_path: Path) -> None:
    measured = leasing.sizes(tmp_path, counts=(5, 20), some=5)
    assert [line.split(" |")[0] for line in leases_page.sizes(measured).splitlines()[2:]] == ["| 5", "| 20"]
    assert min(min(each) for each in measured.values()) > 0
    assert [fact.what for fact in leases_page.of_sizes(measured)] == ["20 leases"] * 3
