"""Settings of certificates that are fetched. What is wrong with them is in the tests of the directive."""

from pathlib import Path

from kdns.acme.settings import LETS_ENCRYPT, Settings, read
from tests.kdns.asking import args


def settings(text: str) -> Settings:
    return read(args(f"tls {{\n{text}\n}}").once(), Path("/etc/dns"))


def test_most_is_known_without_being_said() -> None:
    assert settings("acme DNS.Example. dns.example a.example") == Settings(
        ("dns.example", "a.example"), Path("/etc/dns/.coredns/acme"), LETS_ENCRYPT
    )


def test_each_server_has_an_account_of_its_own() -> None:
    found = settings(
        "acme a.example\nca https://ca.example:14000/dir\nstorage /kept\nemail a@b.example\nresolver 192.0.2.1:53"
    )
    assert (found.account, found.certificate) == (Path("/kept/ca.example_14000.key"), Path("/kept/a.example.crt"))
    assert (found.email, found.resolver, found.ca_root) == ("a@b.example", "192.0.2.1:53", None)
