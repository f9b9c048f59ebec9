"""The body of a batch, read fast.

Strategy: what takes longest when a body is read strictly is to compare every text with its pattern. So a batch is read
without that first, and all its texts are compared at once, a line for each lease. If that fails the body is read again
as any other is, for the words of the refusal.
"""

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ipamd.http.codec import LARGEST_BATCH, VISIBLE, WORD, BatchRequest, LeaseRequest, OwnerBody, read
from ipamd.model import POOL_NAME

Short = Annotated[str, Meta(max_length=63)]
Long = Annotated[str, Meta(max_length=253)]

# Kind, name, namespace, uid, node and pool: no field has a space or a line end in it.
LINES = re.compile(rf"(?:{WORD} [!-~]+ {VISIBLE} {VISIBLE} {VISIBLE} {POOL_NAME[1:-1]}\n)*+")


class AnyOwner(OwnerBody, forbid_unknown_fields=True, gc=False):
    """An owner with texts of any characters."""

    kind: Short
    name: Long
    namespace: Long = ""
    uid: Long = ""


class AnyLease(LeaseRequest, forbid_unknown_fields=True, gc=False, kw_only=True):
    """A lease that is wanted, with texts of any characters."""

    owner: AnyOwner
    pool: Short | None = None
    node: Long = ""


class AnyBatch(Struct, forbid_unknown_fields=True):
    """Leases that are wanted together, with texts of any characters."""

    leases: Annotated[list[AnyLease], Meta(min_length=1, max_length=LARGEST_BATCH)]
    atomic: bool = True


def read_batch(body: bytes, encoding: str | None) -> BatchRequest | AnyBatch:
    """Read the body of a batch. Raises Malformed, or EncodedBody if it is compressed."""
    if encoding in (None, "identity"):
        try:
            batch = msgspec.json.decode(body, type=AnyBatch)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return read(body, encoding, BatchRequest)
        text = lines(batch.leases)
        if LINES.fullmatch(text) and text.count("\n") == len(batch.leases):
            return batch
    return read(body, encoding, BatchRequest)


def lines(leases: Sequence[LeaseRequest]) -> str:
    """The texts of the leases, a line each; in place of no pool some that fits."""
    found = []
    for each in leases:
        owner, pool = each.owner, "x" if each.pool is None else each.pool
        found.append(f"{owner.kind} {owner.name} {owner.namespace} {owner.uid} {each.node} {pool}\n")
    return "".join(found)
