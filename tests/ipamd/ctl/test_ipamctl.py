"""ipamctl as people and scripts run it: what it prints, and its exit status."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ipamd.ctl.__main__ import COMMANDS, INTERRUPTED, KINDS
from ipamd.errors import AskError
from ipamd.kube import kinds
from tests.ipamd.ctl.running import Done, Ipamctl
from tests.ipamd.daemon import Daemon

IPAMD = Path(__file__).resolve().parents[3] / "docs" / "ipamd.md"
DEMO = Path(__file__).resolve().parents[3] / "configs" / "demo"
NOWHERE = "http://127.0.0.1:1"

MANIFEST = """
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Pod, metadata: {name: web-0, namespace: shop, labels: {app: web}}}
  - apiVersion: v1
    kind: Service
    metadata: {name: web, namespace: shop}
    spec: {ports: [{port: 80}], selector: {app: web}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"""


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_pools_are_shown_to_people_and_to_programs(ipamctl: Ipamctl) -> None:
    shown = words(ipamctl("pools").out)
    read = json.loads(ipamctl("pools", "-o", "json").out)

    counts = ["CAPACITY", "USED", "COOLING", "RESERVED", "FREE", "LEASES", "USE", "FULL"]
    assert shown[0] == ["NAME", "CIDRS", "PURPOSE", *counts]
    assert shown[1] == [
        *["pods", "10.244.0.0/16", "pods", "65533", "0", "0", "0", "65533", "0", "..........", "0%", "-"]
    ]
    assert {pool["name"] for pool in read["pools"]} == {"pods", "pods-v6", "services", "services-v6"}


def test_a_lease_is_taken_looked_up_renewed_and_released(ipamctl: Ipamctl) -> None:
    owner = ("--owner", "Pod/default/web-0")
    assert ipamctl("lease", "pods", *owner, "--ttl", "600", "--label", "app=web") == Done(0, "10.244.0.2\n", "")
    again = json.loads(ipamctl("lease", "pods", *owner, "-o", "json").out)
    assert (again["address"], again["labels"], again["ttl"]) == ("10.244.0.2", {"app": "web"}, 600)

    who = words(ipamctl("who", "10.244.0.2").out)
    assert who[0] == ["ID", "ADDRESS", "POOL", "OWNER", "CREATED", "EXPIRES"]
    assert who[1][:4] == [again["id"], "10.244.0.2", "pods", "Pod/default/web-0"]
    assert ipamctl("renew", again["id"], "--ttl", "900").out.startswith("10.244.0.2 expires 20")
    assert words(ipamctl("get", "pods").out)[1][0] == "web-0"

    assert ipamctl("release", "10.244.0.2") == Done(0, "released 10.244.0.2\n", "")
    assert ipamctl("who", "10.244.0.2") == Done(4, "", "ipamctl: nobody has 10.244.0.2\n")


def test_an_address_that_is_leased_in_two_address_spaces_is_not_released_by_guess(
    ipamctl: Ipamctl, daemon: Daemon
) -> None:
    daemon.request("POST", "/v1/pools", {"name": "lab", "cidrs": ["10.244.0.0/24"], "space": "lab"})
    ids = [daemon.lease("a", pool, address="10.244.0.9").body["id"] for pool in ("pods", "lab")]
    assert [row[0] for row in words(ipamctl("who", "10.244.0.9").out)[1:]] == ids

    several = f"10.244.0.9 is leased in several address spaces: name a lease by its id, which are {', '.join(ids)}"
    assert ipamctl("release", "10.244.0.9") == Done(4, "", f"ipamctl: {several}\n")
    assert ipamctl("release", ids[1]).status == 0
    assert ipamctl("release", "10.244.0.9").status == 0


def test_an_address_and_a_block_are_asked_for(ipamctl: Ipamctl) -> None:
    asked = ipamctl("lease", "pods", "--owner", "Host/a", "--address", "10.244.9.9")
    block = ipamctl("lease", "pods", "--owner", "Host/b", "--prefix-length", "28")

    assert asked.out == "10.244.9.9\n"
    assert block.out == "10.244.0.16/28\n"
    assert ipamctl("lease", "pods").status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["lease", "pods", "--owner", "Host/x", "--address", "192.0.2.1"], 1, "is outside pool pods"),
        (["lease", "nowhere"], 4, "there is no pool 'nowhere'"),
        (["lease", "pods", "--owner", "x"], 2, "an owner is KIND/NAME"),
        (["lease", "pods", "--label", "x"], 2, "a label is KEY=VALUE"),
        (["release", "999"], 4, "there is no lease 999"),
        (["release", "10.244.7.7"], 4, "there is no lease on 10.244.7.7"),
        (["renew", "999"], 4, "there is no lease 999"),
        (["who", "here"], 2, "not an IP address: 'here'"),
        (["who", "10.244.0.1", "--at", "noon"], 2, "at is a time such as"),
        (["history", "10.244.0.1", "--since", "noon"], 2, "since is a time such as"),
        (["lease", "pods", "--address", "here"], 2, "not an IP address: 'here'"),
        (["explain", "--pool", "pods", "--address", "here"], 2, "not an IP address: 'here'"),
        (["get", "pod", "nope"], 4, 'pods "nope" not found'),
        (["get", "things"], 2, "there is no kind 'things'"),
        (["get", "pods", "-l", "a b"], 2, "unable to parse requirement"),
        (["watch", "pods", "-l", "a b"], 2, "unable to parse requirement"),
        (["apply", "-f", "/nonexistent.yaml"], 2, "cannot read /nonexistent.yaml"),
        (["export", "/nonexistent/leases"], 2, "cannot use /nonexistent/leases: No such file"),
        (["import", "leases", "/nonexistent"], 2, "cannot read /nonexistent"),
        (["import", "leases", sys.executable], 2, "cannot read"),
        (["apply", "-f", "/proc/self/mem"], 2, "cannot read /proc/self/mem"),
        (["--server", "localhost:8653", "pools"], 2, "not a URL of the form http://HOST:PORT"),
        (["--server", "http://h:x", "pools"], 2, "not a URL"),
        (["--server", NOWHERE, "pools"], 3, f"cannot reach ipamd at {NOWHERE}"),
        (["pools", "--server", NOWHERE], 3, f"cannot reach ipamd at {NOWHERE}"),
        (["watch", "pods", "--server", NOWHERE], 3, f"cannot reach ipamd at {NOWHERE}"),
        (["frob"], 2, "invalid choice"),
        ([], 2, "required"),
    ],
)
def test_the_exit_status_tells_what_went_wrong(
    ipamctl: Ipamctl, arguments: list[str], status: int, complaint: str
) -> None:
    done = ipamctl(*arguments)

    assert done.status == status
    assert complaint in done.err
    assert "Traceback" not in done.err


def test_every_exit_status_is_in_the_table_of_the_documentation() -> None:
    _, _, after = IPAMD.read_text().partition("| exit status | when |\n|---|---|\n")
    table, _, _ = after.partition("\n\n")
    told = {int(row.split("|")[1]) for row in table.splitlines()}
    assert told == {0, INTERRUPTED, *(error.exit_status for error in AskError.__subclasses__())}


def test_every_command_is_in_the_list_of_the_documentation() -> None:
    text = IPAMD.read_text()
    listed = [line for line in text.splitlines() if line.startswith("ipamctl ")]
    formats = [
        line.replace("host-local|whereabouts", name) for line in listed for name in ("host-local", "whereabouts")
    ]
    for command in COMMANDS:
        assert any(line.startswith(f"ipamctl {command}") for line in formats), command


def test_the_help_of_get_names_every_kind() -> None:
    assert ", ".join(kind.plural for kind in kinds.KINDS) == KINDS


def test_manifests_are_applied_once_and_deleted(ipamctl: Ipamctl) -> None:
    assert ipamctl("apply", "-f", "-", stdin=MANIFEST).out.splitlines() == [
        "namespace/shop created",
        "pod/web-0 created",
        "service/web created",
    ]
    assert {row[1] for row in words(ipamctl("apply", "-f", "-", stdin=MANIFEST).out)} == {"unchanged"}
    changed = ipamctl("apply", "-f", "-", "-o", "json", stdin=MANIFEST.replace("port: 80", "port: 81")).out
    assert json.loads(changed) == [
        {"kind": "Namespace", "namespace": "", "name": "shop", "action": "unchanged"},
        {"kind": "Pod", "namespace": "shop", "name": "web-0", "action": "unchanged"},
        {"kind": "Service", "namespace": "shop", "name": "web", "action": "configured"},
    ]

    deleted = ipamctl("delete", "-f", "-", stdin=MANIFEST)
    assert deleted.out.splitlines() == ["service/web deleted", "pod/web-0 deleted", "namespace/shop deleted"]
    assert ipamctl("delete", "-f", "-", stdin=MANIFEST).status == 4


def test_a_status_in_a_manifest_is_applied_too(ipamctl: Ipamctl) -> None:
    manifest = (
        "{apiVersion: v1, kind: Pod, metadata: {name: a}, status: {conditions: [{type: Ready, status: 'READY'}]}}"
    )
    ipamctl("apply", "-f", "-", stdin=manifest.replace("READY", "False"))
    assert words(ipamctl("get", "pods").out)[1][1] == "0/0"

    changed = ipamctl("apply", "-f", "-", stdin=manifest.replace("READY", "True"))

    assert changed.out == "pod/a configured\n"
    [condition] = json.loads(ipamctl("get", "pod", "a", "-o", "json").out)["status"]["conditions"]
    assert condition == {"type": "Ready", "status": "True"}


def test_what_is_refused_does_not_keep_the_rest_from_being_applied(ipamctl: Ipamctl) -> None:
    done = ipamctl("apply", "-f", "-", stdin=MANIFEST.replace("port: 80", "port: 0"))

    assert done.status == 1
    assert "pod/web-0 created" in done.out
    assert 'ipamctl: Service web: Service "web" is invalid: [spec.ports[0].port' in done.err
    assert "1 of 3 objects failed" in done.err


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        ("a: [", "not YAML"),
        ("just text", "not a manifest"),
        ("{kind: 7}", "not a manifest"),
        ("{kind: Deployment, apiVersion: apps/v1}", "no such kind here: apps/v1 Deployment"),
    ],
)
def test_what_is_no_manifest_is_told(ipamctl: Ipamctl, manifest: str, complaint: str) -> None:
    done = ipamctl("apply", "-f", "-", stdin=manifest)

    assert done.status != 0
    assert complaint in done.err


def test_the_demo_cluster_comes_up_from_its_directory(ipamctl: Ipamctl) -> None:
    first = ipamctl("apply", "-f", str(DEMO))
    again = ipamctl("apply", "-f", str(DEMO))

    assert (first.status, first.err) == (0, "")
    assert {line.split()[1] for line in first.out.splitlines()} == {"created"}
    assert {line.split()[1] for line in again.out.splitlines()} == {"unchanged"}
    services = {row[1]: row for row in words(ipamctl("get", "svc", "-A").out)}
    assert services["kube-dns"][:4] == ["kube-system", "kube-dns", "ClusterIP", "10.96.0.10"]
    assert services["office"][5] == "8080:30080/TCP"
    assert services["catalog"][3].startswith("fd00:10:96::")
    wide = words(ipamctl("get", "pods", "-n", "shop", "-l", "app=web", "-o", "wide").out)
    assert wide[0][-6:] == ["IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"]
    assert len(wide) == 3
    assert ipamctl("get", "po", "-l", "app=none").out == "nothing found\n"


def test_a_long_apply_shows_a_bar_to_whoever_is_looking(daemon: Daemon, tmp_path: Path) -> None:
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{number}"}} for number in range(60)]
    (tmp_path / "pods.json").write_text(json.dumps({"kind": "PodList", "items": pods}))
    command = [sys.executable, "-m", "ipamd.ctl", "--server", daemon.url, "apply", "-f", str(tmp_path)]
    terminal, inside = pty.openpty()

    with subprocess.Popen(command, stdout=inside, stderr=inside) as applying:
        os.close(inside)
        shown = read_terminal(terminal)

    assert applying.returncode == 0
    assert "100%" in shown
    assert "60 created" in shown
    assert "pod/p1 created" not in shown


def read_terminal(terminal: int) -> str:
    """What was written to a terminal until its last writer closed it."""
    parts = []
    with contextlib.suppress(OSError):  # what Linux says when nobody is left at the other end
        while part := os.read(terminal, 4096):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_watch_shows_what_is_there_and_what_happens(daemon: Daemon, ipamctl: Ipamctl, form: str) -> None:
    ipamctl("lease", "pods", "--owner", "Pod/default/a")
    command = [sys.executable, "-m", "ipamd.ctl", "watch", "pods", "-A", "--server", daemon.url, "-o", form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        first = watching.stdout.readline()
        ipamctl("release", "10.244.0.2")
        second = watching.stdout.readline()
        watching.terminate()

    if form == "json":
        assert [json.loads(line)["type"] for line in (first, second)] == ["ADDED", "DELETED"]
    else:
        assert first.split()[:4] == ["ADDED", "default", "a", "1/1"]
        assert second.split()[:3] == ["DELETED", "default", "a"]
