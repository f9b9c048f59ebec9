"""The parameters of lists, watches and deletions."""

import pytest

from ipamd.errors import IpamError, StatusError
from ipamd.kube.kinds import NAMESPACE, POD
from ipamd.kube.options import is_dry_run, list_options
from ipamd.kube.tokens import Token, decode_token, encode_token


def test_parameters_are_read() -> None:
    query = {"labelSelector": "a=b", "fieldSelector": "status.phase=Running", "limit": "5", "watch": "1"}

    options = list_options(POD, {**query, "allowWatchBookmarks": "true", "timeoutSeconds": "9", "resourceVersion": "7"})

    assert (options.limit, options.watch, options.bookmarks, options.timeout, options.version) == (
        5,
        True,
        True,
        9,
        "7",
    )
    assert [requirement.key for requirement in options.labels] == ["a"]
    assert [requirement.path for requirement in options.fields] == ["status.phase"]


@pytest.mark.parametrize(
    ("query", "status", "complaint"),
    [
        ({"labelSelector": "a in b"}, 400, "expected: '\\('"),
        ({"fieldSelector": "spec.foo=1"}, 400, "field label not supported: spec.foo"),
        ({"fieldSelector": "metadata.name"}, 400, "invalid selector"),
        ({"limit": "x"}, 400, "limit: not a whole number"),
        ({"limit": "-1"}, 400, "limit: not a whole number"),
        ({"resourceVersion": "abc"}, 400, "must be a whole number"),
        ({"continue": "x", "resourceVersion": "7"}, 400, "not allowed when using continue"),
        ({"resourceVersionMatch": "Exact"}, 422, "forbidden unless resourceVersion is provided"),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            422,
            '"Exact" is forbidden for resourceVersion "0"',
        ),
        ({"resourceVersionMatch": "About", "resourceVersion": "5"}, 422, 'Unsupported value: "About"'),
        ({"resourceVersionMatch": "Exact", "continue": "x"}, 422, "forbidden when continue is provided"),
        ({"sendInitialEvents": "true"}, 422, "sendInitialEvents is forbidden for list"),
        ({"watch": "1", "resourceVersionMatch": "NotOlderThan"}, 422, "unless sendInitialEvents is provided"),
        ({"watch": "1", "sendInitialEvents": "true"}, 422, "requires setting resourceVersionMatch to NotOlderThan"),
        (
            {"watch": "1", "sendInitialEvents": "1", "resourceVersionMatch": "Exact", "allowWatchBookmarks": "1"},
            422,
            'Unsupported value: "Exact"',
        ),
        (
            {"watch": "1", "sendInitialEvents": "1", "resourceVersionMatch": "NotOlderThan"},
            422,
            "requires allowWatchBookmarks",
        ),
    ],
)
def test_parameters_that_cannot_be_are_refused(query: dict[str, str], status: int, complaint: str) -> None:
    with pytest.raises((StatusError, IpamError), match=complaint) as refused:
        list_options(POD, query)

    assert refused.value.status == status


def test_a_kind_without_namespaces_has_no_such_field() -> None:
    with pytest.raises(StatusError, match=r"metadata\.namespace"):
        list_options(NAMESPACE, {"fieldSelector": "metadata.namespace=x"})


def test_a_dry_run_is_all_or_nothing() -> None:
    assert is_dry_run(("All",))
    assert not is_dry_run(())
    with pytest.raises(StatusError, match='Unsupported value: "Some"'):
        is_dry_run(("Some",))


def test_a_continue_token_comes_back_as_it_was() -> None:
    token = Token(7, "shop", "web-0")

    assert decode_token(encode_token(token)) == token


@pytest.mark.parametrize("text", ["x", "!!!!", "e30=", "é", "bnVsbA=="])
def test_a_continue_token_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(StatusError, match="continue key is not valid"):
        decode_token(text)
