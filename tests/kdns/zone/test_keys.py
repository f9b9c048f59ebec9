"""Key files: read as BIND's tool wrote them, and what they sign holds."""

import subprocess
from pathlib import Path

import pytest

from kdns.wire import names, records
from kdns.zone import keys
from tests.kdns.zone.signed import ALGORITHMS, key, loaded, made

ZONE = names.parse("example.org.")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_of_every_algorithm_are_read(tmp_path: Path, algorithm: str) -> None:
    stem = made(tmp_path, algorithm)
    found = loaded(stem)
    number, tag = stem.name.split("+")[1:]
    assert (found.owner, found.algorithm, found.tag) == (ZONE, int(number), int(tag))
    assert (found.signs_keys, found.signs_zone, found.ttl) == (False, True, keys.TTL)


def test_a_key_signing_key_says_so(tmp_path: Path) -> None:
    found = key(tmp_path, "ECDSAP256SHA256", "-f", "KSK", "-L", "300")
    assert (found.signs_keys, found.signs_zone, found.ttl) == (True, False, 300)


def test_a_key_becomes_its_record(tmp_path: Path) -> None:
    found = key(tmp_path)
    assert records.rdata(keys.record(found, ZONE)) == found.rdata
    assert (records.ttl(keys.record(found, ZONE)), records.ttl(keys.record(found, ZONE, 7))) == (3600, 7)


def test_the_record_may_stand_in_brackets_over_several_lines(tmp_path: Path) -> None:
    stem = made(tmp_path)
    *words, last = Path(f"{stem}.key").read_text().split("DNSKEY ")[1].split()
    text = f"; a key\n\nExample.ORG. IN 60 DNSKEY ( {' '.join(words)} ; its octets\n {last} )\n"
    found = keys.read(text, Path(f"{stem}.private").read_text())
    assert (found.owner, found.ttl, found.rdata) == (ZONE, 60, loaded(stem).rdata)


PUBLIC = "example.org. IN DNSKEY 257 3 13 "


@pytest.mark.parametrize(
    ("public", "private", "complaint"),
    [
        ("", "", "no public key found"),
        ("example.org. IN A 192.0.2.1", "", "no public key found"),
        ("example.org. IN DNSKEY 257 3", "", "no public key found: not enough values"),
        ("example.org. IN DNSKEY 65536 3 13 AAAA", "", "no public key found: int too big"),
        ("example.org. IN DNSKEY 257 3 13 A", "", "no public key found"),
        (f"{'x' * 64}. IN DNSKEY 257 3 13 AAAA", "", "no public key found: label of 64 octets"),
        ("example.org. IN DNSKEY 257 3 3 AAAA", "PrivateKey: AAAA", "no private key found: unknown algorithm 3"),
        (f"{PUBLIC}AAAA", "", "no private key found: 'PrivateKey'"),
        (f"{PUBLIC}AAAA", "PrivateKey: A", "no private key found"),
        (f"{PUBLIC}AAAA", "PrivateKey: AQ==", "the private key is another one's than the public key"),
        ("example.org. IN DNSKEY 257 3 8 AAAA", "Modulus: AQAB", "no private key found: 'Prime1'"),
    ],
)
def test_says_what_is_wrong_with_a_key(public: str, private: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        keys.read(public, private)


def test_halves_of_two_keys_are_none(tmp_path: Path) -> None:
    one, other = made(tmp_path), made(tmp_path)
    with pytest.raises(ValueError, match="another one's"):
        keys.read(Path(f"{one}.key").read_text(), Path(f"{other}.private").read_text())


def test_tags_are_those_of_another_tool(tmp_path: Path) -> None:
    stem = made(tmp_path, "RSASHA256")
    told = subprocess.run(["dnssec-dsfromkey", f"{stem}.key"], check=True, capture_output=True, text=True).stdout
    assert told.split()[3] == str(loaded(stem).tag)
