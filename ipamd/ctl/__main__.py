"""ipamctl: ask and steer an ipamd from the command line.

Exit status: 0 done, 1 refused by the server or would be, 2 wrong usage, 3 the server cannot be reached, 4 not found,
5 not sound, 130 interrupted.
"""

import argparse
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ipamd import VERSION
from ipamd.ctl.client import Client
from ipamd.ctl.output import Output
from ipamd.errors import AskError, Misused

DEFAULT_SERVER = "http://127.0.0.1:8653"
INTERRUPTED = 130  # the exit status that shells give a process that SIGINT has ended

Command = Callable[[Client, argparse.Namespace, Output], None]

# Where the commands are. A module is imported when a command of it is given: some load what is slow to import, such as
# YAML and tables, and few need more than one.
COMMANDS = {
    "apply": "apply.apply",
    "backup": "backups.backup",
    "cni install": "cni.cni",
    "delete": "apply.delete",
    "drain": "pools.drain",
    "explain": "pools.explain",
    "export": "bulk.export",
    "fsck": "fsck.fsck",
    "get": "objects.get",
    "grow": "pools.grow",
    "history": "history.history",
    "import host-local": "imports.take_over",
    "import leases": "bulk.take_in",
    "import whereabouts": "imports.take_over",
    "lease": "leases.lease",
    "leases": "leases.leases",
    "pool create": "pools.create",
    "pool delete": "pools.delete",
    "pool set": "pools.change",
    "pools": "pools.pools",
    "reconcile": "reconcile.reconcile",
    "release": "leases.release",
    "renew": "leases.renew",
    "restore": "backups.restore",
    "search": "leases.search",
    "shrink": "pools.shrink",
    "watch": "objects.watch",
    "who": "history.who",
}


