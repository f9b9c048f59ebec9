"""reload: how often to look at the Corefile."""

import pytest

from kdns.errors import ConfigError
from kdns.plugins import reload
from kdns.plugins.reload import Reload
from tests.kdns.asking import args


@pytest.mark.parametrize(
    ("directive", "settings"),
    [
        ("reload", Reload(30, 7.5)),
        ("reload 10s", Reload(10, 2.5)),  # the default jitter of 15s is cut to half the interval
        ("reload 1m 10s", Reload(60, 5)),
        ("reload 2s 0s", Reload(2, 0)),
        ("reload 2s 1s", Reload(2, 0.5)),
        ("reload 10s 1m", Reload(10, 2.5)),
    ],
)
def test_looks_every_interval_give_or_take_half_the_jitter(directive: str, settings: Reload) -> None:
    assert reload.setup(args(directive)) == settings


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("reload 1s", "interval value must be greater or equal to 2s"),
        ("reload -5s", "interval value must be greater or equal to 2s"),
        ("reload 10s 500ms", "jitter value must be 0 or greater or equal to 1s"),
        ("reload 10s -1s", "jitter value must be 0 or greater or equal to 1s"),
        ("reload 10", 'time: missing unit in duration "10"'),
        ("reload soon", 'time: invalid duration "soon"'),
        ("reload 10s 1s 1s", "Wrong argument count or unexpected line ending after '1s'"),
        ("reload {\n}", "Unexpected token '{', expecting argument"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        reload.setup(args(directive))
