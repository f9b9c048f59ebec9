"""docs/http.md names every request of `/v1`, and has an example of each that succeeds."""

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.docs.fences import ROOT, commands
from tests.system.demo import Demo

DOCUMENT = "docs/http.md"
ROW = re.compile(r"(?m)^\| `([A-Z]+ /v1/\S+)` \| \S")


def test_every_request_is_described_and_has_an_example(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    try:
        for command, _ in commands(DOCUMENT):
            demo.shell(f"set -e\nexport HOME={tmp_path}\n{command.text}")
        described = json.loads(demo.shell("curl -s localhost:8653/openapi.json"))
        metrics = demo.shell("curl -s localhost:8653/metrics")
    finally:
        assert demo.stop() == 0
    served = sorted(f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods)
    samples = [sample.labels for family in text_string_to_metric_families(metrics) for sample in family.samples]
    done = {f"{each['method']} {each['route']}" for each in samples if each.get("status", "").startswith("2")}

    assert sorted(ROW.findall((ROOT / DOCUMENT).read_text())) == served
    assert [each for each in served if each not in done] == []
