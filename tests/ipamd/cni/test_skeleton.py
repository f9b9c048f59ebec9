"""What is refused before anybody looks at addresses."""

import pytest

from ipamd.cni.skeleton import check
from ipamd.errors import CniError
from tests.ipamd.cni.calling import call, network

POOL = {"type": "ipamd", "pool": "pods"}


def refusal(config: object, **environment: str | None) -> CniError:
    with pytest.raises(CniError) as refused:
        check(call(config, **environment))
    return refused.value


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK"])
@pytest.mark.parametrize("version", ["0.4.0", "1.0.0", "1.1.0"])
def test_a_well_formed_request_passes(command: str, version: str) -> None:
    assert check(call(network(POOL, version), COMMAND=command)).name == "mynet"


@pytest.mark.parametrize(
    ("command", "unset", "missing"),
    [
        ("ADD", ["CONTAINERID"], "CNI_CONTAINERID"),
        ("ADD", ["PATH", "IFNAME", "NETNS"], "CNI_NETNS,CNI_IFNAME,CNI_PATH"),
        ("CHECK", ["NETNS"], "CNI_NETNS"),
        ("DEL", ["CONTAINERID", "NETNS"], "CNI_CONTAINERID"),
        ("GC", ["CONTAINERID", "NETNS", "IFNAME", "PATH"], "CNI_PATH"),
        ("STATUS", ["PATH"], "CNI_PATH"),
    ],
)
def test_missing_variables_are_named_together(command: str, unset: list[str], missing: str) -> None:
    absent: dict[str, str | None] = dict.fromkeys(unset)
    error = refusal(network(POOL, "1.1.0"), COMMAND=command, **absent)

    assert (error.code, error.message) == (4, f"required env variables [{missing}] missing")


def test_a_del_needs_no_namespace() -> None:
    assert check(call(network(POOL), COMMAND="DEL", NETNS=None))


@pytest.mark.parametrize(
    ("variables", "message", "details"),
    [
        ({"CONTAINERID": "a%b"}, "invalid characters in containerID", "a%b"),
        ({"CONTAINERID": "-a"}, "invalid characters in containerID", "-a"),
        ({"CONTAINERID": "a\n"}, "invalid characters in containerID", "a\n"),
        ({"IFNAME": "a" * 16}, "interface name is too long", "interface name should be less than 16 characters"),
        ({"IFNAME": ".."}, "interface name is . or ..", ""),
        ({"IFNAME": "a\u2003b"}, "interface name contains / or : or whitespace characters", ""),
    ],
)
def test_variables_that_cannot_be_are_refused(variables: dict[str, str], message: str, details: str) -> None:
    error = refusal(network(POOL), **variables)

    assert (error.code, error.message, error.details) == (4, message, details)


@pytest.mark.parametrize(
    ("config", "code", "message"),
    [
        ("{", 6, "error unmarshall network config: "),
        ("[]", 6, "error unmarshall network config: "),
        ('{"name": 5}', 6, "error unmarshall network config: "),
        ({"cniVersion": "1.0.0"}, 7, "missing network name"),
        ({"cniVersion": "1.0.0", "name": "bad name!"}, 7, "invalid characters found in network name"),
        ({"cniVersion": "9.8.7", "name": "n"}, 1, "incompatible CNI versions"),
        ({"cniVersion": "one", "name": "n"}, 1, "incompatible CNI versions"),
    ],
)
def test_configurations_that_cannot_be_are_refused(config: object, code: int, message: str) -> None:
    error = refusal(config)

    assert error.code == code
    assert error.message.startswith(message)


def test_an_unknown_version_is_told_with_those_that_are_known() -> None:
    assert refusal({"cniVersion": "9.8.7", "name": "n"}).details == (
        'config is "9.8.7", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]'
    )


@pytest.mark.parametrize(
    ("command", "version", "code", "message"),
    [
        ("CHECK", "0.3.1", 1, "config version does not allow CHECK"),
        ("CHECK", "", 1, "config version does not allow CHECK"),
        ("GC", "1.0.0", 1, "config version does not allow GC"),
        ("STATUS", "1.0.0", 1, "config version does not allow STATUS"),
        ("STATUS", "9.0.0", 1, "plugin version does not allow STATUS"),
        ("CHECK", "0.4.1", 1, "incompatible CNI versions"),
        ("CHECK", "1.x", 6, "invalid literal for int() with base 10: 'x'"),
        ("CHECK", "1.0.0.0", 6, "invalid version '1.0.0.0': too many parts"),
        ("DESTROY", "1.0.0", 4, "unknown CNI_COMMAND: DESTROY"),
    ],
)
def test_a_version_has_the_commands_that_it_has(command: str, version: str, code: int, message: str) -> None:
    error = refusal(network(POOL, version), COMMAND=command)

    assert (error.code, error.message) == (code, message)
