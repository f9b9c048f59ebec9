"""The command about the CNI plugin: cni install."""

from argparse import Namespace

from ipamd.cni.installing import NAME, install
from ipamd.ctl.client import Client
from ipamd.ctl.output import Output


def cni(_client: Client, given: Namespace, output: Output) -> None:
    """Install the executable that container runtimes call."""
    what = install(given.directory)
    path = given.directory / NAME
    if not output.json({"path": str(path), "made": what}):
        output.text(f"installed {path}, {what}")
