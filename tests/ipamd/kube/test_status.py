"""Status replies, in the words of the API server."""

import pytest

from ipamd.errors import Exhausted, Malformed, StatusError
from ipamd.kube import status
from ipamd.kube.kinds import ENDPOINT_SLICE, NAMESPACE, POD


@pytest.mark.parametrize(
    ("error", "code", "reason", "message"),
    [
        (status.not_found(POD, "x"), 404, "NotFound", 'pods "x" not found'),
        (status.not_found(ENDPOINT_SLICE, "x"), 404, "NotFound", 'endpointslices.discovery.k8s.io "x" not found'),
        (status.no_resource(), 404, "NotFound", "the server could not find the requested resource"),
        (status.already_exists(NAMESPACE, "x"), 409, "AlreadyExists", 'namespaces "x" already exists'),
        (
            status.modified(POD, "x"),
            409,
            "Conflict",
            'Operation cannot be fulfilled on pods "x": the object has been modified; '
            "please apply your changes to the latest version and try again",
        ),
        (
            status.terminating(POD, "x", "shop"),
            403,
            "Forbidden",
            'pods "x" is forbidden: unable to create new content in namespace shop because it is being terminated',
        ),
        (
            status.method_not_allowed(),
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
        (status.expired("too old"), 410, "Expired", "too old"),
        (status.ahead(9, 5), 504, "Timeout", "Too large resource version: 9, current: 5"),
        (
            status.unsupported_media(("a/b", "c/d")),
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: a/b, c/d",
        ),
        (status.from_ipam(Malformed("not JSON")), 400, "BadRequest", "not JSON"),
        (status.from_ipam(Exhausted("full")), 409, "Conflict", "full"),
    ],
)
def test_a_refusal_says(error: StatusError, code: int, reason: str, message: str) -> None:
    told = status.body(error)

    assert (told["kind"], told["apiVersion"], told["status"]) == ("Status", "v1", "Failure")
    assert (told["code"], told["reason"], told["message"]) == (code, reason, message)


def test_an_invalid_object_is_told_every_cause() -> None:
    causes = [status.missing("spec.a"), status.wrong_value("spec.b", 7, "must be less")]

    told = status.body(status.invalid(ENDPOINT_SLICE, "x", causes))

    assert told["message"] == (
        'EndpointSlice.discovery.k8s.io "x" is invalid: '
        "[spec.a: Required value, spec.b: Invalid value: 7: must be less]"
    )
    assert told["details"] == {
        "name": "x",
        "group": "discovery.k8s.io",
        "kind": "EndpointSlice",
        "causes": [
            {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.a"},
            {"reason": "FieldValueInvalid", "message": "Invalid value: 7: must be less", "field": "spec.b"},
        ],
    }
