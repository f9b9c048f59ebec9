"""whoami: the client's own address, port and transport."""

import pytest

from kdns.chain import Client
from kdns.errors import ConfigError
from kdns.plugins import whoami
from kdns.wire import codes
from tests.kdns.asking import args, ask, question, request, texts


@pytest.mark.parametrize(
    ("asked", "client", "additional"),
    [
        (
            "www.Example.org. A",
            Client("192.0.2.1", 40212, "udp"),
            ["www.Example.org. 0 IN A 192.0.2.1", "_udp.www.Example.org. 0 IN SRV 0 0 40212 ."],
        ),
        (
            "example.org. TXT",
            Client("2001:db8::1", 53, "tcp"),
            ["example.org. 0 IN AAAA 2001:db8::1", "_tcp.example.org. 0 IN SRV 0 0 53 ."],
        ),
        (". NS", Client("fe80::1%eth0", 1, "udp"), [". 0 IN AAAA fe80::1", "_udp. 0 IN SRV 0 0 1 ."]),
    ],
)
def test_says_who_asks(asked: str, client: Client, additional: list[str]) -> None:
    reply = ask(whoami.setup(args("whoami")), asked, client=client)

    assert texts(reply.additional) == additional
    assert (reply.rcode, reply.answer, reply.authority, reply.flags) == (codes.NOERROR, (), (), codes.AA)


def test_a_name_without_room_for_the_transport_gets_the_address_only() -> None:
    long = ".".join(["a" * 63] * 3 + ["b" * 58])

    assert len(ask(whoami.setup(args("whoami")), f"{long}. A").additional) == 1


def test_the_class_of_the_question_is_that_of_the_records() -> None:
    reply = ask(whoami.setup(args("whoami")), request(question("example.org. A", qclass=codes.CH)))

    assert texts(reply.additional)[0] == "example.org. 0 CH A 127.0.0.1"


def test_is_not_sent_again_to_somebody_else() -> None:
    assert ask(whoami.setup(args("whoami")), "example.org. A").keep is None


def test_takes_no_arguments() -> None:
    with pytest.raises(ConfigError, match="Wrong argument count or unexpected line ending after 'there'"):
        whoami.setup(args("whoami there"))
