"""Certificates: which one does, and when it is to be renewed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from kdns.acme import certificate
from tests.kdns.transport import certificates

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_certificate_is_renewed_when_a_third_of_its_time_is_left(tmp_path: Path) -> None:
    certificates.authority(tmp_path, "ca")
    file = certificates.certificate(tmp_path, "server", "ca")
    pem = file.read_bytes()
    found = x509.load_pem_x509_certificate(pem)
    assert certificate.renewal(pem, ["dns.example"]) is None  # it is for an address
    whole = found.not_valid_after_utc - found.not_valid_before_utc
    assert certificate.renewal(pem, []) == found.not_valid_after_utc - whole / 3


def test_what_is_shown_meanwhile_is_no_certificate_to_keep() -> None:
    pem = certificate.placeholder(["dns.example"], certificate.new_key(), NOW)
    found = x509.load_pem_x509_certificate(pem)
    assert certificate.renewal(pem, ["dns.example"]) is None
    assert found.not_valid_after_utc == NOW + timedelta(days=1)


def test_a_certificate_fits_its_own_key_only() -> None:
    key, other = certificate.new_key(), certificate.new_key()
    pem = certificate.placeholder(["dns.example"], key, NOW)
    assert certificate.fits(pem, certificate.key_to_pem(key))
    assert not certificate.fits(pem, certificate.key_to_pem(other))
    assert not certificate.fits(b"cut", certificate.key_to_pem(key))


def test_a_request_names_all_domains() -> None:
    found = x509.load_der_x509_csr(certificate.request(["a.example", "*.b.example"], certificate.new_key()))
    assert found.is_signature_valid
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "*.b.example"]


def test_keys_come_back_from_their_files() -> None:
    key = certificate.new_key()
    again = certificate.key_of(certificate.key_to_pem(key))
    assert again.private_numbers() == key.private_numbers()
    with pytest.raises(ValueError, match=r"PEM|parse|deserialize"):
        certificate.key_of(b"nonsense")
