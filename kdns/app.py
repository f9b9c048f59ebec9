"""The server as a process: from a Corefile to running listeners, reload, signals, stop.

The order of a start is CoreDNS's: parse, set up every plugin, open the listeners, start the plugins, answer, print the
banner. A reload makes the new configuration beside the old one and swaps the blocks behind the listeners; whatever
goes wrong before the swap leaves the old one as it is.
"""

import asyncio
import gc
import glob
import hashlib
import json
import os
import random
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from kdns import about, compiled, plan
from kdns.corefile import Files, ServerBlock, parse
from kdns.errors import ConfigError, StartError
from kdns.instance import Instance, Surroundings, set_up
from kdns.listeners import Listeners, banner, places
from kdns.metrics import Metrics
from kdns.plugins import ORDER
from kdns.plugins.reload import Reload
from kdns.transport.admin import Admin
from kdns.transport.sockets import Shares
from kdns.worker import Legacy
from kdns.workers import Workers

DEFAULT_COREFILE = ".:{port} {{\nwhoami\nlog\n}}\n"

COLLECT_AFTER = (20_000, 20, 20)  # the collector's thresholds: a chain makes no circles, so it seldom finds anything
EXIT_OK, EXIT_FAILED, EXIT_FORCED = 0, 1, 2


class Options(NamedTuple):
    """The command line. `conf` is a path, `stdin`, or None for ./Corefile if it is there."""

    conf: str | None = None
    dns_port: int = 53
    pidfile: str | None = None
    quiet: bool = False


class App:
    """One kdns process."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._metrics = Metrics()
        self._around = Surroundings(self._metrics, os.environ, Path.cwd(), log, options.dns_port)
        self._shares = Shares()
        self._listeners = Listeners(self._metrics, self._fault, self._shares)
        self._workers = Workers(self._metrics, log)
        self._admin = Admin()
        self._signalled = asyncio.Event()  # SIGUSR1 came
        self._instance = Instance(())
        self._source = _Source(options.conf, options.dns_port)
        self._digest = ""
        self._stopped: asyncio.Future[int]

    async def run(self) -> int:
        """Serve until a signal says otherwise; the process's exit status. ConfigError or StartError if that fails."""
        stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._stopped = stopped
        _raise_file_limit()
        gc.set_threshold(*COLLECT_AFTER)
        for reason in compiled.UNUSED:
            log("WARNING", f"a module in C is not used: {reason}")
        await self._replace(self._source.parse())
        self._listen_to_signals(stopped)
        self._greet()
        keeping = asyncio.create_task(self._keep_current())
        status = await stopped
        keeping.cancel()
        await self._instance.lameduck()
        await asyncio.wait({keeping})  # a reload under way is given up, and what it had made is closed
        await asyncio.gather(self._workers.end(), self._listeners.stop())
        await self._instance.close(_tell)
        await self._admin.close()
        return status

    async def _replace(self, blocks: Sequence[ServerBlock]) -> None:
        fresh = set_up(blocks, self._around, self._instance.sites)
        wanted = places(fresh)
        for warning in plan.warnings(fresh):
            log("WARNING", warning)
        try:
            if not self._instance.sites:  # a first start may wait for a cluster: its health shows meanwhile
                await self._admin.serve(fresh.pages())
            await fresh.start(self._listeners.forget, _tell)
            await self._admin.serve(fresh.pages())
            await self._listeners.serve(wanted)
        except BaseException:
            await fresh.close(_tell)
            await self._admin.serve(self._instance.pages())
            raise
        old, self._instance = self._instance, fresh
        self._digest = digest(blocks)
        if any(site.value(Reload) for site in fresh.sites):
            log("INFO", f"plugin/reload: Running configuration SHA512 = {self._digest}")
            info = self._metrics.family("reload_version_info")
            info.values.clear()
            info.set(("sha512", self._digest), 1)
        if self._workers.count:
            self._workers.follow(fresh)
        await old.close(_tell)
        _spare_the_collector(again=bool(old.sites))
        if self._shares.most > 1 or self._workers.count:
            await self._workers.replace(self._shares.most - 1, Legacy(blocks, self._around, fresh, self._shares))
        await fresh.serving()

    async def _keep_current(self) -> None:
        """Reload when a signal asks for it, or when the reload plugin finds another Corefile."""
        failed = ""  # the digest or error of a Corefile that did not work: it is not tried twice
        while True:
            by_signal = await self._next_look()
            try:
                blocks = self._source.parse()
            except ConfigError as fault:
                if by_signal:
                    log("ERROR", f"Restart failed: {fault}")
                elif failed != str(fault):
                    log("WARNING", f"plugin/reload: Corefile parse failed: {fault}")
                failed = str(fault)
                continue
            found = digest(blocks)
            if by_signal or found not in (self._digest, failed):
                failed = found if not await self._reload(blocks, by_signal=by_signal) else ""

    async def _next_look(self) -> bool:
        """Wait for the next time to look at the Corefile; whether it came by a signal."""
        settings = next((site.value(Reload) for site in self._instance.sites if site.value(Reload)), None)
        wait = settings.interval + random.uniform(-settings.jitter, settings.jitter) if settings else None
        try:
            await asyncio.wait_for(self._signalled.wait(), wait)
        except TimeoutError:
            return False
        self._signalled.clear()
        return True

    async def _reload(self, blocks: Sequence[ServerBlock], *, by_signal: bool) -> bool:
        """Serve other blocks; False if that failed and the old ones stay."""
        log("INFO", "Reloading")
        try:
            await self._replace(blocks)
        except Exception as fault:  # whatever it is, the server goes on with what it has, and looks again
            text = str(fault) if isinstance(fault, ConfigError | StartError) else repr(fault)
            log("ERROR", f"Restart failed: {text}")
            if not by_signal:
                log("ERROR", f"plugin/reload: Corefile changed but reload failed: {text}")
            self._metrics.family("reload_failed_total").add(())
            return False
        log("INFO", "Reloading complete")
        return True

    def _listen_to_signals(self, stopped: asyncio.Future[int]) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt, stopped)
        loop.add_signal_handler(signal.SIGTERM, _end, stopped, "SIGTERM: Shutting down servers then terminating")
        loop.add_signal_handler(signal.SIGQUIT, _quit)
        loop.add_signal_handler(signal.SIGUSR1, self._reload_by_signal)
        for ignored in (signal.SIGHUP, signal.SIGUSR2):
            loop.add_signal_handler(ignored, lambda: None)

    def _interrupt(self, stopped: asyncio.Future[int]) -> None:
        if stopped.done():
            log("INFO", "SIGINT: Force quit")
            os._exit(EXIT_FORCED)
        _end(stopped, "SIGINT: Shutting down")

    def _reload_by_signal(self) -> None:
        log("INFO", "SIGUSR1: Reloading")
        self._signalled.set()

    def _fault(self, listener: str, fault: Exception) -> None:
        """A query's handling failed unexpectedly: tell of it; with `debug` somewhere, end."""
        text, hunting = self._instance.recovered(listener, fault)
        log("ERROR", text)
        if hunting and not self._stopped.done():
            self._stopped.set_result(EXIT_FORCED)

    def _greet(self) -> None:
        if self._options.pidfile:
            Path(self._options.pidfile).write_text(f"{os.getpid()}\n")
        if not self._options.quiet:
            lines = [*banner(places(self._instance)), *about.lines()]
            print("\n".join(lines), flush=True)


