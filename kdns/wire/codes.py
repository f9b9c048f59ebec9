"""The numbers of DNS and their names: header bits, opcodes, RCODEs, types and classes (IANA registries).

Text to number by the tables' own names and the generic forms TYPE123 and CLASS32 (RFC 3597 section 5).
"""

# Header flags, as bits of the second 16-bit word (RFC 1035 4.1.1, RFC 4035 3).
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
OPCODE_MASK, RCODE_MASK = 0x7800, 0x000F

QUERY, NOTIFY, UPDATE = 0, 4, 5

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, BADVERS = 0, 1, 2, 3, 4, 5, 9, 16
RCODES = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
    8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI", 16: "BADVERS", 17: "BADKEY", 18: "BADTIME",
    19: "BADMODE", 20: "BADNAME", 21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
}  # fmt: skip

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA, SRV, NAPTR, DNAME, OPT, DS = (
    1,
    2,
    5,
    6,
    12,
    13,
    15,
    16,
    28,
    33,
    35,
    39,
    41,
    43,
)
RRSIG, NSEC, DNSKEY, NSEC3, SVCB, HTTPS, TSIG, IXFR, AXFR, ANY = 46, 47, 48, 50, 64, 65, 250, 251, 252, 255
TYPES = {
    0: "None",
    1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 11: "WKS",
    12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN",
    21: "RT", 23: "NSAP-PTR", 24: "SIG", 25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT",
    31: "EID", 32: "NIMLOC", 33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX", 37: "CERT", 39: "DNAME", 41: "OPT",
    42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID",
    50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 56: "NINFO", 57: "RKEY", 58: "TALINK",
    59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF",
    100: "UINFO", 101: "UID", 102: "GID", 103: "UNSPEC", 104: "NID", 105: "L32", 106: "L64", 107: "LP",
    108: "EUI48", 109: "EUI64", 128: "NXNAME", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 253: "MAILB",
    254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA", 258: "AVC", 260: "AMTRELAY", 261: "RESINFO", 32768: "TA",
    32769: "DLV", 65535: "Reserved",
}  # fmt: skip

IN, CH, HS, NONE_CLASS, ANY_CLASS = 1, 3, 4, 254, 255
CLASSES = {1: "IN", 2: "CS", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}

_TYPE_NUMBERS = {name: number for number, name in TYPES.items()}
_CLASS_NUMBERS = {name: number for number, name in CLASSES.items()}
_RCODE_NUMBERS = {name: number for number, name in RCODES.items()} | {"NOTIMPL": NOTIMP, "BADSIG": BADVERS}


def type_name(number: int) -> str:
    """`A`, `AAAA`, ... or `TYPE65280` (RFC 3597)."""
    return TYPES.get(number) or f"TYPE{number}"


def class_name(number: int) -> str:
    """`IN`, `CH`, ... or `CLASS32` (RFC 3597)."""
    return CLASSES.get(number) or f"CLASS{number}"


def rcode_name(number: int) -> str:
    """`NOERROR`, `NXDOMAIN`, ... or `RCODE3841`."""
    return RCODES.get(number) or f"RCODE{number}"


def type_number(text: str) -> int:
    """The number of a type's name, upper or lower case, or of TYPEnnn. KeyError for anything else."""
    return _number(text.upper(), _TYPE_NUMBERS, "TYPE")


def class_number(text: str) -> int:
    """The number of a class's name, upper or lower case, or of CLASSnnn. KeyError for anything else."""
    return _number(text.upper(), _CLASS_NUMBERS, "CLASS")


def rcode_number(text: str) -> int:
    """The number of an RCODE's name, upper or lower case; 4 and 16 have two. KeyError for anything else."""
    return _RCODE_NUMBERS[text.upper()]


def _number(text: str, names: dict[str, int], prefix: str) -> int:
    digits = text.removeprefix(prefix)
    if digits != text and digits.isascii() and digits.isdigit() and int(digits) <= 0xFFFF:
        return int(digits)
    return names[text]
