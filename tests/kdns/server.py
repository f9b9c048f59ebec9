"""A kdns in a process of its own, for tests that ask it as its clients do."""

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.ports import free_port
from kdns.wire import codes, message, names, records
from kdns.wire.frame import Frames, framed
from kdns.wire.records import Message

PATIENCE = 10.0  # seconds for a reply
LOOK = 0.02  # seconds between two looks at the output


class Kdns:
    """A kdns on a Corefile in `directory`; `@PORT@` in its text stands for a free port, `{port}` of this object."""

    def __init__(self, directory: Path, corefile: str, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.corefile = directory / "Corefile"
        self.port = free_port()
        self.output = directory / "output.log"
        self.environment = {**os.environ, **(environment or {})}
        self.prefix: list[str] = []  # a command that runs the server in its own surroundings
        self.write(corefile)

    def write(self, corefile: str) -> None:
        """Put another Corefile where the running server looks for it."""
        beside = self.corefile.with_suffix(".new")
        beside.write_text(corefile.replace("@PORT@", str(self.port)))
        beside.replace(self.corefile)

    def start(self, *flags: str) -> None:
        """Start it, and return when it answers."""
        self.run(*flags)
        self.wait_for("kdns-")

    def run(self, *flags: str) -> None:
        """Start it and do not wait."""
        command = [*self.prefix, sys.executable, "-m", "kdns", "-conf", str(self.corefile), *flags]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=self.directory, env=self.environment
            )

    def wait_for(self, text: str, *, times: int = 1) -> str:
        """Wait until the output has this text so often; all of the output."""
        while True:
            ended = self._ended(LOOK)
            said = self.output.read_text()
            if said.count(text) >= times:
                return said
            assert not ended, f"kdns ended before it said {text!r}: {said}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Have it end by itself; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(20)

    def ask(self, text: str, *, tcp: bool = False, address: str = "127.0.0.1", number: int = 1) -> Message:
        """The reply to `NAME TYPE`."""
        return records.read_message(exchange(query(text, number), (address, self.port), tcp=tcp))

    def answers(self, text: str, *, tcp: bool = False, source: str = "127.0.0.1") -> list[str]:
        """The answer section of the reply to `NAME TYPE`, asked from an address of ours, as text."""
        packet = exchange(query(text), ("127.0.0.1", self.port), tcp=tcp, source=source)
        return [message.to_text(rr) for rr in records.read_message(packet).answer]

    def _ended(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def query(text: str, number: int = 1) -> bytes:
    """The packet that asks `NAME TYPE`, with this ID and RD."""
    name, kind = text.split()
    head = number.to_bytes(2, "big") + b"\x01\0\0\1\0\0\0\0\0\0"
    return head + names.parse(name) + codes.type_number(kind).to_bytes(2, "big") + b"\0\1"


def exchange(packet: bytes, where: tuple[str, int], *, tcp: bool = False, source: str = "") -> bytes:
    """The reply to a packet, sent from the address `source`. TimeoutError if none comes."""
    family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        if tcp:  # or ports run out where one asks again and again: each would be kept for a minute
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if source:
            sock.bind((source, 0))
        sock.connect(where)
        sock.sendall(framed(packet) if tcp else packet)
        if not tcp:
            return sock.recv(65535)
        frames = Frames()
        while not (found := frames.feed(sock.recv(65535))):
            continue
        return found[0]
