"""The CNI IPAM plugin of ipamd where nothing could be compiled: what executable.c does, in Python.

Strategy: installed as a script of its own, run by `python3 -IS`, so it imports nothing of ours and little else: to
start is nearly all the time that it takes. See executable.c for why it does what it does, frames.py for the octets.
"""

import os
import socket
import sys
import time

SOCKET = "/run/ipamd/cni.sock"  # unless IPAMD_CNI_SOCKET is set
LARGEST = 1 << 20  # octets of a request
PATIENCE = 60  # seconds for the daemon to take a request, and to answer
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


def main() -> int:
    """Carry the call to the daemon and print what comes back; returns the exit status."""
    command = os.environ.get("CNI_COMMAND", "")
    if not command:
        print(f"CNI plugin ipamd\nCNI protocol versions supported: {', '.join(VERSIONS)}", file=sys.stderr)
        return 0
    if command == "VERSION":
        listed = ",".join(f'"{version}"' for version in VERSIONS)
        print(f'{{"cniVersion":"{VERSIONS[-1]}","supportedVersions":[{listed}]}}')
        return 0
    request = environment() + sys.stdin.buffer.read(LARGEST + 1)
    if len(request) > LARGEST:
        return refuse(5, "error reading from stdin", "the configuration cannot be read, or is too large")
    try:
        reply = exchange(request)
    except OSError as error:
        return away(command, os.strerror(error.errno) if error.errno else "no answer in time")
    sys.stdout.buffer.write(reply[1:])
    return reply[0]


def environment() -> bytes:
    """The variables of CNI and the three of ours."""
    carried = {name: value for name, value in os.environ.items() if name.startswith("CNI_")}
    carried["IPAMD_NODE"] = os.environ.get("IPAMD_NODE") or socket.gethostname()
    carried["IPAMD_STARTED"] = str(time.time_ns())
    carried["IPAMD_OWN_NETNS"] = "1" if is_own_netns(carried.get("CNI_NETNS", "")) else "0"
    return b"".join(os.fsencode(f"{name}={value}\0") for name, value in carried.items()) + b"\0"


def is_own_netns(path: str) -> bool:
    """Whether a path is the network namespace that this process runs in."""
    try:
        return os.path.samestat(os.stat("/proc/self/ns/net"), os.stat(path))  # noqa: PTH116 - pathlib takes long to import
    except OSError:
        return False


def exchange(request: bytes) -> bytes:
    """Send the request and return the reply. Raises OSError if there is none."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(os.environ.get("IPAMD_CNI_SOCKET") or SOCKET)
        connection.sendall(len(request).to_bytes(4, "big") + request)
        reply = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    if not reply:
        raise ConnectionResetError(104, "the daemon went away")
    return reply


def away(command: str, details: str) -> int:
    """Nobody has carried out the command, as far as is known: it is to be repeated."""
    if command == "STATUS":
        return refuse(50, "ipamd cannot be reached", details)
    if command == "DEL":
        return refuse(11, "ipamd cannot be reached: nothing was released, call DEL again", details)
    return refuse(11, "ipamd cannot be reached: try again later", details)


def refuse(code: int, message: str, details: str) -> int:
    """Print an error as CNI has it; returns the exit status."""
    members = (f'"cniVersion": "{VERSIONS[-1]}"', f'"code": {code}', f'"msg": "{message}"', f'"details": "{details}"')
    print("{\n    " + ",\n    ".join(members) + "\n}", end="")
    return 1


if __name__ == "__main__":
    sys.exit(main())
