"""ready: who is waited for, and how that is told."""

import pytest

from kdns.errors import ConfigError
from kdns.plugins import ready
from kdns.plugins.ready import Ready
from tests.kdns.asking import args


class Loading:
    """A plugin that is ready when it is told to be."""

    def __init__(self, now: bool = False) -> None:
        self.now = now

    def ready(self) -> bool:
        return self.now


async def got(plugin: Ready) -> tuple[int, bytes]:
    (page,) = plugin.pages()
    status, _, body = await page.get({})
    return status, body


@pytest.mark.parametrize(
    ("directive", "address"),
    [
        ("ready", ":8181"),
        ("ready localhost:1234", "localhost:1234"),
        ("ready {\n monitor until-ready\n}", ":8181"),
        ("ready localhost:1234 {\n monitor continuously\n}", "localhost:1234"),
    ],
)
async def test_is_ready_when_there_is_nobody_to_wait_for(directive: str, address: str) -> None:
    plugin = ready.setup(args(directive))
    plugin.meet({"ready": plugin, "whoami": lambda request, rest: None})
    (page,) = plugin.pages()
    assert (page.address, page.path, page.every) == (address, "/ready", True)
    assert await page.get({}) == (200, "text/plain; charset=utf-8", b"OK")


async def test_names_those_that_are_not_ready_and_logs_it() -> None:
    log: list[str] = []
    plugin = ready.setup(args("ready", log=lambda level, text: log.append(f"{level} {text}")))
    kubernetes, etcd = Loading(), Loading()
    plugin.meet({"kubernetes": kubernetes, "etcd": etcd, "forward": Loading(now=True)})

    assert await got(plugin) == (503, b"etcd,kubernetes")
    etcd.now = True
    assert await got(plugin) == (503, b"kubernetes")
    kubernetes.now = True
    assert await got(plugin) == (200, b"OK")
    assert log == ['INFO Plugins not ready: "etcd,kubernetes"', 'INFO Plugins not ready: "kubernetes"']


@pytest.mark.parametrize(("monitor", "status"), [("until-ready", 200), ("continuously", 503)])
async def test_one_that_was_ready_is_asked_again_if_told_so(monitor: str, status: int) -> None:
    plugin = ready.setup(args(f"ready {{\n monitor {monitor}\n}}"))
    etcd = Loading(now=True)
    plugin.meet({"etcd": etcd})
    assert (await got(plugin))[0] == 200
    etcd.now = False
    assert (await got(plugin))[0] == status


async def test_is_not_ready_any_more_once_the_server_stops() -> None:
    plugin = ready.setup(args("ready"))
    plugin.meet({})
    await plugin.lameduck()
    assert await got(plugin) == (503, b"Shutting down")


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("ready bla", "address bla: missing port in address"),
        ("ready localhost:1 b", "Wrong argument count or unexpected line ending after 'b'"),
        ("ready {\n monitor\n}", "Wrong argument count or unexpected line ending after 'monitor'"),
        ("ready {\n monitor 404\n}", "monitor type '404' not supported"),
        ("ready {\n monitro continuously\n}", "unknown property 'monitro'"),
        ("ready\nready", "this plugin can only be used once per Server Block"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        ready.setup(args(directive))
