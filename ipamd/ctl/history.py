"""The commands about the past: history, and who with a time."""

import ipaddress
from argparse import Namespace

from ipamd.ctl import leases
from ipamd.ctl.client import Client, with_query
from ipamd.ctl.columns import columns
from ipamd.ctl.output import Output
from ipamd.errors import Missing
from ipamd.json import Object

HEAD = ("address", "pool", "owner", "since", "until", "why")


def history(client: Client, given: Namespace, output: Output) -> None:
    """Show who had an address, or what an owner had; the latest comes first."""
    times = {"since": given.since, "until": given.until, "limit": given.limit}
    subject = {"address" if is_address(given.subject) else "owner": given.subject}
    reply = client.call("GET", with_query("/v1/history", **subject, **times))
    show(reply, output, f"nothing is known of {given.subject}{' then' if given.since or given.until else ''}")


def who(client: Client, given: Namespace, output: Output) -> None:
    """Show whose an address is, or whose it was at a time."""
    if given.at is None:
        leases.who(client, given, output)
        return
    reply = client.call("GET", with_query("/v1/history", address=given.address, at=given.at))
    show(reply, output, f"nobody is known to have had {given.address} at {given.at}")


def show(reply: Object, output: Output, otherwise: str) -> None:
    """Print tenures. Raises Missing if there are none."""
    found = leases.documents(reply, "tenures")
    if not found:
        raise Missing(otherwise)
    if output.json(reply):
        return
    output.text(columns(HEAD, [row(each) for each in found]))
    if reply.get("more"):
        output.text(f"there is more: --until {reply['until']}")


def row(tenure: Object) -> list[str]:
    """A tenure as a row of HEAD."""
    held = [leases.shown_address(tenure), str(tenure["pool"]), leases.shown_owner(tenure)]
    return [*held, str(tenure["since"]), str(tenure.get("until", "now")), str(tenure.get("reason", ""))]


def is_address(text: str) -> bool:
    """Whether it is an address and no name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
