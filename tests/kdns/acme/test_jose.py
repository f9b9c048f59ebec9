"""What requests to ACME servers are signed with, checked with the public key alone."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kdns.acme import jose
from kdns.acme.certificate import new_key

KEY = new_key()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_request_is_signed_whole() -> None:
    body = json.loads(jose.signed(KEY, {"nonce": "n", "url": "https://ca.example/new"}, {"a": 1}))
    assert json.loads(decoded(body["protected"])) == {"alg": "ES256", "nonce": "n", "url": "https://ca.example/new"}
    assert json.loads(decoded(body["payload"])) == {"a": 1}
    octets = decoded(body["signature"])
    assert len(octets) == 64
    signature = encode_dss_signature(int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big"))
    signed = f"{body['protected']}.{body['payload']}".encode()
    KEY.public_key().verify(signature, signed, ec.ECDSA(hashes.SHA256()))


def test_to_get_by_post_nothing_is_sent() -> None:
    assert json.loads(jose.signed(KEY, {}, None))["payload"] == ""


def test_the_thumbprint_is_of_the_members_in_order_without_blanks() -> None:
    public = jose.public(KEY)
    text = f'{{"crv":"P-256","kty":"EC","x":"{public["x"]}","y":"{public["y"]}"}}'
    assert decoded(jose.thumbprint(KEY)) == hashlib.sha256(text.encode()).digest()


def test_a_challenge_is_answered_by_the_hash_of_token_and_thumbprint() -> None:
    expected = hashlib.sha256(f"token.{jose.thumbprint(KEY)}".encode()).digest()
    assert decoded(jose.proof("token", KEY)) == expected
