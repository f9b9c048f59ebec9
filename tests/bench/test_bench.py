"""The parts of the benchmark, on real servers; what they measure is not judged here."""

from pathlib import Path

import pytest

from bench import freshness, processes, queries, startup
from bench.__main__ import rates, table
from bench.http_load import post_all, posts_a_second
from bench.queries import Rate


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


def test_the_same_names_are_made_for_every_server(tmp_path: Path) -> None:
    with processes.ipamd(tmp_path) as ipamd:
        names = queries.fill(ipamd)

    assert len(set(names.values())) == len(names) == queries.SERVICES
    lines = queries.zone(names).splitlines()
    assert f"svc-0.default.svc.cluster.local. IN A {names['svc-0.default.svc.cluster.local']}" in lines
    assert queries.hot(names, tmp_path).file.read_text().splitlines()[0] == "svc-0.default.svc.cluster.local A"


def test_every_server_answers_for_the_names(tmp_path: Path) -> None:
    names = {f"svc-{number}.default.svc.cluster.local": f"10.96.1.{number}" for number in range(100)}
    zone = queries.zone(names)
    with processes.nsd(tmp_path, zone) as nsd, processes.knot(tmp_path, zone) as knot:
        for server in (nsd, knot):
            for asked in (queries.hot(names, tmp_path), queries.cold(tmp_path)):
                assert queries.measure(server, asked, seconds=0.2).qps > 0


def test_other_answers_than_expected_are_no_measurement(tmp_path: Path) -> None:
    with processes.nsd(tmp_path, queries.zone({})) as nsd, pytest.raises(RuntimeError, match="other answers"):
        queries.measure(nsd, queries.hot({"absent.cluster.local": ""}, tmp_path), seconds=0.2)


def test_every_request_is_sent_once_and_answered() -> None:
    wanted = [{"number": number} for number in range(500)]
    with processes.echo() as echo:
        assert sorted(post_all(echo.port, "/v1/leases", wanted), key=lambda each: int(each["number"])) == wanted
        assert posts_a_second(echo.port, "/v1/leases", wanted) > 0


def test_rates_are_shown_beside_the_peers() -> None:
    shown = rates("servers", "q/s", {"mine": Rate(3000.4, 4.0), "theirs": Rate(2000, 2.0)}, "theirs")
    assert shown.splitlines()[2] == "| mine | 3,000 | 1.50 | 4.0 | 2.00 |"
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n"
    assert queries.middle([Rate(1, 9), Rate(5, 1), Rate(2, 2)]) == Rate(2, 2)
