"""What ACME signs its requests with: JWS in the flattened form, by ECDSA with P-256 (RFC 7515, RFC 7518). Pure."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

OCTETS = 32  # of a coordinate of P-256, and of each half of a signature


def encoded(octets: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def public(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """The public key as a JWK (RFC 7518 section 6.2), its members in the order that the thumbprint wants."""
    numbers = key.public_key().public_numbers()
    x, y = (encoded(number.to_bytes(OCTETS, "big")) for number in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def thumbprint(key: ec.EllipticCurvePrivateKey) -> str:
    """What tells a key from others (RFC 7638)."""
    return encoded(hashlib.sha256(_packed(public(key))).digest())


def proof(token: str, key: ec.EllipticCurvePrivateKey) -> str:
    """The text of the TXT record that answers a dns-01 challenge (RFC 8555 section 8.4)."""
    return encoded(hashlib.sha256(f"{token}.{thumbprint(key)}".encode()).digest())


def signed(key: ec.EllipticCurvePrivateKey, header: Mapping[str, Any], payload: Mapping[str, Any] | None) -> bytes:
    """A request's body: `header` is protected with the payload; None is the empty one of POST-as-GET."""
    head = encoded(_packed({"alg": "ES256", **header}))
    body = "" if payload is None else encoded(_packed(payload))
    r, s = decode_dss_signature(key.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256())))
    signature = encoded(r.to_bytes(OCTETS, "big") + s.to_bytes(OCTETS, "big"))
    return _packed({"protected": head, "payload": body, "signature": signature})


def _packed(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
