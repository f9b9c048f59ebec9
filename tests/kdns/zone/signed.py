"""Keys as BIND's tool makes them, and signatures checked by dnspython."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset

from kdns.wire import names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone import keys
from kdns.zone.keys import Key

ALGORITHMS = ["RSASHA1", "NSEC3RSASHA1", "RSASHA256", "RSASHA512", "ECDSAP256SHA256", "ECDSAP384SHA384", "ED25519"]


def made(directory: Path, algorithm: str = "ECDSAP256SHA256", *flags: str, zone: str = "example.org") -> Path:
    """The path, without ending, of a new key's files."""
    size = ("-b", "2048") if "RSA" in algorithm else ()
    command = ["dnssec-keygen", "-q", "-K", str(directory), "-a", algorithm, *size, *flags, zone]
    return directory / subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def loaded(stem: Path) -> Key:
    """The key of two files."""
    return keys.read(Path(f"{stem}.key").read_text(), Path(f"{stem}.private").read_text())


def key(directory: Path, algorithm: str = "ECDSAP256SHA256", *flags: str) -> Key:
    """A new key of example.org."""
    return loaded(made(directory, algorithm, *flags))


def check(rrset: Sequence[RR], signature: RR, by: Key, zone: Name, now: float) -> None:
    """ValidationFailure unless dnspython holds the signature for a good one."""
    public = {dns.name.from_wire(zone, 0)[0]: _rrset([keys.record(by, zone)])}
    dns.dnssec.validate(_rrset(rrset), _rrset([signature]), public, now=now)


def _rrset(rrs: Sequence[RR]) -> dns.rrset.RRset:
    kind = dns.rdatatype.RdataType.make(records.rtype(rrs[0]))
    rdatas = [dns.rdata.from_wire("IN", kind, each, 0, len(each)) for each in map(records.rdata, rrs)]
    return dns.rrset.from_rdata_list(names.show(records.owner(rrs[0])), records.ttl(rrs[0]), rdatas)
