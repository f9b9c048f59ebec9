"""errors: a line for each failure, or one for many."""

from collections.abc import Callable

import pytest

from kdns.chain import Keep, Reply
from kdns.errors import ConfigError, Dropped, NoAnswer
from kdns.plugins import errors
from kdns.plugins.errors import Errors
from kdns.wire import codes
from tests.kdns.asking import args, ask


class Timers:
    """A clock that goes on when told to: the calls that were put off, each until its time."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], object]]] = []

    def later(self, seconds: float, call: Callable[[], object]) -> "Timer":
        self.waiting.append((seconds, call))
        return Timer(self, self.waiting[-1])

    def ring(self) -> None:
        waiting, self.waiting = self.waiting, []
        for _, call in waiting:
            call()


class Timer:
    def __init__(self, timers: Timers, entry: tuple[float, Callable[[], object]]) -> None:
        self._timers = timers
        self._entry = entry

    def cancel(self) -> None:
        self._timers.waiting.remove(self._entry)


def plugin(directive: str) -> tuple[Errors, list[str], Timers]:
    """The plugin, what it logs, and its clock."""
    lines: list[str] = []
    timers = Timers()
    made = errors.logging(args(directive, log=lambda level, text: lines.append(f"{level} {text}")), timers.later)
    return made, lines, timers


def fail(made: Errors, *reasons: str | None, asked: str = "www.Example.org. A") -> None:
    for reason in reasons:
        with pytest.raises(NoAnswer):
            ask(made, asked, rest=NoAnswer(codes.SERVFAIL, reason))


def test_a_failure_is_logged_with_rcode_name_type_and_reason_and_goes_on() -> None:
    made, lines, _ = plugin("errors")

    fail(made, "read udp 127.0.0.1:4711->127.0.0.1:53: i/o timeout")

    assert lines == ["ERROR 2 www.example.org. A: read udp 127.0.0.1:4711->127.0.0.1:53: i/o timeout"]


def test_a_failure_without_a_reason_leaves_no_line() -> None:
    made, lines, _ = plugin("errors stdout")

    fail(made, None)

    assert lines == []


@pytest.mark.parametrize("keep", [None, Keep()])
def test_an_answer_passes_as_it_is(keep: Keep | None) -> None:
    made, lines, _ = plugin("errors")
    reply = Reply(codes.NXDOMAIN, keep=keep)

    assert ask(made, "www.example.org. A", rest=reply) == reply
    assert lines == []


def test_a_dropped_query_leaves_no_line() -> None:
    made, lines, _ = plugin("errors")

    with pytest.raises(Dropped):
        ask(made, "www.example.org. A", rest=Dropped())

    assert lines == []


def test_errors_of_one_pattern_are_counted_until_the_period_is_over() -> None:
    made, lines, timers = plugin('errors {\n consolidate 1m "i/o timeout$" warning\n}')

    fail(made, "a: i/o timeout", "other", "b: i/o timeout")
    assert lines == ["ERROR 2 www.example.org. A: other"]
    assert [seconds for seconds, _ in timers.waiting] == [60]
    timers.ring()

    assert lines[1:] == ["WARNING 2 errors like 'i/o timeout$' occurred in last 1m0s"]


def test_counting_begins_anew_after_each_period() -> None:
    made, lines, timers = plugin("errors {\n consolidate 500ms a\n}")

    for _ in range(2):
        fail(made, "a")
        timers.ring()

    assert lines == ["ERROR 1 errors like 'a' occurred in last 500ms"] * 2


def test_the_first_pattern_that_matches_counts_the_error() -> None:
    made, lines, timers = plugin("errors {\n consolidate 1s timeout info\n consolidate 2s .* debug\n}")

    fail(made, "timeout", "refused", "timeout")
    timers.ring()

    assert lines == [
        "INFO 2 errors like 'timeout' occurred in last 1s",
        "DEBUG 1 errors like '.*' occurred in last 2s",
    ]


@pytest.mark.parametrize(("failures", "reported"), [(1, []), (3, ["INFO 3 errors like 'a' occurred in last 1s"])])
def test_show_first_logs_the_first_error_at_once_at_the_level_of_the_pattern(
    failures: int, reported: list[str]
) -> None:
    made, lines, timers = plugin("errors {\n consolidate 1s a info show_first\n}")

    fail(made, *["a"] * failures)
    timers.ring()

    assert lines == ["INFO 2 www.example.org. A: a", *reported]


async def test_what_was_counted_is_reported_when_the_configuration_ends() -> None:
    made, lines, timers = plugin("errors {\n consolidate 1h a\n consolidate 1h b\n}")
    fail(made, "a")

    await made.close()

    assert lines == ["ERROR 1 errors like 'a' occurred in last 1h0m0s"]
    assert timers.waiting == []


async def test_the_timers_are_the_event_loops() -> None:
    lines: list[str] = []
    made = errors.setup(args("errors {\n consolidate 1h a\n}", log=lambda level, text: lines.append(text)))
    fail(made, "a", "a")
    await made.close()

    assert lines == ["2 errors like 'a' occurred in last 1h0m0s"]


@pytest.mark.parametrize(("block", "wanted"), [("", False), ("{\n stacktrace\n}", True)])
def test_says_whether_faults_are_wanted_with_their_stack(block: str, wanted: bool) -> None:
    assert plugin(f"errors {block}")[0].stacktrace is wanted


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("errors errors.txt", "invalid log file: errors.txt"),
        ("errors a b", "Wrong argument count or unexpected line ending after 'b'"),
        ("errors\nerrors", "this plugin can only be used once per Server Block"),
        ("errors {\n stacktrace visible\n}", "Unknown field visible"),
        ("errors {\n log visible\n}", "Unknown field log"),
        ("errors {\n consolidate 1m\n}", "Wrong argument count or unexpected line ending after '1m'"),
        ("errors {\n consolidate 1m a error show_first b\n}", "Wrong argument count"),
        ("errors {\n consolidate abc .*\n}", 'time: invalid duration "abc"'),
        ("errors {\n consolidate 1m ())\n}", r"error parsing regexp: unexpected \): `\(\)\)`"),
        (f"errors {{\n consolidate 1m {'a' * 10001}\n}}", "regex pattern too long: 10001 > 10000"),
        ("errors {\n consolidate 1m a loud\n}", "unknown option in consolidate: loud"),
        ("errors {\n consolidate 1m a info debug\n}", "multiple log levels specified in consolidate"),
        ("errors {\n consolidate 1m a show_first info\n}", "log level must come before show_first in consolidate"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        plugin(directive)
