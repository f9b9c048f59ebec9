"""Vectors as they lie in their folder: suites of cases, the servers that these are asked of, and which are claimed.

A folder of vectors holds `coredns/SUITE.json`. It is not part of the project: KDNS_VECTORS names it, or it lies in
`shared/vectors` beside the checkout, or it is not there, and then there is nothing to claim.
"""

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from kdns.corefile import Files, parse
from kdns.errors import ConfigError
from kdns.plugins import ORDER

ROOT = Path(__file__).parents[2]
PORT = "1053"  # stands for a port where nothing is opened

Json = dict[str, Any]

# Directives of CoreDNS that kdns does not have: vectors that need one are not claimed. docs/compatibility.md says why.
VENDOR_CLOUDS = frozenset({"azure", "clouddns", "route53"})


class Held(NamedTuple):
    """Why a vector is held to be wrong, and what every difference to it shows: in all else it has to hold."""

    reason: str
    shows: str


_LOCAL = Held(
    "local's TTL is a week and its SOA's first name `localhost.`; CoreDNS's table compares neither", "ttl=604800"
)
_KEY = Held("a plugin never sees such a key: the server refuses it before", "refused: ")

# Vectors held to be wrong, or to be of nothing that another server than CoreDNS has. They are run all the same and have
# to differ: one that comes to hold has to be struck off here.
HELD_WRONG: Mapping[str, Held] = {
    **{f"small_plugins/local/{row}": _LOCAL for row in range(13)},
    "corefile/TestOriginsFromArgsOrServerBlock/serverblock_invalid_utf-8_preserved": _KEY,
    "corefile/TestOriginsFromArgsOrServerBlock/serverblock_invalid_utf-8_with_prefix": _KEY,
    "corefile/TestStartUpZones/addr_parse_error": Held("no listener can have such an address", "no address and port"),
    "etcd/dnsTestCases/16": Held(
        "the table has no server to ask for an alias's target; a CoreDNS with one answers with the alias",
        "records expected",
    ),
    "plugin_config/erratic/TestParseErratic/3": Held(
        "the directive is misspelt: no Corefile has it", "Unknown directive"
    ),
    "plugin_config/forward/TestSetupResolvconf/1": Held(
        "null.conf is an empty file where CoreDNS tests it; without a file it is a host name", "no valid upstream"
    ),
}


class Vector(NamedTuple):
    """One case, with the server that it is asked of."""

    suite: str
    case: Json
    server: Json

    @property
    def id(self) -> str:
        """SUITE/CASE, which no other vector has."""
        return f"{self.suite}/{self.case['id']}"

    @property
    def level(self) -> str:
        """What has to be run: query (a server), parse, setup or unit."""
        return str(self.case.get("level", "query"))

    @property
    def why_not(self) -> str:
        """Why the vector is not claimed; empty if it is."""
        lacking = sorted(directives(self.server.get("corefile", "")) & VENDOR_CLOUDS)
        return f"there is no plugin {lacking[0]}" if lacking else ""


def folder() -> Path | None:
    """Where the vectors are; None if there are none."""
    named = os.environ.get("KDNS_VECTORS")
    place = Path(named) if named else ROOT.parent / "shared/vectors"
    return place if (place / "coredns").is_dir() else None


def vectors() -> list[Vector]:
    """Every vector of the folder, suite by suite."""
    place = folder()
    return [each for file in sorted(place.glob("coredns/*.json")) for each in _read(file)] if place else []


@cache
def directives(corefile: str) -> frozenset[str]:
    """The directives that a Corefile uses; none if it cannot be read."""
    try:
        blocks = parse(
            corefile.replace("@PORT@", PORT), "Corefile", ORDER, {}, Files(_nothing, lambda _: [], lambda _: None)
        )
    except ConfigError:
        return frozenset()
    return frozenset(name for block in blocks for name in block.directives)


def _read(file: Path) -> Iterator[Vector]:
    suite = json.loads(file.read_text())
    cases = suite.get("cases", ())
    expected = {case["id"]: case.get("expect") for case in cases}
    for case in cases:
        same = case.get("expect", {}).get("same_as")
        found = {**case, "expect": expected[same]} if same else case
        yield Vector(file.stem, found, suite["servers"].get(case["server"], {}))


def _nothing(path: str) -> str:
    raise FileNotFoundError(path)
