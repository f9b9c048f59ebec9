"""JSON as a type: what a decoded document may consist of, and how one of ours is decoded."""

from typing import TypeAlias

import msgspec

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Object: TypeAlias = dict[str, Json]


def stored_object(body: bytes) -> Object:
    """The document of a JSON object that was checked before it was stored."""
    document: Object = msgspec.json.decode(body, type=dict)
    return document
