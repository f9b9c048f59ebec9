"""One demo cluster for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.system.demo import Demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A running demo cluster; its logs must be free of tracebacks when it stops."""
    cluster = Demo(tmp_path_factory.mktemp("demo"))
    yield cluster
    assert cluster.stop() == 0
    assert "Traceback" not in cluster.logs()
