"""The commands that look at objects: get and watch. The columns are the server's, as kubectl's are."""

from argparse import Namespace

from ipamd.ctl.client import TABLE, Client, with_query
from ipamd.ctl.columns import columns
from ipamd.ctl.leases import documents, items
from ipamd.ctl.output import Output
from ipamd.ctl.resources import DEFAULT_NAMESPACE, Place, kind_named
from ipamd.errors import Refused
from ipamd.json import Object
from ipamd.kube.document import child, text

ACCEPT_TABLE = {"Accept": TABLE}


def get(client: Client, given: Namespace, output: Output) -> None:
    """Show objects of a kind, or one of them."""
    place = place_given(given)
    path = place.path if place.name else with_query(place.path, labelSelector=given.selector)
    if output.form == "json":
        output.json(client.call("GET", path))
        return
    reply = client.call("GET", path, None, ACCEPT_TABLE)
    layout = Layout(reply, place, output.form == "wide")
    rows = layout.rows(reply)
    output.text(columns(layout.heads, rows) if rows else "nothing found")


def watch(client: Client, given: Namespace, output: Output) -> None:
    """Show objects of a kind, and then every change, until it is interrupted."""
    place = place_given(given)
    path = with_query(place.path, watch="true", labelSelector=given.selector)
    wants_json = output.form == "json"
    layout: Layout | None = None
    for event in client.stream(path, {} if wants_json else ACCEPT_TABLE):
        shown = child(event, "object")
        if event.get("type") == "ERROR":
            raise Refused(text(shown, "message"))
        if wants_json:
            output.json_line(event)
            continue
        layout = layout or Layout(shown, place, output.form == "wide")
        for row in layout.rows(shown):
            output.text("   ".join([text(event, "type").ljust(8), *row]))


class Layout:
    """Which columns of a Table are shown; of a watch only the first Table says which there are."""

    def __init__(self, table: Object, place: Place, is_wide: bool) -> None:
        defined = documents(table, "columnDefinitions")
        self._across = place.kind.namespaced and not place.namespace
        self._chosen = [at for at, column in enumerate(defined) if is_wide or column.get("priority") == 0]
        names = [text(defined[at], "name") for at in self._chosen]
        self.heads = ["Namespace", *names] if self._across else names

    def rows(self, table: Object) -> list[list[str]]:
        """The rows of a Table; across namespaces each begins with its own."""
        return [self._cells(row) for row in documents(table, "rows")]

    def _cells(self, row: Object) -> list[str]:
        cells = items(row, "cells")
        shown = [str(cells[at]) for at in self._chosen]
        return [text(row, "object", "metadata", "namespace"), *shown] if self._across else shown


def place_given(given: Namespace) -> Place:
    """The place that the command line names."""
    kind = kind_named(given.kind)
    everywhere = given.all_namespaces or not kind.namespaced
    return Place(kind, "" if everywhere else given.namespace or DEFAULT_NAMESPACE, getattr(given, "name", "") or "")
