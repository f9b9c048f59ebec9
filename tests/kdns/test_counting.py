"""What is counted of a query: kinds are told apart by what the labels say, and by nothing else."""

from typing import Any

import pytest

from kdns.chain import Client
from kdns.counting import DROPPED, Counting
from kdns.metrics import Metrics
from kdns.wire import codes, names
from kdns.wire.edns import DO, Edns
from tests.kdns.asking import question, request


@pytest.fixture
def counting() -> Counting:
    return Counting(Metrics())


def test_a_kind_is_the_label_values_of_a_query(counting: Counting) -> None:
    kind = counting.kind(request("www.example.org. A", zone=names.parse("example.org.")), codes.NXDOMAIN, "file")
    where = "dns://:53", "example.org.", ""
    assert kind[:5] == (where, (*where, "udp"), (*where, "udp", "1", "A"), (*where, "NXDOMAIN", "file"), False)


def test_a_query_that_no_block_takes_has_a_zone_of_its_own(counting: Counting) -> None:
    assert counting.kind(request("a. A"), codes.REFUSED, "", DROPPED).where == ("dns://:53", "dropped", "")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"asked": "other. A"}, True),
        ({"asked": "a. AAAA"}, False),
        ({"size": 500}, True),
        ({"zone": names.parse("a.")}, False),
        ({"view": "v"}, False),
        ({"client": Client("192.0.2.9", 99, "udp")}, True),
        ({"client": Client("192.0.2.9", 99, "tcp")}, False),
        ({"client": Client("fd00::9", 99, "udp")}, False),
        ({"asked": question("a. A", edns=Edns(1232, flags=DO))}, False),
    ],
)
def test_queries_of_one_kind_share_it(counting: Counting, other: dict[str, Any], same: bool) -> None:
    one = counting.kind(request("a. A"), codes.NOERROR, "hosts")
    two = counting.kind(request(other.pop("asked", "a. A"), **other), codes.NOERROR, "hosts")
    assert (one is two, one == two) == (same, same)
