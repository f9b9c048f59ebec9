"""whereabouts' configurations."""

import json

import pytest

from ipamd.cni.document import read_network
from ipamd.cni.planning import plan_of
from ipamd.cni.whereabouts import read_range, read_sloppy
from ipamd.errors import CniError
from tests.vectors.ipam.table import Row, each

# Rows about what no plugin is executed with: the file of defaults that whereabouts itself keeps.
NOT_ON_STDIN = "can load a global flat-file config"


def config(row: Row) -> Row:
    """The configuration that a runtime makes of the row: of a list, each plugin is called with its own part."""
    whole: Row = row["config"]
    return {"name": "listed", "cniVersion": whole["cniVersion"], **whole["plugins"][0]} if "plugins" in whole else whole


@each("whereabouts_config", "cases")
def test_a_configuration_is_read_as_by_whereabouts(row: Row | None) -> None:
    if row is None or row["name"] == NOT_ON_STDIN:
        return
    text = row["configText"] if "configText" in row else json.dumps(config(row))
    if "expectError" in row:
        with pytest.raises(CniError) as refused:
            plan_of(read_network(text.encode()), {})
        is_no_json = "JSON Parsing Error" in row["expectError"]
        assert (refused.value.code == 6) if is_no_json else (refused.value.message == row["expectError"])
        return
    network = read_network(text.encode())
    assert network.ipam is not None
    ranges = read_range(network.ipam)
    expected = row["expect"]
    assert str(ranges.subnet) == expected["range"]
    assert ranges.start == read_sloppy(expected.get("rangeStart", str(ranges.start)))
    assert (ranges.end is None) or (ranges.end == read_sloppy(expected["rangeEnd"]))
    assert plan_of(network, {}).sets
