"""Addresses of the form host:port."""

import pytest

from kdns.corefile.hostport import argument, join, split
from kdns.errors import ConfigError
from tests.kdns.asking import args


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":8080", "", "8080"),
        ("localhost:1234", "localhost", "1234"),
        ("127.0.0.1:0", "127.0.0.1", "0"),
        ("[::1]:53", "::1", "53"),
        ("bla:a", "bla", "a"),
        ("host:", "host", ""),
        (":", "", ""),
    ],
)
def test_an_address_has_a_host_and_a_port(text: str, host: str, port: str) -> None:
    assert split(text) == (host, port)
    assert join(host, port) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("bla", "address bla: missing port in address"),
        ("", "address : missing port in address"),
        ("/foo", "address /foo: missing port in address"),
        ("{}", "address {}: missing port in address"),
        ("::1", "address ::1: too many colons in address"),
        ("a:b:c", "address a:b:c: too many colons in address"),
        ("[::1]", "address [::1]: missing port in address"),
        ("[::1:53", "address [::1:53: missing ']' in address"),
        ("a[b:1", "address a[b:1: unexpected '[' in address"),
        ("a:1]", "address a:1]: unexpected ']' in address"),
    ],
)
def test_says_in_gos_words_what_is_no_address(text: str, complaint: str) -> None:
    with pytest.raises(
        ValueError, match="^" + complaint.replace("[", r"\[").replace("]", r"\]").replace("{}", r"\{\}") + "$"
    ):
        split(text)


@pytest.mark.parametrize(("text", "address"), [("health", ":8080"), ("health localhost:1", "localhost:1")])
def test_a_directive_may_name_its_address(text: str, address: str) -> None:
    assert argument(args(text).once(), ":8080") == address


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("health bla", "Corefile:2 - Error during parsing: address bla: missing port in address"),
        ("health :1 :2", "Wrong argument count or unexpected line ending after ':2'"),
    ],
)
def test_a_directive_that_names_none_is_told_where(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        argument(args(text).once(), ":8080")
