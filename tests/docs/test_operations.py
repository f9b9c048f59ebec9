"""The rules for alerts in docs/operations.md ask for metrics that ipamd has, with labels that these have."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.fences import fences
from tests.ipamd.daemon import Daemon

ASKED = re.compile(r"\b(ipamd_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
UPON_A_CALL = {"ipamd_cni_request_duration_seconds_count": {"command", "code"}}  # without a call there are no samples


def rules() -> Iterator[Any]:
    for fence in fences("docs/operations.md"):
        if fence.language == "yaml":
            yield from (rule for group in yaml.safe_load(fence.text)["groups"] for rule in group["rules"])


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The labels of every sample that a daemon shows."""
    daemon = Daemon(tmp_path_factory.mktemp("ipamd"))
    daemon.start()
    daemon.lease("a")
    families = text_string_to_metric_families(daemon.request("GET", "/metrics").body)
    assert daemon.stop() == 0
    found: dict[str, set[str]] = defaultdict(set, UPON_A_CALL)
    for family in families:
        for sample in family.samples:
            found[sample.name] |= {*sample.labels}
    return found


@pytest.mark.parametrize("rule", [*rules()], ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_what_there_is(rule: Any, labels: dict[str, set[str]]) -> None:
    asked = ASKED.findall(rule["expr"])

    assert asked
    for name, matchers in asked:
        assert name in labels
        assert {*LABEL.findall(matchers)} <= labels[name]
