"""Every behaviour that the folder of vectors has a list of is claimed by a test."""

import json
from pathlib import Path

from tests.vectors.suites import folder


def test_no_behaviour_is_left_out() -> None:
    place = folder()
    if place is None:
        return
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    behaviours = [
        (file.stem, name)
        for file in sorted(place.glob("ipam/*.json"))
        for name, rows in json.loads(file.read_text()).items()
        if isinstance(rows, list) and name != "source"
    ]

    assert len(behaviours) > 30
    assert [each for each in behaviours if '"{}", "{}"'.format(*each) not in tests] == []
