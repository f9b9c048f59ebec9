"""The page that a run writes: tables in their places, the words around them as they were."""

from pathlib import Path

import pytest

from bench import leases_page, page
from bench.__main__ import OTHERS, PAGE
from bench.changes import Moving
from bench.cluster import PER_SET, SLICES, Cluster, live, live_address
from bench.cni import Row
from bench.dnsperf import Measured, Rate, middle
from bench.leasing import Granted
from bench.plot import draw
from bench.scale import Scale, formula
from bench.workers import Divided
from bench.workloads import WORKLOADS, turn

MINE, OTHER = Measured(Rate(3000.4, 4.0), 50, 90.4, 40), Measured(Rate(2000, 2.0), 20, 30, 41)


def test_leases_are_shown_beside_an_echo() -> None:
    measured = {"echo": Granted(OTHER.rate, 2.0), "lease": Granted(MINE.rate, 5.0)}
    assert leases_page.rates(measured).splitlines()[3] == "| lease | 3,000 | 1.50 | 4.0 | 2.00 | 5.0 | 2.50 |"
    assert [fact.row()[2:] for fact in leases_page.of_rates(measured)] == [
        ("rate at least 0.8 x echo", "1.5", "yes"),
        ("p99 at most 10 x that of echo", "2.5", "yes"),
    ]
    shown = leases_page.attachments([Row("alone", 1.0, 2.0)]).splitlines()[2]
    assert shown == "| alone | 1.0 ms | 2.0 ms | 0.50 |"
    assert leases_page.of_attachments([Row("alone", 3.0, 2.0)])[0].row()[3:] == ("1.5", "no")


def test_medians_are_taken_and_rows_are_lines() -> None:
    assert page.table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n"
    assert middle([Rate(1, 9, 5), Rate(5, 1, 5), Rate(2, 2, 5)]) == Rate(2, 2, 15)


def test_a_workload_is_shown_beside_its_peer() -> None:
    shown = page.workload(WORKLOADS["fresh"], {"kdns": MINE, "NSD": OTHER})
    assert shown.splitlines()[2] == "| kdns | 4.0 | 2.00 | 3,000 | 1.50 | 50 | 90 | 40 |"


def test_a_target_is_met_or_is_not() -> None:
    shown = page.targets({"fresh": {"kdns": MINE, "NSD": OTHER, "CoreDNS": OTHER}}).splitlines()
    assert shown[2].endswith("| kdns | CPU at most 2.5 x NSD | 2.00 | yes |")
    assert shown[3].endswith("| kdns | rate at least 2 x CoreDNS | 1.50 | no |")


def test_other_measurements_are_tables_too() -> None:
    assert "| kdns | 2,000 | 0.67 | 0.50 | 1.00 | 1.00 | 1.00 |" in page.moving(
        {"kdns": Moving(MINE.rate, OTHER.rate, [0.001, 0.001])}
    )
    assert "| few | kdns | 1.50 | 40 | 0.50 | 2.00 |" in page.sizes(
        {"few": {"kdns": Scale(1.5, 40, 0.002)}}, {"few": 80}
    )
    few, many = {"hot": OTHER.rate, "fresh": OTHER.rate}, {"hot": OTHER.rate, "fresh": MINE.rate}
    assert "| 2.0 | 4.0 | 2.00 |" in page.million({"few": few, "many": many})


def test_what_was_wanted_besides_stands_below_the_workloads() -> None:
    few, many = {"hot": OTHER.rate, "fresh": OTHER.rate}, {"hot": OTHER.rate, "fresh": MINE.rate}
    one, two = Divided(5.0, 100_000, 80), Divided(6.0, 170_000, 96)
    facts = [
        *page.of_changes({"kdns": Moving(MINE.rate, OTHER.rate, [0.001, 0.001])}),
        *page.of_sizes({"few": {"kdns": Scale(1.5, 40, 0.002)}}, {"few": 80}, 0.2, 0.4),
        *page.of_a_million({"few": few, "many": many}),
        *page.of_workers({"one": one, "two": two}),
    ]
    met = [line.split(" | ")[-1].removesuffix(" |") for line in page.targets({}, facts).splitlines()[2:]]

    assert met == ["no", "yes", "no", "yes", "yes", "yes", "yes", "no", "no", "yes"]
    assert "| two processes | 6.0 | 170,000 | 1.70 | 96 | 1.20 |" in page.workers({"one": one, "two processes": two})


def test_a_block_is_replaced_and_the_words_stay() -> None:
    text = "Words.\n<!-- hot -->\nold\n<!-- end -->\nMore.\n<!-- even -->\n<!-- end -->\n"
    assert page.filled(text, "hot", "new\n") == text.replace("old", "new")
    with pytest.raises(ValueError, match="no place for cold"):
        page.filled(text, "cold", "")


def test_the_page_has_a_place_for_everything() -> None:
    for name in ("machine", "targets", "changes", *WORKLOADS, *OTHERS):
        assert f"<!-- {name} -->" in PAGE.read_text()


def test_the_picture_is_the_same_for_the_same_numbers(tmp_path: Path) -> None:
    measured = {"fresh": {"kdns": MINE, "NSD": OTHER}, "tls": {"kdns, DoT": MINE, "NSD": OTHER}}
    files = tmp_path / "a.svg", tmp_path / "b.svg", tmp_path / "c.png"
    draw(measured, files[:1])
    draw(measured, files[1:])
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[2].read_bytes().startswith(b"\x89PNG")


def test_the_servers_take_turns() -> None:
    assert turn(["a", "b", "c"], 0) == ["a", "b", "c"]
    assert turn(["a", "b", "c"], 4) == ["b", "c", "a"]


def test_the_same_names_are_in_the_objects_and_in_the_zone() -> None:
    cluster = Cluster(services=3, sets=2)
    zone, (slice_, *_) = "".join(cluster.zone()), [*cluster.objects()[SLICES]]
    assert cluster.endpoints == 2 * PER_SET == slice_.count(b"addresses") * 2 == len(set(cluster.endpoint_names()))
    assert "svc-2.ns-2.svc.cluster.local. IN A 10.96.0.12\n" in zone
    assert "10-128-0-1.set-0.ns-0.svc.cluster.local. IN A 10.128.0.1\n" in zone
    assert "_http._tcp.set-0.ns-0.svc.cluster.local. IN SRV 0 1 8080 10-128-0-1.set-0.ns-0.svc.cluster.local." in zone
    assert live(1, 0) != live(1, 1)
    assert live_address(1, 1).encode() in live(1, 1)
    assert formula(Cluster()) == 214


@pytest.mark.parametrize("name", [name for name, each in WORKLOADS.items() if not each.again])
def test_a_question_that_is_asked_once_is_in_no_other_slice(name: str) -> None:
    asked, cluster = WORKLOADS[name].asked, Cluster(10, 12)
    parts = [set(asked(cluster, part)) for part in range(3)]
    assert all(parts)
    assert not parts[0] & parts[1] | parts[1] & parts[2]
