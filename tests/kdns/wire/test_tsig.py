"""Transaction signatures against dnspython's, both ways."""

from collections.abc import Sequence
from contextlib import suppress

import dns.exception
import dns.message
import dns.rdata
import dns.tsig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import WireError
from kdns.wire import codes, names, records, tsig
from kdns.wire.tsig import BADKEY, BADSIG, BADTIME, Checked, Signer
from tests.kdns.server import query

NOW = 1_900_000_000  # Unix seconds
SECRET = b"a secret of some octets"
NAME = "Key.Example."
SECRETS = {names.parse("key.example."): SECRET}
ALGORITHMS = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"]
REPLY = b"\x12\x34\x84\x00\0\1\0\0\0\0\0\0" + query("www.example.org. A")[12:]


def key(algorithm: str = "hmac-sha256", name: str = NAME, secret: bytes = SECRET) -> dns.tsig.Key:
    return dns.tsig.Key(name, secret, algorithm)


def asked(by: dns.tsig.Key, at: int = NOW, octets: bytes = query("www.example.org. A", 0x1234)) -> bytes:
    """A query that dnspython signed at a time."""
    template = dns.rdtypes.ANY.TSIG.TSIG("ANY", "TSIG", by.algorithm, 0, 300, b"", 0x1234, 0, b"")
    rdata, _ = dns.tsig.sign(octets, by, template, at)
    record = records.make(names.parse(by.name.to_text()), codes.TSIG, 0, rdata.to_wire(), codes.ANY_CLASS)
    return octets[:10] + (int.from_bytes(octets[10:12], "big") + 1).to_bytes(2, "big") + octets[12:] + record


def mac(packet: bytes) -> bytes:
    return tsig.check(packet, SECRETS, NOW).signature.mac


def verified(packets: Sequence[bytes], by: dns.tsig.Key, request: bytes, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether dnspython takes these messages for the reply to a request, now."""
    monkeypatch.setattr("dns.message.time.time", lambda: NOW)
    context = None
    for packet in packets:
        message = dns.message.from_wire(
            packet, keyring={by.name: by}, request_mac=mac(request), multi=len(packets) > 1, tsig_ctx=context
        )
        context = message.tsig_ctx
        if not message.had_tsig:
            return False
    return True


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_another_library_signs_holds(algorithm: str) -> None:
    checked = tsig.check(asked(key(algorithm)), SECRETS, NOW)
    assert (checked.error, checked.secret) == (0, SECRET)
    assert names.show(checked.signature.key) == NAME


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_what_is_signed_here_holds_there(algorithm: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(key(algorithm))
    signer = Signer(tsig.check(request, SECRETS, NOW), lambda: NOW)
    packets = [signer.sign(REPLY)] if count == 1 else list(signer.each([REPLY] * count))
    assert verified(packets, key(algorithm), request, monkeypatch)
    assert all(len(packet) <= len(REPLY) + signer.room for packet in packets)


def test_a_message_out_of_its_place_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(key())
    first, second, third = Signer(tsig.check(request, SECRETS, NOW), lambda: NOW).each([REPLY] * 3)
    with pytest.raises(dns.tsig.BadSignature):
        verified([first, third, second], key(), request, monkeypatch)


@pytest.mark.parametrize(
    ("by", "error"),
    [
        (key(), 0),
        (key(name="other.example."), BADKEY),
        (dns.tsig.Key(NAME, SECRET, "hmac-md5.sig-alg.reg.int"), BADKEY),
        (key(secret=b"another"), BADSIG),
    ],
)
def test_says_what_is_wrong_with_a_signature(by: dns.tsig.Key, error: int) -> None:
    assert tsig.check(asked(by), SECRETS, NOW).error == error


@pytest.mark.parametrize(("seconds", "error"), [(0, 0), (300, 0), (-300, 0), (301, BADTIME), (-301, BADTIME)])
def test_clocks_may_differ_by_the_fudge(seconds: int, error: int) -> None:
    assert tsig.check(asked(key()), SECRETS, NOW + seconds).error == error


def test_a_secret_that_cannot_be_used_is_a_key_that_is_not_known() -> None:
    assert tsig.check(asked(key()), {names.parse("key.example."): None}, NOW).error == BADKEY


def test_a_mac_that_is_cut_short_does_not_hold() -> None:
    packet = asked(key("hmac-sha512"))
    (record,) = records.read_message(packet).additional
    rdata = records.rdata(record)
    at = names.end_of(rdata, 0) + 8
    cut = rdata[:at] + b"\0\x20" + rdata[at + 2 : at + 34] + rdata[at + 66 :]
    assert tsig.check(packet[: -len(record)] + records.with_rdata(record, cut), SECRETS, NOW).error == BADSIG


def test_the_id_may_have_changed_on_the_way() -> None:
    assert tsig.check(b"\xff\xff" + asked(key())[2:], SECRETS, NOW).error == 0


@given(st.integers(2, len(asked(key())) - 1), st.integers(1, 255))
def test_whatever_else_is_changed_is_noticed(at: int, by: int) -> None:
    packet = bytearray(asked(key()))
    packet[at] ^= by
    with suppress(WireError):
        holds = tsig.check(bytes(packet), SECRETS, NOW).error == 0
        assert not holds or is_unsigned(at, packet)


def is_unsigned(at: int, packet: bytes) -> bool:
    """Whether a signature does not cover an octet: the case of its names, its own type, class and TTL."""
    record = len(query("www.example.org. A"))
    fixed = record + len(names.parse(NAME))
    return fixed <= at < fixed + 8 or (at >= record and packet.lower() == asked(key()).lower())


@given(st.binary(max_size=80), st.integers(0, 60))
def test_broken_octets_are_refused(octets: bytes, cut: int) -> None:
    packet = asked(key())
    with suppress(WireError):
        tsig.check(packet[: len(packet) - cut] + octets, SECRETS, NOW)


@pytest.mark.parametrize("error", [BADKEY, BADSIG])
def test_errors_of_the_key_are_told_unsigned(error: int) -> None:
    checked = tsig.check(asked(key()), SECRETS, NOW)
    packet = Signer(Checked(checked.signature, error), lambda: NOW).sign(REPLY)
    rdata = reply_tsig(packet)
    assert (rdata.error, rdata.mac, rdata.time_signed, rdata.other, rdata.original_id) == (error, b"", 0, b"", 0x1234)


def test_an_error_of_the_time_is_told_signed_with_both_times(monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(key(), NOW - 1000)
    checked = tsig.check(request, SECRETS, NOW)
    packet = Signer(checked, lambda: NOW).sign(REPLY)
    rdata = reply_tsig(packet)
    assert (rdata.error, rdata.time_signed, int.from_bytes(rdata.other, "big")) == (BADTIME, NOW - 1000, NOW)
    with pytest.raises(dns.tsig.PeerBadTime):  # which it says only of what is well signed
        verified([packet], key(), request, monkeypatch)


def reply_tsig(packet: bytes) -> dns.rdtypes.ANY.TSIG.TSIG:
    *_, record = records.read_message(packet).additional
    rdata = records.rdata(record)
    found = dns.rdata.from_wire("ANY", "TSIG", rdata, 0, len(rdata))
    assert isinstance(found, dns.rdtypes.ANY.TSIG.TSIG)
    return found
