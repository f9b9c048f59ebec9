"""The command fsck: every invariant, of a daemon that runs or of the file of one that does not."""

from argparse import Namespace
from pathlib import Path

from ipamd.ctl.client import Client
from ipamd.ctl.columns import columns
from ipamd.ctl.leases import documents
from ipamd.ctl.output import Output
from ipamd.errors import IpamError, Misused, Refused, StartError, Unsound
from ipamd.fsck import check
from ipamd.json import Object
from ipamd.stores import View
from ipamd.stores.sqlite_file import alone

HEAD = ("invariant", "subject", "what is wrong")


def fsck(client: Client, given: Namespace, output: Output) -> None:
    """Check, and print what is wrong and what to do. Raises Unsound if anything is."""
    reply = client.call("GET", "/v1/check") if given.store is None else check_file(given.store)
    found = documents(reply, "findings")
    if not output.json(reply):
        output.text(columns(HEAD, [row(each) for each in found]) if found else "sound")
        for invariant, remedy in {each["invariant"]: each["remedy"] for each in found}.items():
            output.text(f"{invariant}: {remedy}")
    if found:
        raise Unsound("an invariant is broken" if len(found) == 1 else f"invariants are broken, {len(found)} times")


def check_file(path: Path) -> Object:
    """What `/v1/check` would say of the file of a store, but for what is in memory. Raises Misused or Refused."""
    try:
        return alone(path, check_view)
    except StartError as error:
        raise Misused(str(error)) from error
    except IpamError as error:
        raise Refused(error.detail) from error


def check_view(view: View) -> Object:
    """The same of one state."""
    found = [finding._asdict() for finding in check(view)]
    return {"sound": not found, "findings": [*found]}


def row(finding: Object) -> list[str]:
    """A finding as a row of HEAD."""
    return [str(finding[name]) for name in ("invariant", "subject", "detail")]
