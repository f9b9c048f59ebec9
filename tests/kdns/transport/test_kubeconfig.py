"""kubeconfig files: which server and credentials a context means, and what is said of those that cannot be used."""

import base64
from pathlib import Path

import pytest

from kdns.transport.access import Access
from kdns.transport.kubeconfig import from_kubeconfig

FILE = """
apiVersion: v1
kind: Config
current-context: dev
contexts:
- {name: dev, context: {cluster: plain, user: tokened, namespace: ignored}}
- {name: prod, context: {cluster: secure, user: certified}}
- {name: inline, context: {cluster: inlined, user: inlined}}
- {name: rotated, context: {cluster: named, user: rotated}}
- {name: lax, context: {cluster: lax}}
- {name: nowhere, context: {cluster: missing}}
- {name: nobody, context: {cluster: plain, user: missing}}
- {name: spoken, context: {cluster: plain, user: executed}}
- {name: provided, context: {cluster: plain, user: provided}}
- {name: basic, context: {cluster: plain, user: basic}}
- {name: posing, context: {cluster: plain, user: posing}}
- {name: proxied, context: {cluster: proxied}}
- {name: keyless, context: {cluster: plain, user: keyless}}
- {name: serverless, context: {cluster: serverless}}
- {name: garbled, context: {cluster: garbled}}
- {name: "null", context: null}
clusters:
- {name: plain, cluster: {server: "http://127.0.0.1:8080/", extensions: [{name: unknown}]}}
- {name: secure, cluster: {server: "https://api.example:6443", certificate-authority: pki/ca.crt}}
- {name: inlined, cluster: {server: "https://api.example", certificate-authority-data: "@CA@"}}
- {name: named, cluster: {server: "https://10.0.0.1", tls-server-name: kubernetes, certificate-authority: /etc/ca.crt}}
- {name: lax, cluster: {server: "https://10.0.0.1", insecure-skip-tls-verify: true}}
- {name: proxied, cluster: {server: "https://10.0.0.1", proxy-url: "http://proxy:3128"}}
- {name: serverless, cluster: {}}
- {name: garbled, cluster: {server: "https://10.0.0.1", certificate-authority-data: "a"}}
users:
- {name: tokened, user: {token: secret}}
- {name: certified, user: {client-certificate: client.crt, client-key: /keys/client.key}}
- {name: inlined, user: {client-certificate-data: "@CERT@", client-key-data: "@KEY@", client-key: ignored}}
- {name: rotated, user: {tokenFile: token, token: first}}
- {name: executed, user: {exec: {command: aws}}}
- {name: provided, user: {auth-provider: {name: gcp}}}
- {name: basic, user: {username: admin, password: admin}}
- {name: posing, user: {token: secret, as: somebody}}
- {name: keyless, user: {client-certificate: client.crt}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    text = FILE
    for word in ("CA", "CERT", "KEY"):
        text = text.replace(f"@{word}@", base64.b64encode(f"-- {word} --".encode()).decode())
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("context", "access"),
    [
        ("", Access("http://127.0.0.1:8080", token="secret")),
        ("dev", Access("http://127.0.0.1:8080", token="secret")),
        (
            "prod",
            Access(
                "https://api.example:6443",
                authority=Path("@/pki/ca.crt"),
                certificate=Path("@/client.crt"),
                key=Path("/keys/client.key"),
            ),
        ),
        ("inline", Access("https://api.example", authority="-- CA --", certificate="-- CERT --", key="-- KEY --")),
        (
            "rotated",
            Access(
                "https://10.0.0.1",
                authority=Path("/etc/ca.crt"),
                token="first",
                token_file=Path("@/token"),
                server_name="kubernetes",
            ),
        ),
        ("lax", Access("https://10.0.0.1", verify=False)),
    ],
)
def test_a_context_is_a_server_and_credentials(file: Path, context: str, access: Access) -> None:
    def placed(path: object) -> object:
        return Path(str(path).replace("@", str(file.parent))) if isinstance(path, Path) else path

    expected = Access(**{name: placed(value) for name, value in vars(access).items()})

    assert from_kubeconfig(file, context) == expected


@pytest.mark.parametrize(
    ("context", "complaint"),
    [
        ("staging", 'context "staging" does not exist'),
        ("nowhere", 'cluster "missing" of context "nowhere" does not exist'),
        ("nobody", 'user "missing" of context "nobody" does not exist'),
        ("null", 'cluster "" of context "null" does not exist'),
        ("spoken", "'exec' is not supported"),
        ("provided", "'auth-provider' is not supported"),
        ("basic", "'username' is not supported"),
        ("posing", "'as' is not supported"),
        ("proxied", "'proxy-url' is not supported"),
        ("keyless", "client-certificate and client-key go together"),
        ("serverless", "not a URL of an API server"),
        ("garbled", "no base64"),
    ],
)
def test_says_why_a_context_cannot_be_used(file: Path, context: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        from_kubeconfig(file, context)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no kubeconfig file"),
        ("{", "is no kubeconfig file"),
        ("contexts: 7", "is no kubeconfig file"),
        ("clusters: null", 'context "" does not exist'),
    ],
)
def test_says_what_is_no_kubeconfig(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        from_kubeconfig(path)


def test_says_that_the_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing: no such file or directory"):
        from_kubeconfig(tmp_path / "nothing")
