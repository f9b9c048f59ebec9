"""A zone's keys change while it is served: old key, both, new key (RFC 6781 section 4.1.2); to delv all is valid."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kdns.server import Kdns
from tests.kdns.zone.signed import made

ASKED = ("www.example.org A", "www.example.org TXT", "nobody.example.org A", "x.wild.example.org A", "example.org SOA")
ZONE = "$TTL 60\n@ SOA ns h 1 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.1\n*.wild A 192.0.2.2\n"
ON_THE_FLY = "dnssec {{\nkey file {keys}\n}}\nfile {directory}/db"
BEFOREHAND = "sign {directory}/db {{\nkey file {keys}\ndirectory {directory}\n}}\nfile {signed} {{\nreload 100ms\n}}"


def anchor(stem: Path) -> str:
    """The key as something that delv trusts."""
    words = stem.with_name(f"{stem.name}.key").read_text().split("DNSKEY ")[1].split()
    return f'trust-anchors {{ "example.org." static-key {" ".join(words[:3])} "{"".join(words[3:])}"; }};\n'


def validated(server: Kdns, stem: Path) -> list[str]:
    """What delv validates, of what is asked, where it trusts this key alone."""
    file = server.directory / "anchor"
    file.write_text(anchor(stem))
    command = ["delv", "@127.0.0.1", "-p", str(server.port), "-a", str(file), "+root=example.org"]
    said = {
        each: subprocess.run([*command, *each.split()], capture_output=True, text=True, check=False).stdout
        for each in ASKED
    }
    return [each for each, text in said.items() if "fully validated" in text]


@pytest.mark.parametrize("how", [ON_THE_FLY, BEFOREHAND], ids=["dnssec", "sign"])
def test_who_trusts_the_old_key_or_the_new_is_served_while_both_sign(
    how: str, tmp_path: Path, kdns: Callable[[str], Kdns]
) -> None:
    old, new = made(tmp_path, "ECDSAP256SHA256", "-f", "KSK"), made(tmp_path, "ED25519", "-f", "KSK")
    (tmp_path / "db").write_text(ZONE)
    signed = tmp_path / "db.example.org.signed"

    def corefile(*keys: Path) -> str:
        signed.unlink(missing_ok=True)  # so that it is signed anew, as it would be in some days
        lines = how.format(keys=" ".join(map(str, keys)), directory=tmp_path, signed=signed)
        return f"example.org:@PORT@ {{\nbind 127.0.0.1\n{lines}\n}}\n"

    def follow(server: Kdns, *keys: Path) -> None:
        server.write(corefile(*keys))
        server.signal(signal.SIGUSR1)

    server = kdns(corefile(old))
    if how is BEFOREHAND:
        server.wait_for("Successfully reloaded zone")
    assert validated(server, old) == [*ASKED]
    assert validated(server, new) == []

    follow(server, old, new)
    settle(server, how, 1)
    assert validated(server, old) == validated(server, new) == [*ASKED]

    follow(server, new)
    settle(server, how, 2)
    assert validated(server, old) == []
    assert validated(server, new) == [*ASKED]


def settle(server: Kdns, how: str, times: int) -> None:
    """Wait until a reload is there, and with it what was signed for it."""
    server.wait_for("Reloading complete", times=times)
    if how is BEFOREHAND:
        server.wait_for("Successfully signed zone", times=times + 1)
        server.wait_for("Successfully reloaded zone", times=times + 1)
