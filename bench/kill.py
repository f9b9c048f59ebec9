"""`python -m bench.kill [ROUNDS [SEED]]`: an ipamd that is killed again and again while 64 clients lease and release.

In every round the clients race until, at a random moment, the daemon is killed with SIGKILL; it is started again on its
store, and then everything that it ever acknowledged has to be there: what all clients saw is one history that can have
happened, `fsck` finds nothing, and no revision comes twice. With an even seed addresses cool, and none may be given to
another owner too soon. The first round in which that is not so ends the run.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.request import urlopen

from bench.racing import CIDR, POOL, Race

ROUNDS = 200
MOST_ANSWERS = 1500  # in a round
LONGEST_DELAY = 0.003  # seconds from the answer that was waited for until the daemon is killed: a commit or two

CONFIG = f"""\
listen = "127.0.0.1:0"
dns_ttl = {{cooldown}}
retention = 2000
[pools.{POOL}]
cidrs = ["{CIDR}"]
"""
COOLDOWN = 1  # seconds


class Result(NamedTuple):
    """What a run has gone through; `lost` are requests that were under way when the daemon was killed."""

    rounds: int
    answers: int
    lost: int
    leases: int


def main() -> None:
    """Run what the command line says."""
    count, seed = ([int(text) for text in sys.argv[1:]] + [ROUNDS, 1][len(sys.argv) - 1 :])[:2]
    with TemporaryDirectory() as directory:
        result = run(Path(directory), count, seed)
    print(
        f"{result.rounds} kills, {result.answers:,} answers, {result.lost:,} requests cut off: "
        f"nothing lost, nothing doubled; {result.leases} leases stand"
    )


def run(directory: Path, rounds: int, seed: int, most_answers: int = MOST_ANSWERS) -> Result:
    """Go through so many rounds. RuntimeError tells what was wrong after which of them."""
    cooldown = COOLDOWN if seed % 2 == 0 else 0
    random, race, lost, leases = Random(seed), Race(seed, cooldown), 0, 0
    config = directory / "ipamd.toml"
    config.write_text(CONFIG.format(cooldown=cooldown))
    for number in range(rounds + 1):
        with daemon(config, directory) as (process, port):
            faults = [*found_wrong(port, race)] if number else race.settle([])
            if faults:
                raise RuntimeError(f"after round {number} of seed {seed}: {'; '.join(faults[:10])}")
            if number < rounds:
                kill = partial(kill_soon, process.pid, random.choice((0, random.uniform(0, LONGEST_DELAY))))
                asyncio.run(race.run(port, random.randint(1, most_answers), kill))
                lost += race.lost
            else:
                leases = len(listed(port))
    return Result(rounds, race.answers, lost, leases)


def found_wrong(port: int, race: Race) -> Iterator[str]:
    """What is wrong with a daemon that was started again, in sentences."""
    yield from race.settle(listed(port))
    check = get(port, "/v1/check")
    yield from (f"{each['invariant']}: {each['subject']} {each['detail']}" for each in check["findings"])
    with urlopen(f"http://127.0.0.1:{port}/readyz") as reply:
        revision = int(reply.read().split()[-1])
    if revision < race.revision:
        yield f"revision {race.revision} was seen, and the store is at {revision}"


@contextmanager
def daemon(config: Path, directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An ipamd on the store in the directory, and its port. It is killed at the end, if it was not before."""
    command = [sys.executable, "-m", "ipamd", "--config", str(config), "--store", f"sqlite:{directory}/ipamd.sqlite"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        line = process.stdout.readline().decode()
        if "listening on" not in line:
            raise RuntimeError("ipamd does not start")
        yield process, int(line.rsplit(":", 1)[1])
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


def kill_soon(pid: int, delay: float) -> None:
    """Kill a process after so many seconds; without any at once, while others of the same commit are answered."""
    if delay:
        asyncio.get_running_loop().call_later(delay, os.kill, pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGKILL)


def listed(port: int) -> list[Any]:
    """All leases."""
    leases: list[Any] = get(port, "/v1/leases?limit=10000")["leases"]
    return leases


def get(port: int, path: str) -> Any:
    """A JSON document of the daemon."""
    with urlopen(f"http://127.0.0.1:{port}{path}") as reply:
        return json.load(reply)


if __name__ == "__main__":
    main()
