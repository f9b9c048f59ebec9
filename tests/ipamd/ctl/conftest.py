"""What the tests of ipamctl share."""

import pytest

from tests.ipamd.ctl.running import Done, Ipamctl, run
from tests.ipamd.daemon import Daemon


@pytest.fixture
def ipamctl(daemon: Daemon) -> Ipamctl:
    """Runs ipamctl against the daemon."""

    def against(*arguments: str, stdin: str = "", server: str = "") -> Done:
        return run(*arguments, stdin=stdin, server=server or daemon.url)

    return against
