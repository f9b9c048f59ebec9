"""timeouts: values for the listeners."""

import pytest

from kdns.errors import ConfigError
from kdns.plugins import timeouts
from kdns.plugins.timeouts import Timeouts
from tests.kdns.asking import args


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        ("read 30s", Timeouts(read=30)),
        ("read 1m\n write 2m\n idle 1h", Timeouts(60, 120, 3600)),
        ("read 10\n idle 86400", Timeouts(read=10, idle=86400)),  # bare numbers are seconds
        ("maxtcpqueries 128", Timeouts(max_queries=128)),
        ("read 1s\n maxtcpqueries -1\n read 2s", Timeouts(read=2)),
    ],
)
def test_holds_what_the_corefile_says(lines: str, values: Timeouts) -> None:
    assert timeouts.setup(args(f"timeouts {{\n {lines}\n}}")) == values


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("timeouts", "timeouts block with no timeouts specified"),
        ("timeouts {\n}", "timeouts block with no timeouts specified"),
        ("timeouts 5s", "Wrong argument count"),
        ("timeouts {\n read\n}", "Wrong argument count"),
        ("timeouts {\n read 1s 2s\n}", "Wrong argument count"),
        ("timeouts {\n giraffe 30s\n}", "unknown option: 'giraffe'"),
        ("timeouts {\n write snake\n}", "failed to parse duration 'snake'"),
        ("timeouts {\n idle 0s\n}", "timeout provided '0s' needs to be between 1 second and 24 hours"),
        ("timeouts {\n read 48h\n}", "timeout provided '48h0m0s' needs to be between 1 second and 24 hours"),
        ("timeouts {\n read -5\n}", "needs to be between 1 second and 24 hours"),
        ("timeouts {\n maxtcpqueries 0\n}", r"maxtcpqueries provided '0' needs to be -1 \(unlimited\)"),
        ("timeouts {\n maxtcpqueries -2\n}", r"maxtcpqueries provided '-2' needs to be -1 \(unlimited\)"),
        ("timeouts {\n maxtcpqueries snake\n}", "invalid value for maxtcpqueries 'snake': strconv.Atoi"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        timeouts.setup(args(directive))
