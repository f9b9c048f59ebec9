"""Replies that a UDP socket cannot take: which wait, in which order they go, and what is not even asked meanwhile."""

import asyncio
import socket
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.answer import Answers
from kdns.block import Block
from kdns.chain import link
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.transport.backlog import DEPTH, Backlog, Waiting
from kdns.transport.udp import UdpListener
from kdns.wire import names
from tests.kdns.asking import canned
from tests.kdns.server import query


def waiting(number: int) -> Waiting:
    return Waiting(b"%d" % number, [], None)


@given(st.lists(st.one_of(st.integers(1, 2000), st.just("send")), max_size=12))
def test_the_newest_are_sent_and_every_other_is_counted(steps: list[Any]) -> None:
    dropped: Counter[str] = Counter()
    backlog = Backlog(lambda reason: dropped.update([reason]))
    model: list[int] = []
    pushed, sent = 0, list[bytes]()

    def send(each: Waiting) -> None:
        if len(sent) % 7 == 6:  # the socket is full again
            sent.append(b"")
            raise BlockingIOError
        sent.append(each.reply)

    for step in steps:
        if step == "send":
            before = len(sent)
            backlog.send(send)
            went = [each for each in sent[before:] if each]
            assert went == [b"%d" % model.pop() for _ in went]
        else:
            for _ in range(step):
                backlog.push(waiting(pushed))
                model.append(pushed)
                pushed += 1
            model = model[-DEPTH:]
    assert (bool(backlog), backlog.is_full) == (bool(model), len(model) == DEPTH)
    assert dropped["response"] == pushed - len(model) - len([each for each in sent if each])


def test_what_cannot_be_sent_at_all_is_dropped_and_the_next_tried() -> None:
    dropped: list[str] = []
    backlog, sent = Backlog(dropped.append), list[bytes]()
    for number in range(3):
        backlog.push(waiting(number))

    def send(each: Waiting) -> None:
        if each.reply == b"1":
            raise ConnectionRefusedError
        sent.append(each.reply)

    backlog.send(send)
    assert (sent, dropped, bool(backlog)) == ([b"2", b"0"], ["response"], False)


class Clogged(socket.socket):
    """A UDP socket whose buffer is full while `full` says so, as one behind a slow interface is."""

    full = True

    def sendto(self, *arguments: Any) -> int:
        self._check()
        return super().sendto(*arguments)

    def sendmsg(self, *arguments: Any) -> int:
        self._check()
        return super().sendmsg(*arguments)

    def _check(self) -> None:
        if self.full:
            raise BlockingIOError


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
async def test_a_socket_that_is_full_takes_no_queries_until_it_has_sent_again(address: str) -> None:
    dropped: Counter[str] = Counter()
    counted = asyncio.Event()

    def drop(reason: str) -> None:
        dropped[reason] += 1
        counted.set()

    def fault(label: str, fault: Exception) -> None:
        raise fault

    sock = Clogged(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((address, 0))
    block = Block(names.ROOT, link([canned("www.example.org. 60 IN A 192.0.2.1")]))
    answers = Answers("dns://:53", {names.ROOT: (block,)}, False, Metrics(), fault)
    backlog = Backlog(drop)
    listener = UdpListener(sock, answers, Memo(1 << 20), time.monotonic, backlog=backlog)
    await listener.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", sock.getsockname()[1]))
        loop = asyncio.get_running_loop()
        while not backlog.is_full:
            await loop.sock_sendall(client, query("www.example.org. A"))
            await asyncio.sleep(0)
        counted.clear()
        before = dropped["query"]
        await loop.sock_sendall(client, query("www.example.org. A"))
        await asyncio.wait_for(counted.wait(), 5)
        assert dropped["query"] > before

        sock.full = False
        for _ in range(100):
            assert (await asyncio.wait_for(loop.sock_recv(client, 512), 5)).endswith(bytes((192, 0, 2, 1)))
    listener.stop()
    listener.close()
