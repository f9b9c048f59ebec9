"""NOTIFY out, to a server on loopback."""

from kdns.authority.notify import TRIES, notify
from kdns.wire import codes, names
from tests.kdns.upstream import Received, closed_port, reply, upstream, with_rcode

ZONE = names.parse("example.org.")


async def test_tells_once_who_takes_it() -> None:
    async with upstream(lambda received: [reply(received, flags=0)]) as secondary:
        assert await notify(ZONE, secondary.address) is None
    (came,) = secondary.received
    assert (came.text, came.proto) == ("example.org. SOA", "udp")
    assert came.question.flags == codes.NOTIFY << 11 | codes.AA


async def test_tries_again_and_tells_what_was_said_last() -> None:
    async with upstream(with_rcode(codes.REFUSED)) as secondary:
        fault = await notify(ZONE, secondary.address)
    assert fault == f'notify for zone "example.org." was not accepted by "{secondary.to}": rcode was "REFUSED"'
    assert len(secondary.received) == TRIES


async def test_goes_out_from_the_address_that_it_is_told() -> None:
    def script(received: Received) -> list[bytes]:
        assert received.source[0] == "127.0.0.3"
        return [reply(received)]

    async with upstream(script) as secondary:
        assert await notify(ZONE, secondary.address, "127.0.0.3") is None


async def test_nobody_there_is_a_fault_too() -> None:
    fault = await notify(ZONE, closed_port())
    assert fault is not None
    assert "connection refused" in fault
