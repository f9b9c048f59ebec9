"""The command reconcile: leases whose owners are gone, and a store that is an old copy."""

from argparse import Namespace

from ipamd.ctl.client import Client
from ipamd.ctl.columns import columns
from ipamd.ctl.leases import documents, shown_address, shown_owner
from ipamd.ctl.output import Output
from ipamd.json import Object

PATH = "/v1/reconcile"
HEAD = ("address", "pool", "owner", "since", "free", "why")


def reconcile(client: Client, given: Namespace, output: Output) -> None:
    """Show what is suspected; with --yes free what is due, with --accept-rollback have an old copy go on."""
    if given.yes or given.accept_rollback:
        reply = client.call("POST", PATH, {"free": given.yes, "accept_rollback": given.accept_rollback})
    else:
        reply = client.call("GET", PATH)
    if output.json(reply):
        return
    if reply["old_copy"]:
        output.text(f"the store is an old copy, and nothing is given from it: {reply['old_copy']}")
    for lease in documents(reply, "freed"):
        output.text(f"freed {shown_address(lease)} of {shown_owner(lease)}")
    suspects = documents(reply, "suspects")
    output.text(columns(HEAD, [row(each) for each in suspects]) if suspects else "every lease has its owner")
    if any(each["due"] for each in suspects):
        output.text("--yes frees those that are free now")


def row(suspect: Object) -> list[str]:
    """A suspect as a row of HEAD."""
    lease = suspect["lease"]
    assert isinstance(lease, dict)
    held = [shown_address(lease), str(lease["pool"]), shown_owner(lease)]
    return [*held, str(suspect["since"]), "now" if suspect["due"] else "later", str(suspect["why"])]
