"""What holds for objects of every kind: metadata, conflicts, preconditions, finalizers."""

from functools import partial
from typing import Any

import pytest

from ipamd.errors import StatusError
from ipamd.kube import objects
from ipamd.kube.kinds import POD
from ipamd.kube.objects import Target
from tests.ipamd.kube.cluster import Cluster


async def test_the_server_fills_in_the_metadata(cluster: Cluster) -> None:
    given: Any = {"uid": "mine", "creationTimestamp": None, "managedFields": [], "labels": {"a": "b"}, "generation": 9}

    made = await cluster.create("Pod", "web", metadata=given)

    meta = made["metadata"]
    assert (made["apiVersion"], made["kind"]) == ("v1", "Pod")
    assert meta["uid"] != "mine"
    assert (meta["name"], meta["namespace"], meta["generation"]) == ("web", "default", 1)
    assert meta["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert int(meta["resourceVersion"]) == cluster.store.revision
    assert "managedFields" not in meta


async def test_a_name_is_generated_from_its_prefix(cluster: Cluster) -> None:
    act = partial(objects.create, target=Target(POD, "default", ""), document={"metadata": {"generateName": "web-"}})
    names = {(await cluster.do(act)).name for _ in range(3)}

    assert len(names) == 3
    assert all(name.startswith("web-") and len(name) == 9 for name in names)


@pytest.mark.parametrize(
    ("kind", "name", "complaint"),
    [
        ("Pod", "Web", "a lowercase RFC 1123 subdomain must consist"),
        ("Pod", "", "name or generateName is required"),
        ("Service", "1web", "a DNS-1035 label must consist"),
        ("Namespace", "a.b", "a lowercase RFC 1123 label must consist"),
        ("Node", "x" * 254, "a lowercase RFC 1123 subdomain must consist"),
    ],
)
async def test_a_name_that_is_none_is_refused(cluster: Cluster, kind: str, name: str, complaint: str) -> None:
    with pytest.raises(StatusError, match=complaint) as refused:
        await cluster.create(kind, name, spec={"ports": [{"port": 1}]})

    assert refused.value.status == 422


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"a b": "c"}},
        {"labels": {"a": "b c"}},
        {"annotations": {"-": "x"}},
        {"annotations": {"a": "x" * 262145}},
    ],
)
async def test_labels_and_annotations_that_are_none_are_refused(cluster: Cluster, metadata: dict[str, Any]) -> None:
    with pytest.raises(StatusError, match="is invalid: metadata"):
        await cluster.create("Pod", "web", metadata=metadata)


async def test_a_name_in_use_is_refused(cluster: Cluster) -> None:
    await cluster.create("Pod", "web")

    with pytest.raises(StatusError, match='pods "web" already exists') as refused:
        await cluster.create("Pod", "web")

    assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"kind": "Service"}, "the kind in the data"),
        ({"apiVersion": "v2"}, "the apiVersion in the data"),
        ({"metadata": {"namespace": "other"}}, "the namespace of the provided object does not match"),
        ({"metadata": {"name": "other"}}, "does not match the name on the URL"),
        ({"spec": {"containers": "x"}}, "cannot be handled as a Pod"),
        ({"metadata": {"labels": {"a": 1}}}, "cannot be handled as a Pod"),
    ],
)
async def test_a_document_that_is_another_object_is_refused(
    cluster: Cluster, document: dict[str, Any], complaint: str
) -> None:
    await cluster.create("Pod", "web")

    with pytest.raises(StatusError, match=complaint) as refused:
        await cluster.replace("Pod", "web", document)

    assert refused.value.status == 400


