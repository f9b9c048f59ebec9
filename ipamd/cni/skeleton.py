"""What is checked of every request before anybody looks at addresses, in the order and words of CNI's reference.

Strategy: libcni's users know the errors of `pkg/skel` (containernetworking/cni), so the same ones are raised here: the
environment first, then that the input is a configuration with a name, then its version.
"""

import re
from collections.abc import Callable, Mapping

from ipamd.cni.codes import VERSIONS, Code, number_of
from ipamd.cni.document import Header, read_header
from ipamd.cni.frames import Call
from ipamd.errors import CniError

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
IFNAMSIZ = 16  # octets of an interface's name with its NUL (netdevice(7))
SPACES = re.compile(r"[/:\s]")

ATTACHMENT = ("ADD", "CHECK", "DEL")
ALL = (*ATTACHMENT, "GC", "STATUS")

# Every variable, in the order in which the missing ones are named, and the commands that need it.
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "CNI_CONTAINERID": ATTACHMENT,
    "CNI_NETNS": ("ADD", "CHECK"),
    "CNI_IFNAME": ATTACHMENT,
    "CNI_PATH": ALL,
}
SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}


def check(call: Call) -> Header:
    """Raise CniError unless the request is well-formed, and return what its configuration begins with."""
    command = call.environment.get("CNI_COMMAND", "")
    check_environment(command, call.environment)
    header = read_header(call.stdin)
    if not header.name:
        raise CniError(Code.INVALID_CONFIG, "missing network name")
    if not NAME.fullmatch(header.name):
        raise CniError(Code.INVALID_CONFIG, "invalid characters found in network name", header.name)
    if command not in ALL:
        raise CniError(Code.INVALID_ENVIRONMENT, f"unknown CNI_COMMAND: {command}")
    check_version(command, header.version)
    return header


def check_environment(command: str, environment: Mapping[str, str]) -> None:
    """Raise CniError for a variable that is not as it has to be, or for all those that are missing."""
    missing = []
    for name, commands in REQUIRED.items():
        value = environment.get(name, "")
        if command in commands and not value:
            missing.append(name)
        elif command in commands and name in CHECKS:
            CHECKS[name](value)
    if missing:
        raise CniError(Code.INVALID_ENVIRONMENT, f"required env variables [{','.join(missing)}] missing")


def check_container(container: str) -> None:
    """Raise CniError unless it is a container's id."""
    if not NAME.fullmatch(container):
        raise CniError(Code.INVALID_ENVIRONMENT, "invalid characters in containerID", container)


def check_interface(name: str) -> None:
    """Raise CniError unless an interface can have the name."""
    if len(name.encode(errors="surrogateescape")) >= IFNAMSIZ:
        details = f"interface name should be less than {IFNAMSIZ} characters"
        raise CniError(Code.INVALID_ENVIRONMENT, "interface name is too long", details)
    if name in (".", ".."):
        raise CniError(Code.INVALID_ENVIRONMENT, "interface name is . or ..")
    if SPACES.search(name):
        raise CniError(Code.INVALID_ENVIRONMENT, "interface name contains / or : or whitespace characters")


CHECKS: Mapping[str, Callable[[str], None]] = {"CNI_CONTAINERID": check_container, "CNI_IFNAME": check_interface}


def check_version(command: str, version: str) -> None:
    """Raise CniError unless the version is one of ours and has the command."""
    if command in SINCE:
        try:
            number = number_of(version)
        except ValueError as error:
            raise CniError(Code.DECODING_FAILURE, str(error)) from None
        if number < number_of(SINCE[command]):
            raise CniError(Code.INCOMPATIBLE_VERSION, f"config version does not allow {command}")
        if number > number_of(VERSIONS[-1]):
            raise CniError(Code.INCOMPATIBLE_VERSION, f"plugin version does not allow {command}")
    if (version or VERSIONS[0]) not in VERSIONS:
        known = " ".join(f'"{each}"' for each in VERSIONS)
        details = f'config is "{version}", plugin supports [{known}]'
        raise CniError(Code.INCOMPATIBLE_VERSION, "incompatible CNI versions", details)
