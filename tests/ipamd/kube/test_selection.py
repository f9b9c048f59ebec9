"""Which objects a list or a watch is about."""

from typing import Any

import msgspec
import pytest

from ipamd.kube.kinds import POD
from ipamd.kube.selection import SCAN, Selection
from ipamd.selectors import parse_fields, parse_labels
from ipamd.stores import Change
from ipamd.stores.sqlite import SqliteStore


def body(revision: int, **labels: str) -> bytes:
    return msgspec.json.encode({"metadata": {"resourceVersion": str(revision), "labels": labels}})


OLD, NEW, GONE = body(1, app="web"), body(2, app="db"), body(3, app="db")
EVERYTHING = Selection(POD, None)
WEB = Selection(POD, None, parse_labels("app=web"))
DB = Selection(POD, None, parse_labels("app=db"))
HERE, ELSEWHERE = Selection(POD, "shop"), Selection(POD, "data")
BY_NAME = Selection(POD, None, (), parse_fields("metadata.name=web-0"))
BY_OTHER_NAME = Selection(POD, "shop", (), parse_fields("metadata.name!=web-0"))


def changed(op: Any, after: bytes, before: bytes | None) -> Change:
    return Change(
        int(msgspec.json.decode(after)["metadata"]["resourceVersion"]), 0.0, op, "Pod", "shop", "web-0", after, before
    )


@pytest.mark.parametrize(
    ("selection", "change", "event"),
    [
        (EVERYTHING, changed("ADDED", OLD, None), ("ADDED", OLD)),
        (EVERYTHING, changed("MODIFIED", NEW, OLD), ("MODIFIED", NEW)),
        (EVERYTHING, changed("DELETED", GONE, NEW), ("DELETED", GONE)),
        (HERE, changed("MODIFIED", NEW, OLD), ("MODIFIED", NEW)),
        (ELSEWHERE, changed("MODIFIED", NEW, OLD), None),
        (BY_NAME, changed("MODIFIED", NEW, OLD), ("MODIFIED", NEW)),
        (BY_OTHER_NAME, changed("MODIFIED", NEW, OLD), None),
        (WEB, changed("ADDED", OLD, None), ("ADDED", OLD)),
        (WEB, changed("MODIFIED", NEW, OLD), ("DELETED", body(2, app="web"))),
        (WEB, changed("DELETED", GONE, NEW), None),
        (DB, changed("ADDED", OLD, None), None),
        (DB, changed("MODIFIED", NEW, OLD), ("ADDED", NEW)),
        (DB, changed("MODIFIED", GONE, NEW), ("MODIFIED", GONE)),
        (DB, changed("DELETED", GONE, NEW), ("DELETED", GONE)),
    ],
)
def test_what_a_watch_is_told_of_a_change(selection: Selection, change: Change, event: Any) -> None:
    assert selection.event(change) == event


async def test_a_long_list_is_read_in_steps_that_stop_at_the_limit(store: SqliteStore) -> None:
    count = SCAN + 10
    await store.update(
        lambda tx: [
            tx.put("Pod", "shop", f"p{n:04}", {"metadata": {"labels": {"odd": str(n % 2)}}}) for n in range(count)
        ]
    )

    first = store.view(lambda view: EVERYTHING.scan(view, None, None, 0))
    rest = store.view(lambda view: EVERYTHING.scan(view, first.after, None, 0))
    part = store.view(lambda view: EVERYTHING.scan(view, None, None, 3))
    odd = store.view(lambda view: Selection(POD, "shop", parse_labels("odd=1")).scan(view, None, None, 2))
    last = store.view(lambda view: EVERYTHING.scan(view, ("shop", f"p{count - 2:04}"), None, 1))

    assert (len(first.found), first.after) == (SCAN, ("shop", f"p{SCAN - 1:04}"))
    assert (len(rest.found), rest.after) == (10, None)
    assert (len(part.found), part.after) == (3, ("shop", "p0002"))
    assert (len(odd.found), odd.after) == (2, ("shop", "p0003"))
    assert (len(last.found), last.after) == (1, None)
