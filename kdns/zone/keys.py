"""DNSSEC keys as BIND's tools write them: a DNSKEY record in NAME.key, what is secret in NAME.private. Text in, pure.

RSA, ECDSA and Ed25519 (RFC 3110, 5702, 6605, 8080): what CoreDNS has.
"""

from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kdns.errors import ConfigError, WireError
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR

ZONE, SEP = 0x0100, 0x0001  # flags of a zone's key, and of one that is trusted from outside (RFC 4034 section 2.1.1)
ENDINGS = (".key", ".private")
TTL = 3600  # seconds, where the file has none

Sign = Callable[[bytes], bytes]

_RSA: Mapping[int, Callable[[], hashes.HashAlgorithm]] = {
    5: hashes.SHA1, 7: hashes.SHA1, 8: hashes.SHA256, 10: hashes.SHA512,
}  # fmt: skip
_CURVES: Mapping[int, tuple[type[ec.EllipticCurve], Callable[[], hashes.HashAlgorithm], int]] = {
    13: (ec.SECP256R1, hashes.SHA256, 32),
    14: (ec.SECP384R1, hashes.SHA384, 48),
}
_ED25519 = 15


class Key(NamedTuple):
    """A key: its record's owner (lower-cased), TTL in seconds and RDATA; `sign` signs octets with its secret."""

    owner: Name
    ttl: int
    rdata: bytes
    tag: int
    sign: Sign

    @property
    def algorithm(self) -> int:
        """The algorithm's number."""
        return self.rdata[3]

    @property
    def signs_keys(self) -> bool:
        """Whether it is a zone's key-signing key."""
        return self._flags & (ZONE | SEP) == ZONE | SEP

    @property
    def signs_zone(self) -> bool:
        """Whether it is a zone's key, and none for keys."""
        return self._flags & (ZONE | SEP) == ZONE

    @property
    def _flags(self) -> int:
        return int.from_bytes(self.rdata[:2], "big")


def read(public: str, private: str) -> Key:
    """The key of both files' text. ValueError for what is none, for an algorithm that is not there, for two halves of
    different keys.
    """
    owner, ttl, rdata = _public(public)
    try:
        sign, point = _secret(rdata[3], _fields(private))
    except (KeyError, Error) as fault:
        raise ValueError(f"no private key found: {fault}") from None
    if point != rdata[4:]:
        raise ValueError("the private key is another one's than the public key")
    return Key(owner, ttl, rdata, tag(rdata), sign)


def from_files(path: str, read_file: Callable[[str], str], error: Callable[[str], ConfigError]) -> Key:
    """The key of the two files at a path, with or without an ending. ConfigError, as `error` makes it of a text."""
    stem = next((path.removesuffix(ending) for ending in ENDINGS if path.endswith(ending)), path)
    try:
        return read(*(read_file(stem + ending) for ending in ENDINGS))
    except OSError as fault:
        raise error(f"open {fault.filename}: {str(fault.strerror).lower()}") from None
    except ValueError as fault:
        raise error(f"{stem}: {fault}") from None


def tag(rdata: bytes) -> int:
    """The key tag of a DNSKEY's RDATA (RFC 4034 appendix B)."""
    total = sum(octet if at & 1 else octet << 8 for at, octet in enumerate(rdata))
    return total + (total >> 16) & 0xFFFF


def _public(text: str) -> tuple[Name, int, bytes]:
    """Owner, TTL and RDATA of the DNSKEY record, whatever comments stand about it."""
    bare = " ".join(line.partition(";")[0] for line in text.splitlines())
    words = bare.replace("(", " ").replace(")", " ").split()
    kinds = [word.upper() for word in words]
    if "DNSKEY" not in kinds[1:]:
        raise ValueError("no public key found")
    at = kinds.index("DNSKEY")
    ttl = next((int(word) for word in words[1:at] if word.isdigit()), TTL)
    try:
        flags, protocol, algorithm = (int(word) for word in words[at + 1 : at + 4])
        lead = flags.to_bytes(2, "big") + bytes((protocol, algorithm))
        return names.parse(words[0]).lower(), ttl, lead + b64decode("".join(words[at + 4 :]), validate=True)
    except (ValueError, OverflowError, Error, WireError) as fault:
        raise ValueError(f"no public key found: {fault}") from None


def _fields(text: str) -> dict[str, str]:
    """The lines `Field: value` of a private key file."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _secret(algorithm: int, fields: Mapping[str, str]) -> tuple[Sign, bytes]:
    """What signs, and the public key that belongs to it as a DNSKEY has it."""
    if algorithm in _RSA:
        return _rsa(algorithm, fields)
    if algorithm in _CURVES:
        return _ecdsa(algorithm, fields)
    if algorithm == _ED25519:
        key = ed25519.Ed25519PrivateKey.from_private_bytes(b64decode(fields["PrivateKey"]))
        return key.sign, key.public_key().public_bytes_raw()
    raise ValueError(f"no private key found: unknown algorithm {algorithm}")


def _rsa(algorithm: int, fields: Mapping[str, str]) -> tuple[Sign, bytes]:
    wanted = ("Prime1", "Prime2", "PrivateExponent", "Exponent1", "Exponent2", "Coefficient", "PublicExponent")
    p, q, d, first, second, coefficient, e = (_integer(fields[name]) for name in wanted)
    public = rsa.RSAPublicNumbers(e, _integer(fields["Modulus"]))
    key = rsa.RSAPrivateNumbers(p, q, d, first, second, coefficient, public).private_key()
    scheme, digest = padding.PKCS1v15(), _RSA[algorithm]()
    exponent, modulus = _octets(e), _octets(public.n)
    lead = bytes((len(exponent),)) if len(exponent) < 256 else b"\0" + len(exponent).to_bytes(2, "big")
    return lambda octets: key.sign(octets, scheme, digest), lead + exponent + modulus


def _ecdsa(algorithm: int, fields: Mapping[str, str]) -> tuple[Sign, bytes]:
    curve, digest, size = _CURVES[algorithm]
    key = ec.derive_private_key(_integer(fields["PrivateKey"]), curve())
    scheme = ec.ECDSA(digest())

    def sign(octets: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(octets, scheme))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return sign, key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def _integer(text: str) -> int:
    return int.from_bytes(b64decode(text), "big")


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def record(key: Key, owner: Name, ttl: int | None = None) -> RR:
    """The DNSKEY record of a key at a zone's apex, with its own TTL unless another is given."""
    return records.make(owner, codes.DNSKEY, key.ttl if ttl is None else ttl, key.rdata)
