"""The plan of a Corefile: what runs in which order, and what can never be reached."""

import os
from pathlib import Path

import pytest

from kdns import plan
from kdns.corefile import Files, parse
from kdns.instance import Instance, Surroundings, set_up
from kdns.metrics import Metrics
from kdns.plugins import ORDER

CONFIGS = Path(__file__).parents[2] / "configs"
ENVIRONMENT = {
    "KDNS_DNS_PORT": "53",
    "KDNS_ADMIN_PORT": "9153",
    "KDNS_IPAMD": "http://127.0.0.1:1",
    "KDNS_UPSTREAM": "192.0.2.1",
}
NOTHING = Files(lambda path: "", lambda pattern: [], print)


def instance(corefile: str) -> Instance:
    blocks = parse(corefile, "Corefile", ORDER, ENVIRONMENT, NOTHING)
    return set_up(blocks, Surroundings(Metrics(), os.environ, Path.cwd(), lambda level, message: None))


def warned(corefile: str) -> list[str]:
    return list(plan.warnings(instance(corefile)))


def test_a_plan_shows_listeners_and_plugins_in_the_order_in_which_queries_run() -> None:
    told = list(
        plan.describe(
            instance(
                "example.org 10.0.0.0/8 {\n bind 127.0.0.1 ::1\n whoami\n cache 30\n log example.org\n errors\n"
                " view inside {\n  expr true\n }\n}\n"
            )
        )
    )
    assert told == [
        "example.org, 10.0.0.0/8    Corefile:1",
        "  listens on dns://127.0.0.1:53",
        "  listens on dns://[::1]:53",
        "  only for queries that view inside admits",
        "  a query meets  errors        Corefile:6",
        "                 log           Corefile:5  for example.org.",
        "                 cache         Corefile:4  for example.org., 10.in-addr.arpa.",
        "                 whoami        Corefile:3",
        "  configured by  bind          Corefile:2",
        "                 view          Corefile:7",
        "",
    ]


def test_a_plan_ends_with_its_warnings() -> None:
    told = list(plan.describe(instance("a.example {\n cache 30 b.example\n whoami\n}\n")))
    assert told[-1] == (
        "warning: Corefile:2 - cache: no query for b.example. is ever seen: the server block is for a.example."
    )


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("Corefile*")), ids=lambda path: path.name)
def test_nothing_is_wrong_with_the_stock_corefiles(path: Path) -> None:
    assert warned(path.read_text()) == []


