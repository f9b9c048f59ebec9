"""Sockets of one address for several processes."""

import socket

import pytest

from bench.ports import free_port
from kdns.errors import StartError
from kdns.transport.sockets import Endpoint, Shares

UDP = socket.SOCK_DGRAM


@pytest.mark.parametrize(("count", "processes", "sizes"), [(2, 2, [1, 1]), (5, 2, [3, 2]), (4, 3, [2, 1, 1])])
def test_each_process_has_a_share_and_together_they_are_all(count: int, processes: int, sizes: list[int]) -> None:
    shares, port = Shares(), free_port()
    mine = shares.take("here", UDP, Endpoint("127.0.0.1", port), count, processes)
    taken = [mine]
    for number in range(1, processes):
        shares.mine = number
        taken.append(shares.take("here", UDP, Endpoint("127.0.0.1", port), count, processes))
        assert shares.descriptors() == {sock.fileno() for sock in taken[-1]}

    assert [len(each) for each in taken] == sizes
    assert len({sock.fileno() for each in taken for sock in each}) == count
    assert {sock.getsockname() for each in taken for sock in each} == {("127.0.0.1", port)}
    assert shares.most == processes
    shares.release("here")  # in another process than the first: nothing is closed
    shares.mine = 0
    shares.release("elsewhere")
    assert all(sock.fileno() >= 0 for each in taken for sock in each)
    shares.release("here")
    assert [sock.fileno() >= 0 for each in taken for sock in each] == [True] * sizes[0] + [False] * (count - sizes[0])
    assert shares.most == 1
    for sock in mine:
        sock.close()


def test_another_process_reads_nothing_of_an_address_that_is_not_shared() -> None:
    shares = Shares()
    shares.mine = 1
    assert shares.take("here", UDP, Endpoint("127.0.0.1", free_port()), 1, 1) == []


def test_a_share_has_every_address_of_a_wildcard() -> None:
    shares = Shares()
    mine = shares.take("here", UDP, Endpoint("", free_port()), 2, 2)
    shares.mine = 1
    other = shares.take("here", UDP, Endpoint("", 0), 2, 2)

    assert [sock.family for sock in mine] == [sock.family for sock in other]
    for sock in (*mine, *other):
        sock.close()


def test_what_cannot_be_opened_is_told_of_and_nothing_kept() -> None:
    shares = Shares()
    with socket.socket(type=UDP) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"listen udp 127.0.0.1:{port}: bind: address already in use"):
            shares.take("here", UDP, Endpoint("127.0.0.1", port), 2, 2)
    assert shares.most == 1
