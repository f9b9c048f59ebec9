"""The dynupdate plugin, with real files and databases."""

from collections.abc import Collection
from pathlib import Path

import pytest

from kdns.chain import Keep, Reply, Request
from kdns.errors import SERVFAIL, ConfigError, NoAnswer, StartError
from kdns.plugins import cache, dynupdate
from kdns.wire import codes, names
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import RR
from tests.kdns.asking import args, ask, question, records, request, texts
from tests.kdns.zones import APEX

BELOW = Reply(codes.NXDOMAIN, by="below", keep=Keep())
KEY = names.parse("key.example.org.")
WWW = "www.example.org. 60 IN A 192.0.2.1"


async def started(directory: Path, *lines: str, seed: str = APEX) -> dynupdate.DynUpdate:
    """The plugin with a seed and more properties; everything is allowed to the key unless they say what is."""
    (directory / "db").write_text(seed)
    allowed = () if any(line.startswith("allow") for line in lines) else ("allow key.example.org * *",)
    text = "\n".join(("dynupdate {", "file db", *lines, *allowed, "}"))
    plugin = dynupdate.setup(args(text, zones="example.org", directory=directory))
    await plugin.start()
    return plugin


def updating(changes: str, wanted: str = "", zone: str = "example.org. SOA") -> Question:
    asked = question(zone, flags=codes.UPDATE << 11)
    return asked._replace(authority=records(changes), answer=records(wanted))


def update(plugin: dynupdate.DynUpdate, changes: str = WWW, key: Name = KEY, zone: str = "example.org. SOA") -> str:
    """The RCODE of an update by a key."""
    return codes.rcode_name(ask(plugin, request(updating(changes, zone=zone), signed_by=key), BELOW).rcode)


def found(plugin: dynupdate.DynUpdate, asked: str = "www.example.org. A") -> list[str]:
    return texts(ask(plugin, asked, BELOW).answer)


def transferred(plugin: dynupdate.DynUpdate, serial: int | None) -> tuple[RR, ...]:
    """What a secondary with that serial is given."""
    rrs = plugin.transfer(names.parse("example.org."), serial)
    assert rrs is not None
    return tuple(rrs)


async def test_a_change_is_answered_at_once_and_ends_what_was_made_of_the_zone_before(tmp_path: Path) -> None:
    plugin = await started(tmp_path)
    forgotten: list[Collection[Name]] = []
    plugin.follow(forgotten.append)
    assert found(plugin) == []
    assert update(plugin) == "NOERROR"
    assert found(plugin) == [WWW]
    assert forgotten == [(names.parse("example.org."),)]
    assert update(plugin) == "NOERROR"  # and changes nothing
    assert len(forgotten) == 1
    assert ask(plugin, "www.example.com. A", BELOW).by == "below"


@pytest.mark.parametrize(
    ("allow", "changes", "rcode"),
    [
        ("key.example.org www.example.org A", WWW, "NOERROR"),
        ("KEY.example.org. WWW.example.org. a AAAA", WWW, "NOERROR"),
        ("key.example.org * A", WWW, "NOERROR"),
        ("key.example.org www.example.org *", WWW, "NOERROR"),
        ("key.example.org www.example.org TYPE1", WWW, "NOERROR"),
        ("key.example.org @ A", "example.org. 60 IN A 192.0.2.1", "NOERROR"),
        ("key.example.org @ A", WWW, "REFUSED"),
        ("key.example.org www.example.org AAAA TXT", WWW, "REFUSED"),
        ("other.example.org * *", WWW, "REFUSED"),
    ],
)
async def test_a_key_changes_what_it_is_allowed_to(tmp_path: Path, allow: str, changes: str, rcode: str) -> None:
    plugin = await started(tmp_path, f"allow {allow}")
    assert update(plugin, changes) == rcode
    assert update(plugin, changes, key=b"") == "REFUSED"


async def test_what_is_no_update_of_its_zone_is_turned_away(tmp_path: Path) -> None:
    plugin = await started(tmp_path)
    assert update(plugin, zone="example.org. A") == "FORMERR"
    assert update(plugin, zone="sub.example.org. SOA") == "NOTAUTH"
    assert update(plugin, "www.example.com. 60 IN A 192.0.2.1") == "NOTZONE"


async def test_a_database_is_the_zone_once_it_is_there_and_has_one_holder(tmp_path: Path) -> None:
    first = await started(tmp_path, "database journal")
    assert update(first) == "NOERROR"
    with pytest.raises(StartError, match="in use"):
        await started(tmp_path, "database journal")
    await first.close()
    (tmp_path / "db").unlink()
    again = dynupdate.setup(
        args(
            "dynupdate {\nfile db\ndatabase journal\nallow key.example.org * *\n}",
            zones="example.org",
            directory=tmp_path,
        )
    )
    await again.start()
    assert found(again) == [WWW]
    await again.close()