KUBERNETES = "kubernetes %s {\n endpoint http://127.0.0.1:1\n %s\n}\n"
UNREACHED = {
    "behind a forward of something": (
        ". {\n forward example.org 192.0.2.1\n whoami\n}\n",
        [],
    ),
    "behind a forward of everything": (
        ". {\n forward . 192.0.2.1\n whoami\n}\n",
        ["Corefile:3 - whoami is never reached: forward (Corefile:2) lets nothing in . through"],
    ),
    "behind a forward of everything but some names": (
        ". {\n forward . 192.0.2.1 {\n  except example.org\n }\n whoami\n}\n",
        [],
    ),
    "behind a forward of more than the block": (
        "example.org {\n forward . 192.0.2.1 {\n  except example.net\n }\n whoami\n}\n",
        ["Corefile:5 - whoami is never reached: forward (Corefile:2) lets nothing in example.org. through"],
    ),
    "a second forward of the same": (
        ". {\n forward . 192.0.2.1\n forward . 192.0.2.2\n}\n",
        ["Corefile:3 - forward is never reached: forward (Corefile:2) lets nothing in . through"],
    ),
    "a second forward of the same that gets some replies": (
        ". {\n forward . 192.0.2.1 {\n  next NXDOMAIN\n }\n forward . 192.0.2.2\n}\n",
        [],
    ),
    "a forward of less behind one of more": (
        ". {\n forward example.org 192.0.2.1\n forward a.example.org 192.0.2.2\n forward . 192.0.2.3\n}\n",
        ["Corefile:3 - forward is never reached: forward (Corefile:2) lets nothing in a.example.org. through"],
    ),
    "behind kubernetes without fallthrough": (
        f"cluster.local {{\n {KUBERNETES % ('', '')} forward . 192.0.2.1\n}}\n",
        ["Corefile:6 - forward is never reached: kubernetes (Corefile:2) lets nothing in cluster.local. through"],
    ),
    "behind kubernetes that lets reverse names through": (
        f"cluster.local in-addr.arpa {{\n {KUBERNETES % ('', 'fallthrough in-addr.arpa')} forward . 192.0.2.1\n}}\n",
        [],
    ),
    "behind a template for everything": (
        "example.org {\n template ANY ANY {\n  match ^a\n }\n hosts {\n  192.0.2.1 x.example.org\n }\n}\n",
        ["Corefile:5 - hosts is never reached: template (Corefile:2) lets nothing in example.org. through"],
    ),
    "behind a template for some types": (
        "example.org {\n template ANY AAAA {\n  rcode NOERROR\n }\n hosts {\n  192.0.2.1 x.example.org\n }\n}\n",
        [],
    ),
    "behind a template that falls through": (
        "example.org {\n template ANY ANY {\n  match ^a\n  fallthrough\n }\n whoami\n}\n",
        [],
    ),
    "behind hosts: PTR goes on": (
        "example.org {\n hosts {\n  192.0.2.1 x.example.org\n }\n whoami\n}\n",
        [],
    ),
    "several files in a block": (
        ". {\n file a a.example\n file b b.example sub.a.example\n forward . 192.0.2.1\n}\n",
        [],
    ),
    "several files, of which one is outside the block": (
        "a.example {\n file a\n file b b.example\n}\n",
        ["Corefile:2 - file: no query for b.example. is ever seen: the server block is for a.example."],
    ),
    "behind several files": (
        "a.example b.example {\n file a a.example\n file b b.example\n forward . 192.0.2.1\n}\n",
        [
            "Corefile:4 - forward is never reached: file (Corefile:2) lets nothing in a.example. through; "
            "file (Corefile:2) lets nothing in b.example. through"
        ],
    ),
    "what another block takes": (
        f". {{\n {KUBERNETES % ('cluster.local', '')} forward . 192.0.2.1\n}}\ncluster.local {{\n whoami\n}}\n",
        ["Corefile:2 - kubernetes is never reached: Corefile:8 takes all queries for cluster.local."],
    ),
    "what another block takes on another port": (
        f". {{\n {KUBERNETES % ('cluster.local', '')} forward . 192.0.2.1\n}}\ncluster.local:1053 {{\n whoami\n}}\n",
        [],
    ),
    "what a block with a view takes": (
        ". {\n cache 30 example.org\n whoami\n}\nexample.org {\n view some {\n  expr true\n }\n whoami\n}\n",
        [],
    ),
    "limits for a scheme that no key has": (
        "quic://. https://. {\n https {\n  max_connections 5\n }\n https3 {\n  max_streams 5\n }\n whoami\n}\n",
        ["Corefile:5 - https3 is never used: no key of the server block begins with https3://"],
    ),
    "a zone outside the block": (
        "example.org {\n acl example.net {\n  block\n }\n acl a.example.org {\n  block\n }\n whoami\n}\n",
        ["Corefile:2 - acl: no query for example.net. is ever seen: the server block is for example.org."],
    ),
    "the zone that PTR records lead to": (
        f"10.0.0.0/8 {{\n {KUBERNETES % ('cluster.local 10.0.0.0/8', '')}}}\n",
        [],
    ),
    "the reverse zone of a block for names": (
        f"cluster.local {{\n {KUBERNETES % ('cluster.local in-addr.arpa', '')}}}\n",
        ["Corefile:2 - kubernetes: no query for in-addr.arpa. is ever seen: the server block is for cluster.local."],
    ),
    "hosts of names elsewhere, asked for by address": (
        "10.0.0.0/8 {\n hosts /etc/hosts example.org\n}\n",
        [],
    ),
    "hosts of names elsewhere, not asked for by address": (
        "10.0.0.0/8 {\n hosts /etc/hosts example.org {\n  no_reverse\n }\n}\n",
        ["Corefile:2 - hosts: no query for example.org. is ever seen: the server block is for 10.in-addr.arpa."],
    ),
    "localhost in a zone of its own": (
        "example.org {\n local {\n  localhost_prefix off\n }\n whoami\n}\n",
        [
            f"Corefile:2 - local: no query for {zone} is ever seen: the server block is for example.org."
            for zone in ("localhost.", "0.in-addr.arpa.", "127.in-addr.arpa.", "255.in-addr.arpa.")
        ],
    ),
    "a block behind one without a view": (
        "example.org {\n whoami\n}\nexample.org {\n view late {\n  expr true\n }\n whoami\n}\n",
        ["Corefile:4 - the server block is never reached: Corefile:1 takes all queries for example.org."],
    ),
    "a block before one without a view": (
        "example.org {\n view early {\n  expr true\n }\n whoami\n}\nexample.org {\n whoami\n}\n",
        [],
    ),
    "a block of which only one key is taken": (
        "example.org {\n whoami\n}\nexample.org example.net {\n view late {\n  expr true\n }\n whoami\n}\n",
        [],
    ),
}


def test_many_zones_are_looked_through_at_once() -> None:
    """With a look at each pair of them, this would not end within the time that a test has."""
    zones = [f"z{number}.example" for number in range(3000)]
    assert warned(". {\n" + "".join(f"file db {zone}\n" for zone in zones) + "}\n") == []
    assert warned("".join(f"{zone} {{\n file db\n}}\n" for zone in zones)) == []


@pytest.mark.parametrize(("corefile", "expected"), UNREACHED.values(), ids=UNREACHED)
def test_what_no_query_reaches_is_warned_of_and_nothing_else(corefile: str, expected: list[str]) -> None:
    assert warned(corefile) == expected
