"""The runner on vectors of its own: what holds passes, a planted fault is found wherever it lies."""

from pathlib import Path
from typing import Any

import pytest

from tests.vectors import configuring, runner
from tests.vectors.suites import Vector

HOSTS = {
    "corefile": "a.test:@PORT@ {\n hosts @DIR@/table {\n  ttl 60\n }\n log\n}\n",
    "files": {"table": "192.0.2.1 a.test\n"},
}
ASK = {"name": "a.test.", "type": "A"}
FORWARD = {
    "corefile": ".:@PORT@ {\n forward . @UPSTREAM@\n cache\n}\n",
    "upstream": {
        "mode": "static",
        "answer": [{"name": "a.test.", "ttl": 9, "class": "IN", "type": "A", "rdata": "192.0.2.1"}],
    },
}
RIGHT = {
    "rcode": "NOERROR",
    "answer": [{"name": "a.test.", "ttl": 60, "class": "IN", "type": "A", "rdata": "192.0.2.1"}],
}
REFUSED = {"rcode": "REFUSED"}
SERVFAIL = {"mode": "rcode", "rcode": "SERVFAIL"}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("right", HOSTS, {"query": ASK, "expect": RIGHT}, True),
    ("wrong rcode", HOSTS, {"query": ASK, "expect": REFUSED}, False),
    ("right over tcp", HOSTS, {"query": ASK | {"proto": "tcp"}, "expect": RIGHT}, True),
    ("second query", HOSTS, {"query": ASK | {"proto": "tcp", "then": ASK}, "expect": RIGHT | {"then": RIGHT}}, True),
    ("second wrong", HOSTS, {"query": ASK | {"proto": "tcp", "then": ASK}, "expect": RIGHT | {"then": REFUSED}}, False),
    ("silence", HOSTS, {"query": {"raw_hex": "0001"}, "expect": {"no_response": True}}, True),
    ("no silence", HOSTS, {"query": ASK, "expect": {"no_response": True}}, False),
    ("logged", HOSTS, {"query": ASK, "expect": {"logs": True, "log_contains": ":@CLIENT_PORT@ - "}}, True),
    ("not logged", HOSTS, {"query": ASK, "expect": {"logs": False}}, False),
    ("logged otherwise", HOSTS, {"query": ASK, "expect": {"log_contains": "AAAA IN a.test."}}, False),
    ("logged too much", HOSTS, {"query": ASK, "expect": {"log_not_contains": "A IN a.test."}}, False),
    ("starts", HOSTS, {"query": None, "expect": {"starts": True}}, True),
    ("no start", {"corefile": ".:@PORT@ {\n nothing\n}\n"}, {"query": None, "expect": {"starts": True}}, False),
    ("asked once", FORWARD, {"query": ASK, "expect": {}, "expect_upstreams": {"@UPSTREAM@": {"count": 1}}}, True),
    ("asked twice", FORWARD, {"query": ASK, "expect": {}, "expect_upstreams": {"@UPSTREAM@": {"count": 2}}}, False),
    (
        "asked over udp",
        FORWARD,
        {"query": ASK, "expect": {}, "expect_upstreams": {"@UPSTREAM@": {"proto": "tcp"}}},
        False,
    ),
    ("asked for", FORWARD, {"query": ASK, "expect": {}, "expect_upstream": {"name": "a.test."}}, True),
    ("asked for another", FORWARD, {"query": ASK, "expect": {}, "expect_upstream": {"name": "b.test."}}, False),
    ("asked with", FORWARD, {"query": ASK, "expect": {}, "expect_upstream": {"flags": {"rd": True}}}, False),
    (
        "steps",
        FORWARD,
        {
            "steps": [
                {"query": ASK, "expect": {}},
                {"set_upstream": SERVFAIL, "query": ASK, "expect": {"rcode": "NOERROR"}},
            ]
        },
        True,
    ),
    (
        "wrong step",
        FORWARD,
        {"steps": [{"query": ASK, "expect": {}}, {"query": ASK, "expect": {}, "expect_upstream_count": 2}]},
        False,
    ),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The differences of all cases, each with a server of its own."""
    vectors = [Vector("own", {"id": name, "server": name, **case}, server) for name, server, case, _ in CASES]
    return runner.run(vectors, tmp_path_factory.mktemp("runner"))


@pytest.mark.parametrize(("name", "holds"), [(name, holds) for name, _, _, holds in CASES])
def test_tells_a_server_that_does_as_expected_from_one_that_does_not(
    name: str, holds: bool, found: dict[str, list[str]]
) -> None:
    assert (found[f"own/{name}"] == []) == holds, found[f"own/{name}"]


@pytest.mark.parametrize(
    ("corefile", "expect", "holds"),
    [
        ("a.test:1053 {\n whoami\n}\n", {"accept": True, "zones": ["a.test."], "banner": ["a.test.:1053"]}, True),
        ("a.test:1053 {\n whoami\n}\n", {"accept": True, "keys": ["dns://a.test.:1053"]}, True),
        ("a.test:1053 {\n whoami\n}\n", {"accept": True, "keys": ["dns://b.test.:1053"]}, False),
        ("a.test:1053 {\n whoami\n}\n", {"accept": True, "zones": ["a.test.", "b.test."]}, False),
        ("a.test:1053 b.test {\n whoami\n}\n", {"accept": True, "zones_include": ["a.test."]}, True),
        ("a.test:1053 {\n whoami\n}\n", {"accept": True, "zones_include": ["b.test."]}, False),
        ("a.test:1053 {\n whoami\n}\n", {"accept": True, "banner": ["a.test.:53"]}, False),
        ("a.test:1053 {\n whoami\n}\n", {"accept": True, "log_contains": "a warning"}, False),
        ("a.test:1053 {\n whoami\n}\n", {"accept": False}, False),
        ("a.test:1053 {\n nothing\n}\n", {"accept": True}, False),
        ("a.test:1053 {\n nothing\n}\n", {"accept": False, "error_contains": "Unknown directive 'nothing'"}, True),
        ("a.test:1053 {\n nothing\n}\n", {"accept": False, "error_contains": "another error"}, False),
    ],
)
def test_tells_a_corefile_that_is_read_as_expected(
    corefile: str, expect: dict[str, Any], holds: bool, tmp_path: Path
) -> None:
    vector = Vector("own", {"id": "one", "level": "parse", "expect": expect}, {"corefile": corefile})
    assert (configuring.run([vector], tmp_path)["own/one"] == []) == holds