def print_plan(options: Options) -> None:
    """Print the plan of a Corefile, without starting anything. ConfigError if it cannot be served."""
    blocks = _Source(options.conf, options.dns_port).parse()
    around = Surroundings(Metrics(), os.environ, Path.cwd(), _log_aside, options.dns_port)
    print("\n".join(plan.describe(set_up(blocks, around))))


class _Source:
    """Where the Corefile comes from."""

    def __init__(self, conf: str | None, dns_port: int) -> None:
        self._conf = conf
        self._dns_port = dns_port
        self._piped = sys.stdin.read() if conf == "stdin" else None

    def parse(self) -> tuple[ServerBlock, ...]:
        """The server blocks as the Corefile has them now. ConfigError if it cannot be read."""
        file = self._conf or "Corefile"
        blocks = parse(self._text(file), file, ORDER, os.environ, _FILES)
        return blocks or parse(DEFAULT_COREFILE.format(port=self._dns_port), file, ORDER, os.environ, _FILES)

    def _text(self, file: str) -> str:
        if self._piped is not None:
            return self._piped
        try:
            return Path(file).read_bytes().decode(errors="replace")
        except FileNotFoundError:
            if self._conf is None:
                return ""
            raise ConfigError(f"loading Corefile failed: open {file}: no such file or directory") from None
        except OSError as fault:
            raise ConfigError(f"loading Corefile failed: open {file}: {fault.strerror}") from None


def log(level: str, message: str) -> None:
    """A line in CoreDNS's form; the level LINE is an INFO line of which the plugin wrote the whole text."""
    with suppress(OSError):  # a full disk or a reader that went away is no reason to stop answering
        print(f"[{'INFO' if level == 'LINE' else level}] {message}", flush=True)


def _log_aside(level: str, message: str) -> None:
    print(f"[{level}] {message}", file=sys.stderr)


def _tell(fault: str) -> None:
    log("ERROR", fault)


def digest(blocks: Sequence[ServerBlock]) -> str:
    """SHA-512 of a parsed Corefile, in hex: comments, white space and the way of imports do not matter."""
    plain = [
        [
            [key.text for key in block.keys],
            [[name, [t.text for t in ts]] for name, ts in sorted(block.directives.items())],
        ]
        for block in blocks
    ]
    return hashlib.sha512(json.dumps(plain).encode()).hexdigest()


_FILES = Files(
    read=lambda path: Path(path).read_bytes().decode(errors="replace"),
    glob=lambda pattern: sorted(glob.glob(pattern)),  # noqa: PTH207 - Path.glob takes no absolute pattern
    warn=lambda message: log("WARNING", message),
)


def _end(stopped: asyncio.Future[int], message: str) -> None:
    if not stopped.done():
        log("INFO", message)
        stopped.set_result(EXIT_OK)


def _quit() -> None:
    log("INFO", "SIGQUIT: Quitting process immediately")
    os._exit(EXIT_OK)


def _spare_the_collector(*, again: bool) -> None:
    """Take all that is there now out of the collector's sight: an index of 150,000 endpoints is not looked through
    while queries wait. `again`: what the configuration before left in circles goes first.
    """
    if again:
        gc.unfreeze()
        gc.collect()
    gc.freeze()
    gc.enable()


def _raise_file_limit() -> None:
    """As many open files as the system allows: every TCP client is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