async def test_a_change_of_what_has_changed_since_it_was_read_is_a_conflict(cluster: Cluster) -> None:
    old = await cluster.create("Pod", "web")
    new = await cluster.patch("Pod", "web", {"metadata": {"labels": {"a": "b"}}})

    with pytest.raises(StatusError, match="the object has been modified") as refused:
        await cluster.replace("Pod", "web", old)
    assert refused.value.status == 409
    await cluster.replace("Pod", "web", new)
    await cluster.replace("Pod", "web", {"metadata": {}})
    with pytest.raises(StatusError, match="UID in precondition: x"):
        await cluster.patch("Pod", "web", {"metadata": {"uid": "x"}})


async def test_what_changes_nothing_gets_no_revision(cluster: Cluster) -> None:
    made = await cluster.create("Pod", "web", metadata={"labels": {"a": "b"}})

    again = await cluster.patch("Pod", "web", {"metadata": {"labels": {"a": "b"}}})

    assert again == made


async def test_the_generation_counts_changes_of_the_spec_alone(cluster: Cluster) -> None:
    await cluster.create("Pod", "web")

    labelled = await cluster.patch("Pod", "web", {"metadata": {"labels": {"a": "b"}}})
    ended = await cluster.patch("Pod", "web", {"status": {"phase": "Failed"}}, path="status")
    changed = await cluster.patch("Pod", "web", {"spec": {"nodeName": "n1"}})

    assert [each["metadata"]["generation"] for each in (labelled, ended, changed)] == [1, 1, 2]


async def test_each_path_changes_its_own_part(cluster: Cluster) -> None:
    await cluster.create("Pod", "web")
    both = {"spec": {"nodeName": "n1"}, "status": {"phase": "Failed"}}

    main = await cluster.patch("Pod", "web", both)
    assert (main["spec"], main["status"]["phase"]) == ({"nodeName": "n1"}, "Running")

    status = await cluster.patch("Pod", "web", {**both, "spec": {"nodeName": "n2"}}, path="status")
    assert (status["spec"], status["status"]["phase"]) == ({"nodeName": "n1"}, "Failed")


@pytest.mark.parametrize("act", ["replace", "patch", "delete"])
async def test_what_is_not_there_is_not_found(cluster: Cluster, act: str) -> None:
    acts = {
        "replace": cluster.replace("Pod", "web", {}),
        "patch": cluster.patch("Pod", "web", {}),
        "delete": cluster.delete("Pod", "web"),
    }
    for name, coroutine in acts.items():
        if name != act:
            coroutine.close()

    with pytest.raises(StatusError, match='pods "web" not found') as refused:
        await acts[act]

    assert refused.value.status == 404


@pytest.mark.parametrize("asked", [{"uid": "x"}, {"resource_version": "1"}])
async def test_a_deletion_under_a_precondition_that_does_not_hold_is_a_conflict(
    cluster: Cluster, asked: dict[str, str]
) -> None:
    made = await cluster.create("Pod", "web")

    with pytest.raises(StatusError, match="Precondition failed"):
        await cluster.delete("Pod", "web", **asked)

    meta = made["metadata"]
    await cluster.delete("Pod", "web", uid=meta["uid"], resource_version=meta["resourceVersion"])
    assert cluster.get("Pod", "web") is None


async def test_an_object_with_finalizers_goes_when_the_last_is_taken_off(cluster: Cluster) -> None:
    await cluster.create("Pod", "web", metadata={"finalizers": ["a.example/x"], "labels": {"app": "web"}})
    await cluster.create("Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})

    marked = await cluster.delete("Pod", "web")
    assert marked["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:20Z"
    [found] = cluster.all("EndpointSlice")
    assert found["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}
    assert await cluster.delete("Pod", "web") == marked

    await cluster.patch("Pod", "web", {"metadata": {"finalizers": None}})
    assert cluster.get("Pod", "web") is None
    assert cluster.addresses("pods") == []


async def test_nulls_in_a_document_count_as_absent(cluster: Cluster) -> None:
    made = await cluster.create(
        "Pod", "web", metadata={"creationTimestamp": None}, spec={"nodeName": None}, status=None
    )

    assert made["spec"] == {}
    assert made["status"]["phase"] == "Running"