def main() -> None:
    """Run the command line and end the process with its exit status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command and return the exit status; what went wrong is said on standard error."""
    given = parser().parse_args(arguments)
    try:
        command_of(given)(Client(given.server), given, Output(given.output))
    except AskError as error:
        print(f"ipamctl: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # of a file that the command line names
        print(f"ipamctl: cannot use {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return Misused.exit_status
    return 0


def command_of(given: argparse.Namespace) -> Command:
    """The function of a command."""
    name = f"{given.command} {getattr(given, 'action', '')}".rstrip()
    module, _, function = COMMANDS[name].partition(".")
    command: Command = getattr(import_module(f"ipamd.ctl.{module}"), function)
    return command


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="ipamctl", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    top.add_argument("--version", action="version", version=f"ipamctl {VERSION}")
    server = os.environ.get("IPAMD_SERVER") or DEFAULT_SERVER
    add_general(top, server, "table")
    # The same may stand behind the command; what is not there must not undo what stood before it.
    everywhere = argparse.ArgumentParser(add_help=False)
    add_general(everywhere, argparse.SUPPRESS, argparse.SUPPRESS)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[everywhere])

    add_pool_commands(add, everywhere)
    add_lease_commands(add)
    add_history_commands(add)
    add_upkeep_commands(add)
    add_manifest_commands(add)
    add_object_commands(add)
    add_cni_commands(add)
    return top


def add_general(command: argparse.ArgumentParser, server: str, output: str) -> None:
    """The flags of every command, with these defaults."""
    where = f"default: $IPAMD_SERVER or {DEFAULT_SERVER}"
    command.add_argument("--server", default=server, metavar="URL", help=where)
    command.add_argument("-o", "--output", choices=("table", "wide", "json"), default=output)


Adder = Callable[[str, str], argparse.ArgumentParser]


SETTING = (
    "a key of the configuration's [pools.NAME]; lists with commas, quotas and reservations as JSON, empty: default"
)


def add_pool_commands(add: Adder, everywhere: argparse.ArgumentParser) -> None:
    """The commands about pools; `everywhere` has the flags of every command."""
    add("pools", "show the pools, how full they are, and when they will be full")
    actions = add("pool", "make, change or delete a pool").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    for name, text in (
        ("create", "make a pool"),
        ("set", "change settings of a pool"),
        ("delete", "delete a pool in which nothing is leased"),
    ):
        action = actions.add_parser(name, help=text, description=text, parents=[everywhere])
        action.add_argument("pool")
        if name == "create":
            action.add_argument("cidr", nargs="+", metavar="CIDR")
            action.add_argument(
                "--set", dest="setting", action="extend", nargs="+", default=[], metavar="KEY=VALUE", help=SETTING
            )
        if name == "set":
            action.add_argument("setting", nargs="+", metavar="KEY=VALUE", help=SETTING)
    for name, text in (
        ("grow", "add CIDRs to a pool"),
        ("shrink", "take CIDRs from a pool, if nothing in them is leased"),
    ):
        command = add(name, text)
        command.add_argument("pool")
        command.add_argument("cidr", nargs="+", metavar="CIDR")
    drain = add("drain", "have a pool give no more leases")
    drain.add_argument("pool")
    drain.add_argument("--undo", action="store_true", help="have it give again")
    explain = add("explain", "show what a lease would get, and why not elsewhere; nothing is changed")
    explain.add_argument("--pool")
    explain.add_argument("--purpose", choices=("pods", "services", "nodes", "lb", "any"), help="in place of a pool")
    explain.add_argument("--owner", metavar="KIND/[NAMESPACE/]NAME", help="default: Host/ and the name of this machine")
    explain.add_argument("--namespace", help="of the owner")
    explain.add_argument("--address")
    explain.add_argument("--prefix-length", type=int, metavar="BITS")
    explain.add_argument("--node")
    explain.add_argument("--label", action="append", metavar="KEY=VALUE", help="may be given several times")


LEASE_FILTERS = (
    ("pool", "POOL", "of this pool"),
    ("within", "CIDR", "that lie in this block"),
    ("node", "NODE", "on this node"),
    ("owner", "KIND/[NAMESPACE/]NAME", "of this owner"),
    ("namespace", "NAMESPACE", "of owners in this namespace"),
    ("tag", "TAG", "with this tag"),
)


def add_lease_commands(add: Adder) -> None:
    """The commands about leases."""
    lease = add("lease", "lease an address or a block; the same owner gets the same again")
    lease.add_argument("pool")
    lease.add_argument("--address", help="the address wanted (default: the next free one)")
    lease.add_argument("--prefix-length", type=int, metavar="BITS", help="lease a block of this prefix length")
    lease.add_argument("--owner", metavar="KIND/[NAMESPACE/]NAME", help="default: Host/ and the name of this machine")
    lease.add_argument(
        "--ttl", type=int, metavar="SECONDS", help="how long it lasts unless renewed (default: for ever)"
    )
    lease.add_argument("--label", action="append", metavar="KEY=VALUE", help="may be given several times")
    leases = add("leases", "show leases: all, or those that every filter lets through")
    for name, metavar, text in LEASE_FILTERS:
        leases.add_argument(f"--{name}", metavar=metavar, help=text)
    leases.add_argument("--state", choices=("permanent", "expiring"))
    leases.add_argument("--label", action="append", metavar="KEY=VALUE", help="may be given several times")
    add("release", "give a lease back").add_argument("lease", metavar="ID|ADDRESS")
    add("search", "show the leases that say something").add_argument("text", help="in any case")
    export = add("export", "write every pool and lease, a JSON document a line")
    export.add_argument("path", nargs="?", default="-", help="a file (default: standard output)")
    renew = add("renew", "put off the end of a lease")
    renew.add_argument("lease", metavar="ID|ADDRESS")
    renew.add_argument("--ttl", type=int, metavar="SECONDS", help="default: as long as it was given for")


def add_history_commands(add: Adder) -> None:
    """The commands about who had what."""
    who = add("who", "show whose an address is, or was")
    who.add_argument("address", metavar="ADDRESS")
    time = "such as 2026-11-01T12:00Z; in UTC unless it says otherwise"
    who.add_argument("--at", metavar="TIME", help=f"whose it was then, {time}")
    history = add("history", "show who had an address when, or what an owner had")
    history.add_argument("subject", metavar="ADDRESS|OWNER", help="an owner is NAME, KIND/NAME or KIND/NAMESPACE/NAME")
    history.add_argument("--since", metavar="TIME", help=f"only what lasted after this time, {time}")
    history.add_argument("--until", metavar="TIME", help="only what had begun by this time")
    history.add_argument("--limit", type=int, metavar="NUMBER", help="so many at most, the latest first (default: 500)")


def add_upkeep_commands(add: Adder) -> None:
    """The commands about the soundness of what is stored."""
    fsck = add("fsck", "check every invariant of the leases and pools")
    where = "the file of a store, without a daemon (default: ask the daemon)"
    fsck.add_argument("--store", type=Path, metavar="PATH", help=where)
    reconcile = add("reconcile", "show the leases whose owners are gone, and free them")
    reconcile.add_argument("--yes", action="store_true", help="free those that are due, which is else only shown")
    text = "have a store that is an old copy go on, and give addresses again"
    reconcile.add_argument("--accept-rollback", action="store_true", help=text)
    add("backup", "get a copy of the store from the daemon").add_argument("path", type=Path, metavar="PATH")
    restore = add("restore", "put a copy in the place of a store that no daemon uses")
    restore.add_argument("path", type=Path, metavar="PATH", help="the copy")
    restore.add_argument("--store", type=Path, metavar="PATH", required=True, help="the file of the store")


def add_manifest_commands(add: Adder) -> None:
    """The commands about manifests."""
    for name, text in (
        ("apply", "create or replace the objects of Kubernetes manifests"),
        ("delete", "delete the objects of Kubernetes manifests"),
    ):
        command = add(name, text)
        where = "a YAML file, a directory of them, or - for standard input; several may follow"
        command.add_argument("-f", "--filename", nargs="+", action="extend", required=True, help=where)


# Spelt out, since the table of kinds takes longer to import than most commands take to run.
KINDS = "namespaces, nodes, pods, services, endpointslices, servicecidrs, ipaddresses"


def add_object_commands(add: Adder) -> None:
    """The commands that look at objects."""
    for name, text in (("get", "show objects"), ("watch", "show objects and then their changes")):
        command = add(name, text)
        command.add_argument("kind", metavar="KIND", help=KINDS)
        if name == "get":
            command.add_argument("name", metavar="NAME", nargs="?", default="")
        command.add_argument("-n", "--namespace", metavar="NAMESPACE", help="default: default")
        command.add_argument("-A", "--all-namespaces", action="store_true")
        command.add_argument("-l", "--selector", metavar="SELECTOR", help="by labels, such as app=web,tier!=test")


def add_cni_commands(add: Adder) -> None:
    """The commands about container runtimes."""
    taking = add("import", "take over what another IPAM plugin has allocated: all of it, or nothing")
    taking.add_argument("action", metavar="FORMAT", choices=("leases", "host-local", "whereabouts"), help="%(choices)s")
    taking.add_argument(
        "path",
        help="leases: what `ipamctl export` has written, or - for standard input; host-local: its data directory; "
        "whereabouts: manifests of its objects, a file or a directory",
    )
    where = "the network configurations of host-local or whereabouts, as in /etc/cni/net.d"
    taking.add_argument("--config", type=Path, metavar="PATH", help=where)
    taking.add_argument("--node", metavar="NAME", help="whose containers these are (default: the name of this machine)")
    taking.add_argument("--dry-run", action="store_true", help="say what would come of it, and change nothing")
    command = add("cni", "install the CNI plugin that container runtimes call")
    command.add_argument("action", choices=("install",))
    command.add_argument(
        "--dir", dest="directory", type=Path, default=Path("/opt/cni/bin"), help="default: %(default)s"
    )


if __name__ == "__main__":
    main()
