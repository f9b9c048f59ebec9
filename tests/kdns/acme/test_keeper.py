"""Proofs in front of every plugin; files to begin with; what is wrong with a place for them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdns.acme.keeper import Keeper, OneServer, Proofs
from kdns.acme.settings import Settings
from kdns.chain import Alike, Keep, Reply, Request
from kdns.errors import StartError
from kdns.wire import codes, names
from tests.kdns.asking import ask, request, texts
from tests.kdns.upstream import address_of_name, upstream

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ALIKE = Alike(names.parse("example."), lambda asked: None)
BELOW = Reply(codes.NXDOMAIN, by="below", keep=Keep((b"k",), alike=ALIKE))


def test_proofs_are_answered_while_they_are_shown() -> None:
    proofs = Proofs()
    proofs.show("DNS.example", "two")
    proofs.show("dns.example", "one")
    reply = ask(proofs, "_acme-challenge.dns.example. TXT", BELOW)
    assert texts(reply.answer) == [f'_acme-challenge.dns.example. 0 IN TXT "{text}"' for text in ("one", "two")]
    assert (reply.rcode, reply.flags, reply.keep) == (codes.NOERROR, codes.AA, None)
    proofs.hide("dns.example", "one")
    proofs.hide("dns.example", "two")
    assert ask(proofs, "_acme-challenge.dns.example. TXT", BELOW).by == "below"


@pytest.mark.parametrize(
    ("asked", "keep"),
    [
        ("_acme-challenge.dns.example. TXT", None),  # there may be a proof the next time
        ("www.dns.example. TXT", Keep((b"k",))),  # and of other names' replies none is made
        ("www.dns.example. A", Keep((b"k",), alike=ALIKE)),
        ("_acme-challenge.dns.example. A", Keep((b"k",), alike=ALIKE)),
    ],
)
async def test_what_others_say_is_kept_where_no_proof_will_be(asked: str, keep: Keep | None) -> None:
    async def below(request: Request) -> Reply:
        return BELOW

    assert (await Proofs()(request(asked), below)).keep == keep


async def test_an_acme_server_may_be_known_to_one_dns_server_only() -> None:
    async with upstream(address_of_name) as server:
        found = await OneServer(str(server.address)).resolve("www.example.org", 443)
    assert [(each["host"], each["port"]) for each in found] == [("192.0.2.1", 443)]


def test_files_that_are_there_are_left_alone(tmp_path: Path) -> None:
    settings = Settings(("*.dns.example",), tmp_path / "a/b")
    keeper = Keeper(settings, Proofs(), lambda: NOW, print)
    keeper.begin()
    first = settings.certificate.read_bytes(), settings.key.read_bytes()
    keeper.begin()
    assert (settings.certificate.read_bytes(), settings.key.read_bytes()) == first
    settings.key.write_bytes(first[1][:-40])
    keeper.begin()
    assert settings.certificate.read_bytes() != first[0]  # half a pair is none
    assert {path.name for path in settings.storage.iterdir()} == {
        "wildcard_.dns.example.crt",
        "wildcard_.dns.example.crt.key",
    }
    assert settings.storage.stat().st_mode & 0o777 == 0o700


def test_a_place_that_cannot_be_written_is_told_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keeper = Keeper(Settings(("dns.example",), tmp_path / "file"), Proofs(), lambda: NOW, print)
    with pytest.raises(StartError, match=r"ACME storage .*file"):
        keeper.begin()
