"""The module `sections`, compiled, beside its twin in Python: the same values, the same errors, whatever the octets."""

import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kdns.wire
from kdns.errors import WireError
from kdns.wire import records, ttl
from tests.kdns import asking
from tests.kdns.transport.native import compiled, loaded, sanitized

SOURCE = Path(kdns.wire.__file__).with_name("sections.c")
HEADER = b"\0\1\x84\0\0\0\0\4\0\1\0\1"
NAMES = [b"\0", b"\1a\0", b"\3www\1a\0", b"\x3f" + b"x" * 63 + b"\1a\0"]
POINTERS = [bytes((0xC0, at)) for at in (0, 12, 13, 24, 40, 90)] + [b"\1b\xc0\x0c", b"\xc1\x00", b"\xc0", b"\x41a\0"]
KINDS = [1, 2, 5, 6, 12, 14, 15, 16, 17, 26, 33, 39, 40, 41, 257, 65535]


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return loaded(compiled(tmp_path_factory.mktemp("native"), "-O2", source=SOURCE))


@st.composite
def record(draw: st.DrawFn) -> bytes:
    """A record as a sender may have written it, whole or not."""
    name = st.sampled_from(NAMES + POINTERS)
    rdata = b"".join(draw(st.lists(name | st.binary(max_size=8), max_size=4)))
    length = draw(st.just(len(rdata)) | st.integers(0, 40))
    fixed = draw(st.sampled_from(KINDS)).to_bytes(2, "big") + b"\0\1" + draw(st.binary(min_size=4, max_size=4))
    return draw(name) + fixed + length.to_bytes(2, "big") + rdata


messages = st.lists(record(), max_size=6).map(lambda found: HEADER + b"".join(found))
counts = st.tuples(*[st.integers(0, 4)] * 3)


def outcome(call: Any, *arguments: Any) -> Any:
    """What is given back, or what is said."""
    try:
        return call(*arguments)
    except WireError as fault:
        return str(fault)


@given(messages | st.binary(max_size=200), st.integers(0, 14), counts)
def test_both_read_the_same_records(native: ModuleType, message: bytes, at: int, numbers: tuple[int, int, int]) -> None:
    asked = message, at, *numbers
    assert outcome(native.read_sections, *asked) == outcome(records.read_sections_in_python, *asked)


@given(st.lists(st.sampled_from(NAMES).map(lambda name: records.make(name, 16, 5, b"\1x"))), st.data())
def test_both_give_all_records_the_same_ttl(native: ModuleType, rrs: list[bytes], data: st.DataObject) -> None:
    seconds = st.integers(0, 2**32 - 1)
    given_ = tuple(records.with_ttl(rr, data.draw(seconds)) for rr in rrs)
    low, high = data.draw(seconds), data.draw(seconds)

    level, found = ttl.levelled_in_python(given_, low, high)

    assert native.levelled(given_, low, high) == (level, found)
    assert found == ttl.clamp(ttl.least(given_, 2**32 - 1), low, high)
    assert level == tuple(records.with_ttl(rr, found) for rr in given_)


def test_records_without_end_are_refused(native: ModuleType) -> None:
    rrs = asking.records("a. 5 IN A 192.0.2.1")
    with pytest.raises(IndexError):
        native.levelled((rrs[0][:-5],), 0, 1)
    with pytest.raises(TypeError):
        native.levelled(("a. 5 IN A 192.0.2.1",), 0, 1)


@pytest.mark.parametrize(
    "arguments", [(), ("text", 0, 0, 0, 0), (HEADER, -1, 0, 0, 0), (HEADER, 0, -1, 0, 0), (HEADER, 2**64, 0, 0, 0)]
)
def test_arguments_that_mean_nothing_are_refused(native: ModuleType, arguments: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        native.read_sections(*arguments)


def test_pointers_to_pointers_are_followed_so_far_and_no_further(native: ModuleType) -> None:
    def last(pointers: int) -> tuple[bytes, int]:
        """A message of a name, pointers each to the one before, and a record whose owner is the last; where that is."""
        steps = b"\xc0\x0c" + b"".join((0xC000 | 15 + 2 * n).to_bytes(2, "big") for n in range(pointers - 1))
        message = HEADER + b"\1a\0" + steps
        return message + b"\0\1\0\1" + bytes(6), len(message) - 2

    for read in (native.read_sections, records.read_sections_in_python):
        message, at = last(126)
        assert read(message, at, 1, 0, 0)[0] == (b"\1a\0\0\1\0\1" + bytes(6),)
        message, at = last(127)
        with pytest.raises(WireError, match="too many compression pointers"):
            read(message, at, 1, 0, 0)


FUZZ = """
import random, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from kdns.errors import WireError
from kdns.wire import records, ttl
from tests.kdns.transport.native import loaded
from tests.kdns.wire.test_sections import altered

module, rng = {module}, random.Random(4711)
read = refused = 0
for _ in range(60_000):
    message, counts = altered(rng), [rng.choice((0, 0, 1, 2)) for _ in range(3)]
    try:
        found = module.read_sections(message, rng.choice((0, 12, 12, 12)), *counts)
    except WireError:
        refused += 1
        continue
    read += 1
    rrs = found[0] + found[1] + found[2]
    assert module.levelled(rrs, 0, 30) == ttl.levelled_in_python(rrs, 0, 30)
    try:
        module.levelled(tuple(rr[:rng.randrange(len(rr) + 1)] for rr in rrs), 5, 30)
    except IndexError:
        pass
print("read", read, "refused", refused)
assert min(read, refused) > 1_000
"""


def altered(rng: random.Random) -> bytes:
    """A message of a few records, some octets of which were hit."""
    message = bytearray(HEADER)
    for _ in range(rng.randrange(6)):
        rdata = b"".join(rng.choice(NAMES + POINTERS) for _ in range(rng.randrange(4)))
        fixed = rng.choice(KINDS).to_bytes(2, "big") + b"\0\1" + rng.randbytes(4)
        message += rng.choice(NAMES + POINTERS[:7]) + fixed + len(rdata).to_bytes(2, "big") + rdata
    for _ in range(rng.choice((0, 0, 1, 3))):
        message[rng.randrange(len(message))] = rng.choice((0, 1, 63, 64, 0xC0, 0xFF, rng.randrange(256)))
    return bytes(message[: rng.choice((len(message), len(message), rng.randrange(len(message) + 1)))])


def test_octets_of_all_kinds_under_the_address_sanitizer(tmp_path: Path) -> None:
    assert "refused" in sanitized(tmp_path, FUZZ, "loaded(Path({file}))", SOURCE)


def test_both_know_the_same_types_with_names(native: ModuleType) -> None:
    """Each type's RDATA of pointers only: where one reads a name, the other does."""
    for kind in range(260):
        message = HEADER + b"\1a\0" + b"\0" + kind.to_bytes(2, "big") + b"\0\1" + bytes(4) + b"\0\x0a" + b"\xc0\x0c" * 5
        asked = message, 15, 1, 0, 0
        assert outcome(native.read_sections, *asked) == outcome(records.read_sections_in_python, *asked), kind
