"""The commands backup and restore: a copy of the store, got from a daemon that runs, put back where none does."""

import os
from argparse import Namespace
from pathlib import Path

from ipamd.ctl.client import Client
from ipamd.ctl.output import Output
from ipamd.errors import Misused, Refused, StartError
from ipamd.stores.sqlite_copy import restore as put_back


def backup(client: Client, given: Namespace, output: Output) -> None:
    """Write a copy of the store to a new file; it is whole and on the disk when it has its name."""
    path: Path = given.path
    if path.exists():
        raise Misused(f"{path} is there already")
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            for chunk in client.download("/v1/backup"):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        raise Misused(f"cannot write {path}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    size = path.stat().st_size
    if not output.json({"path": str(path), "octets": size}):
        output.text(f"{path}: {size} octets")


def restore(client: Client, given: Namespace, output: Output) -> None:
    """Put a copy in the place of a store, which gives nothing then until that is accepted."""
    try:
        revision = put_back(given.path, given.store)
    except StartError as error:
        raise Refused(str(error)) from error
    if not output.json({"store": str(given.store), "revision": revision}):
        output.text(f"{given.store} is of revision {revision} now")
        output.text("start ipamd, look at `ipamctl reconcile`, and then say `ipamctl reconcile --accept-rollback`")
