"""CNI_ARGS."""

import pytest

from ipamd.cni.arguments import pod_of, read_arguments
from ipamd.errors import CniError
from ipamd.model import Owner

KUBELET = "IgnoreUnknown=1;K8S_POD_NAMESPACE=web;K8S_POD_NAME=a;K8S_POD_INFRA_CONTAINER_ID=c0;K8S_POD_UID=u1;X=1"


def test_what_a_kubelet_sends_names_the_pod() -> None:
    assert pod_of(read_arguments(KUBELET)) == Owner("Pod", "a", "web", "u1")


@pytest.mark.parametrize("text", ["", "K8S_POD_NAME=a", "K8S_POD_NAMESPACE=web;K8S_POD_NAME="])
def test_without_a_name_and_a_namespace_there_is_no_pod(text: str) -> None:
    assert pod_of(read_arguments(text)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("IP", 'ARGS: invalid pair "IP"'),
        ("IP=1=2", 'ARGS: invalid pair "IP=1=2"'),
        ("IP=1;", 'ARGS: invalid pair ""'),
        ("A=1;IP=2;B=3", 'ARGS: unknown args ["A=1" "B=3"]'),
        ("A=1;IgnoreUnknown=false", 'ARGS: unknown args ["A=1"]'),
        ("IgnoreUnknown=yes", 'ARGS: error parsing value of pair "IgnoreUnknown=yes"'),
    ],
)
def test_arguments_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(CniError) as refused:
        read_arguments(text)
    assert (refused.value.code, refused.value.message) == (4, message)