async def test_a_new_configuration_goes_on_with_the_database_while_the_old_one_still_answers(tmp_path: Path) -> None:
    old = await started(tmp_path, "database journal")
    text = "dynupdate {\nfile db\ndatabase journal\nallow key.example.org * *\n}"
    new = dynupdate.setup(args(text, zones="example.org", directory=tmp_path))
    other = dynupdate.setup(args(text.replace("journal", "other"), zones="example.org", directory=tmp_path))
    assert not other.inherit(old, {})
    assert not new.inherit(object(), {})
    assert new.inherit(old, {})
    assert update(old) == "NOERROR"
    await new.start()
    assert found(old) == found(new) == [WWW]
    await old.close()
    assert update(new, WWW.replace("www", "two")) == "NOERROR"
    await new.close()
    again = await started(tmp_path, "database journal")
    assert found(again, "two.example.org. A")
    await again.close()


async def test_a_transfer_is_the_differences_where_they_are_known(tmp_path: Path) -> None:
    many = "\n".join(f"h{number} A 192.0.2.{number}" for number in range(9))
    plugin = await started(tmp_path, seed=APEX + many + "\n")
    assert update(plugin) == "NOERROR"
    whole = transferred(plugin, None)
    assert len(whole) == 14
    assert transferred(plugin, 6) == whole
    differences = transferred(plugin, 7)
    assert texts(differences[3:4]) == [WWW]
    assert len(differences) == 5
    assert transferred(plugin, 8) == whole[:1]
    assert plugin.transfer(names.parse("example.com."), None) is None


async def test_a_full_disk_is_a_failure_and_changes_nothing(tmp_path: Path) -> None:
    plugin = await started(tmp_path, "database journal")
    await plugin.close()  # so that nothing can be written
    with pytest.raises(NoAnswer, match="could not be written") as raised:
        update(plugin)
    assert raised.value.rcode == SERVFAIL
    assert found(plugin) == []


@pytest.mark.parametrize(
    ("lines", "seed", "complaint"),
    [
        (["max_records 2"], APEX, "exceeds the configured limits"),
        ([], APEX + "a CNAME b\na A 192.0.2.1\n", "beside its CNAME"),
        ([], "www A 192.0.2.1\n", "failed to parse file|no SOA"),
        (["database gone/journal"], APEX, "open .*: no such file"),
    ],
)
async def test_a_zone_that_cannot_be_updated_is_not_started(
    tmp_path: Path, lines: list[str], seed: str, complaint: str
) -> None:
    with pytest.raises(StartError, match=complaint):
        await started(tmp_path, *lines, seed=seed)


async def test_the_cache_keeps_nothing_of_the_zone(tmp_path: Path) -> None:
    plugin = await started(tmp_path)
    kept = cache.setup(args("cache"))
    assert isinstance(kept, cache.Cache)
    kept.meet({"cache": kept, "dynupdate": plugin})
    below = [0]

    def answer(asked: Request) -> Reply:
        below[0] += 1
        return Reply(answer=records(f"{names.show(asked.question.qname)} 60 IN A 192.0.2.1"))

    for name in ("www.example.org. A", "www.example.com. A"):
        for _ in range(2):
            ask(kept, name, answer)
    assert below == [3]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("dynupdate", "file is required"),
        ("dynupdate {\nfile db\n}", "at least one allow rule is required"),
        ("dynupdate a.example.org b.example.org", "exactly one zone is allowed"),
        ("dynupdate {\nfile\n}", "Wrong argument count"),
        ("dynupdate {\nfile db\nfile db\n}", "file specified more than once"),
        ("dynupdate {\nbogus\n}", 'unknown property "bogus"'),
        ("dynupdate {\nmax_records 0\n}", "max_records requires a positive integer"),
        ("dynupdate {\nmax_bytes many\n}", "max_bytes requires a positive integer"),
        ("dynupdate {\nallow key www.example.org\n}", "allow requires KEY NAME and at least one RR type"),
        ("dynupdate {\nallow * @ A\n}", 'invalid TSIG key "[*]"'),
        ("dynupdate {\nallow key www.example.com A\n}", "is outside zone"),
        ("dynupdate {\nallow key @ A *\n}", "wildcard RR type must be the only type"),
        ("dynupdate {\nallow key @ BOGUS\n}", 'invalid RR type "BOGUS" in allow rule'),
        ("dynupdate {\nallow key @ DNSKEY\n}", 'invalid RR type "DNSKEY" in allow rule'),
        ("dynupdate {\nallow key @ AXFR\n}", 'invalid RR type "AXFR" in allow rule'),
        ("dynupdate {\nallow a..b @ A\n}", "label of 0 octets"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        dynupdate.setup(args(text, zones="example.org"))


def test_a_block_of_several_zones_has_to_say_which() -> None:
    with pytest.raises(ConfigError, match="zone is required"):
        dynupdate.setup(args("dynupdate {\nfile db\nallow key * *\n}", zones="example.org example.com"))
