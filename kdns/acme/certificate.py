"""The certificate that is kept: its names, how long it holds, the request for another, one to begin with. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

SHARE_LEFT = 3  # of its whole time a certificate has a third left when it is renewed
PLACEHOLDER = timedelta(days=1)  # that one holds which nobody has signed


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key of an account or a certificate."""
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key's file."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_of(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The key of a file. ValueError for a file that has none of this kind."""
    found = load_pem_private_key(pem, None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic curve's key")
    return found


def request(domains: Sequence[str], key: ec.EllipticCurvePrivateKey) -> bytes:
    """A request for a certificate for these names (PKCS #10), in DER."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(_names(domains), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def placeholder(domains: Sequence[str], key: ec.EllipticCurvePrivateKey, now: datetime) -> bytes:
    """A certificate that no client will trust, in PEM: what is shown until there is one."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "not yet")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(_names(domains), critical=False)
    made = builder.not_valid_before(now).not_valid_after(now + PLACEHOLDER).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


def renewal(pem: bytes, domains: Sequence[str]) -> datetime | None:
    """When a certificate (the first of a PEM file) is to be renewed; None for one that is not what is wanted.

    ValueError for a file that has none.
    """
    found = x509.load_pem_x509_certificates(pem)[0]
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    if found.issuer == found.subject or {*names.get_values_for_type(x509.DNSName)} != {*domains}:
        return None
    return found.not_valid_after_utc - (found.not_valid_after_utc - found.not_valid_before_utc) / SHARE_LEFT


def fits(pem: bytes, key_pem: bytes) -> bool:
    """Whether a certificate's file and a key's belong together, as they may not behind an interrupted renewal."""
    try:
        found, key = x509.load_pem_x509_certificates(pem)[0], key_of(key_pem)
    except ValueError:
        return False
    return found.public_key() == key.public_key()


def _names(domains: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains])
