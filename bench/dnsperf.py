"""What one server does with one file of questions, measured with dnsperf: rate, processor time, latency, memory.

The rate and the processor time are those of a server that is asked as fast as it answers; the latency is that of a
server that is asked at an even pace which leaves it room.
"""

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from bench.processes import CLIENT_CORE, Server, on_core

PACE = 2_000  # queries a second while latency is measured
TRANSPORTS = {"udp": (), "tcp": ("-c", "4"), "dot": ("-c", "4")}


class Rate(NamedTuple):
    """Answers a second, microseconds of processor time an answer, and how many answers that is measured by."""

    qps: float
    cpu: float
    answers: int = 0


class Measured(NamedTuple):
    """A server's medians: rate, latency in microseconds, memory in MB at the end."""

    rate: Rate
    p50: float
    p99: float
    memory: float


class Questions(NamedTuple):
    """What is asked: a file for dnsperf, the RCODE that answers have to have, and how to ask.

    Without `again` each question is asked once.
    """

    file: Path
    rcode: str
    transport: str = "udp"
    edns: bool = False
    again: bool = True


def write(file: Path, lines: Iterable[str]) -> Path:
    """A file of questions, `name type` a line."""
    with file.open("w") as opened:
        opened.writelines(f"{line}\n" for line in lines)
    return file


def rate(server: Server, asked: Questions, seconds: float) -> Rate:
    """Ask as fast as it answers. Raises RuntimeError if answers are missing or have another RCODE."""
    before = server.cpu()
    text = said(command(server, asked, seconds))
    used = server.cpu() - before
    completed = int(number(text, "Queries completed"))
    lost = int(number(text, "Queries lost"))
    right = re.search(rf"\b{asked.rcode} (\d+) ", text)
    if not completed or lost > completed // 50 or (asked.rcode and (not right or int(right[1]) < completed * 0.99)):
        raise RuntimeError(f"other answers than {asked.rcode}, or none:\n{text}")
    return Rate(number(text, "Queries per second"), used / completed * 1e6, completed)


def latency(server: Server, asked: Questions, seconds: float) -> tuple[float, float]:
    """Ask at an even pace: p50 and p99 in microseconds."""
    text = said(command(server, asked, seconds, ("-v", "-Q", str(PACE))))
    taken = [float(line.rsplit(" ", 1)[1]) * 1e6 for line in text.splitlines() if _is_reply(line, asked)]
    if len(taken) < 2:
        raise RuntimeError(f"no answers to time:\n{text}")
    cuts = quantiles(taken, n=100, method="inclusive")
    return cuts[49], cuts[98]


def middle(measured: Sequence[Rate]) -> Rate:
    """The medians."""
    answers = sum(rate.answers for rate in measured)
    return Rate(median(rate.qps for rate in measured), median(rate.cpu for rate in measured), answers)


def number(text: str, label: str) -> float:
    """The number that dnsperf prints behind a label."""
    found = re.search(rf"{label}:\s+([\d.]+)", text)
    if found is None:
        raise RuntimeError(f"dnsperf says nothing of {label!r}:\n{text}")
    return float(found[1])


def command(server: Server, asked: Questions, seconds: float, more: Sequence[str] = ()) -> list[str]:
    """The command line."""
    port = server.tls_port if asked.transport == "dot" else server.port
    words = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-m", asked.transport, "-d", str(asked.file)]
    words += [
        *TRANSPORTS[asked.transport],
        *(("-e", "-q", "20") if asked.edns else ()),
        *(() if asked.again else ("-n", "1")),
    ]
    return on_core(CLIENT_CORE, [*words, "-l", str(seconds), *more])


def _is_reply(line: str, asked: Questions) -> bool:
    """Whether dnsperf tells of a reply, `> RCODE NAME TYPE SECONDS`, with the RCODE that is wanted if one is."""
    words = line.split()
    return len(words) == 5 and words[0] == ">" and words[1] in (asked.rcode or words[1])


def said(command: Sequence[str]) -> str:
    """What dnsperf prints. RuntimeError if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(done.args)}: {done.stderr}")
    return done.stdout
