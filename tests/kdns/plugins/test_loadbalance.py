"""The loadbalance plugin: orders of answers."""

from collections import Counter
from ipaddress import ip_network
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.chain import Keep, Reply
from kdns.errors import ConfigError, StartError
from kdns.plugins import loadbalance
from kdns.plugins.loadbalance import Drawn, Shuffled, Weighted
from kdns.wire import codes
from tests.kdns.asking import args, ask, records, texts

MIXED = """
    mail.example.org. 60 IN MX 1 a.example.org.
    www.example.org. 60 IN A 192.0.2.1
    www.example.org. 60 IN TXT "text"
    alias.example.org. 60 IN CNAME www.example.org.
    mail.example.org. 60 IN MX 2 b.example.org.
    www.example.org. 60 IN A 192.0.2.2
    www.example.org. 60 IN AAAA fd00::1
"""
FOUR = "\n".join(f"www.example.org. 60 IN A 192.0.2.{number}" for number in range(1, 5))


def shuffled(*preferred: str) -> Shuffled:
    """round_robin with a chance that can be repeated."""
    return Shuffled([ip_network(net) for net in preferred], Random(7))


def kinds(reply: Reply) -> list[str]:
    """The types of an answer section in order."""
    return [text.split()[3] for text in texts(reply.answer)]


def last_words(reply: Reply) -> list[str]:
    """The last word of each record in the answer section."""
    return [text.split()[-1] for text in texts(reply.answer)]


def test_aliases_come_first_then_others_addresses_and_mail_exchangers() -> None:
    found = [kind.replace("AAAA", "A") for kind in kinds(ask(shuffled(), "www.example.org. ANY", MIXED))]

    assert found == ["CNAME", "TXT", "A", "A", "A", "MX", "MX"]


def test_every_order_comes_up() -> None:
    plugin = shuffled()

    orders = {tuple(last_words(ask(plugin, "www.example.org. A", FOUR))) for _ in range(500)}

    assert len(orders) == 24


@given(st.lists(st.sampled_from(records(MIXED)), max_size=8), st.randoms(use_true_random=False))
def test_no_record_is_lost_or_made(section: list[bytes], chance: Random) -> None:
    reply = Reply(answer=tuple(section), authority=tuple(section), additional=tuple(section))

    found = ask(Shuffled([ip_network("192.0.2.0/31")], chance), "www.example.org. A", reply)

    assert Counter(found.answer) == Counter(found.authority) == Counter(found.additional) == Counter(section)


@pytest.mark.parametrize("reply", [Reply(codes.NXDOMAIN, answer=records(FOUR)), Reply(codes.SERVFAIL)])
def test_errors_pass_as_they_are(reply: Reply) -> None:
    assert ask(shuffled(), "www.example.org. A", reply) is reply


def test_transfers_pass_as_they_are() -> None:
    assert ask(shuffled(), "example.org. AXFR", MIXED).answer == records(MIXED)


def test_preferred_networks_come_first() -> None:
    plugin = shuffled("192.0.2.4/32", "192.0.2.2/31")
    for _ in range(20):
        found = last_words(ask(plugin, "www.example.org. A", FOUR))
        assert found[0] == "192.0.2.4"
        assert set(found[1:3]) == {"192.0.2.2", "192.0.2.3"}


@pytest.mark.parametrize(("addresses", "variants"), [(1, 1), (2, 2), (4, 4), (40, 16)])
def test_a_repeated_answer_is_sent_in_several_orders(addresses: int, variants: int) -> None:
    answer = records("\n".join(f"www.example.org. 60 IN A 192.0.2.{number}" for number in range(addresses)))

    keep = ask(shuffled(), "www.example.org. A", Reply(answer=answer, keep=Keep())).keep

    assert keep == Keep(variants=variants)


async def drawn(text: str, directory: Path, said: list[tuple[str, str]] | None = None) -> Drawn:
    """weighted with a file, started."""
    (directory / "weights").write_text(text)
    plugin = Drawn(Weighted(directory / "weights"), (), Random(7), lambda *line: (said or []).append(line))
    await plugin.start()
    return plugin


async def test_an_address_is_on_top_as_often_as_its_weight_says(tmp_path: Path) -> None:
    plugin = await drawn("www.example.org\n192.0.2.1 6\n192.0.2.3 3\n", tmp_path)

    tops = Counter(last_words(ask(plugin, "www.example.org. A", FOUR))[0] for _ in range(2200))

    assert set(tops) == {f"192.0.2.{number}" for number in range(1, 5)}  # those not listed weigh 1
    assert 1050 < tops["192.0.2.1"] < 1350  # 6 in 11
    assert 480 < tops["192.0.2.3"] < 720  # 3 in 11


async def test_weights_are_for_address_questions_and_are_not_repeated(tmp_path: Path) -> None:
    plugin = await drawn("", tmp_path)

    assert ask(plugin, "www.example.org. MX", MIXED).answer == records(MIXED)
    assert ask(plugin, "www.example.org. A", Reply(answer=records(FOUR), keep=Keep())).keep is None


async def test_a_weight_file_that_is_missing_is_waited_for(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    plugin = Drawn(Weighted(tmp_path / "gone"), (), Random(7), lambda level, text: said.append((level, text)))
    await plugin.start()

    assert said[0][0] == "WARNING"
    assert said[0][1].startswith("Failed to open weight file:")
    assert said[0][1].endswith("Will try again in 30s")


async def test_a_weight_file_that_is_missing_for_good_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="weight file open error"):
        await Drawn(Weighted(tmp_path / "gone", 0.0), (), Random(7), lambda level, text: None).start()


async def test_a_directory_in_place_of_a_weight_file_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="is a directory"):
        await Drawn(Weighted(tmp_path), (), Random(7), lambda level, text: None).start()


async def test_a_weight_file_with_mistakes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="missing domain name in weight file"):
        await drawn("192.0.2.1 3", tmp_path)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("loadbalance", Shuffled),
        ("loadbalance round_robin", Shuffled),
        ("loadbalance {\n prefer 10.0.0.0/8 fd00::/8\n}", Shuffled),
        ("loadbalance weighted weights", Drawn),
        ("loadbalance weighted weights {\n reload 0s\n}", Drawn),
    ],
)
def test_the_corefile_names_the_policy(text: str, kind: type) -> None:
    assert isinstance(loadbalance.setup(args(text)), kind)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("loadbalance other", "unknown policy: other"),
        ("loadbalance round_robin x", "unknown property for round_robin"),
        ("loadbalance weighted", "missing weight file argument"),
        ("loadbalance weighted a b", r"unexpected argument\(s\)"),
        ("loadbalance weighted a {\n other\n}", "unknown property 'other'"),
        ("loadbalance weighted a {\n reload\n}", "reload duration value is missing"),
        ("loadbalance weighted a {\n reload 1s 2s\n}", "unexpected argument"),
        ("loadbalance weighted a {\n reload soon\n}", "invalid reload duration 'soon'"),
        ("loadbalance {\n reload 1s\n}", "unknown property 'reload'"),
        ("loadbalance {\n prefer 10.0.0.1\n}", 'invalid CIDR "10.0.0.1"'),
        ("loadbalance {\n prefer 10.0.0.0/33\n}", 'invalid CIDR "10.0.0.0/33"'),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        loadbalance.setup(args(text))
