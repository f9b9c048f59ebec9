"""Continue tokens: where a list in parts goes on, and of which state it is."""

import base64
from binascii import Error

import msgspec

from ipamd.kube.status import bad_request


class Token(msgspec.Struct, frozen=True):
    """The revision whose state is listed, and the key behind which the next part begins."""

    rv: int
    namespace: str
    name: str


def encode_token(token: Token) -> str:
    """The token as the client gets it, opaque and fit for a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode()


def decode_token(text: str) -> Token:
    """The token that the client has sent back. Raises StatusError 400."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=Token)
    except (msgspec.DecodeError, Error, ValueError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error
