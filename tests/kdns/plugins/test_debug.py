"""debug: a mark on a server block."""

import pytest

from kdns.errors import ConfigError
from kdns.plugins import debug
from tests.kdns.asking import args


def test_marks_the_block() -> None:
    assert debug.setup(args("debug")) == debug.Debug()


@pytest.mark.parametrize("directive", ["debug off", "debug {\n}", "debug\ndebug on"])
def test_takes_no_arguments(directive: str) -> None:
    with pytest.raises(ConfigError, match=r"Wrong argument count|expecting argument"):
        debug.setup(args(directive))
