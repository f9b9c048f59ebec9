"""CNI_ARGS: what a runtime tells a plugin beside the configuration, `KEY=VALUE;KEY=VALUE`."""

from collections.abc import Mapping

from ipamd.cni.codes import Code
from ipamd.errors import CniError
from ipamd.model import Owner

IGNORE_UNKNOWN = "IgnoreUnknown"
POD_NAMESPACE, POD_NAME, POD_UID = "K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_UID"
KNOWN = {IGNORE_UNKNOWN, "IP", "GATEWAY", POD_NAMESPACE, POD_NAME, POD_UID, "K8S_POD_INFRA_CONTAINER_ID"}
TRUE, FALSE = ("1", "true"), ("0", "false")


def read_arguments(text: str) -> Mapping[str, str]:
    """The arguments. Raises CniError for one without a value, or one that is unknown unless `IgnoreUnknown` is set."""
    found: dict[str, str] = {}
    for pair in text.split(";") if text else ():
        name, equals, value = pair.partition("=")
        if not equals or "=" in value:
            raise invalid(f'ARGS: invalid pair "{pair}"')
        found[name] = value
    ignored = found.get(IGNORE_UNKNOWN, FALSE[0]).lower()
    if ignored not in TRUE + FALSE:
        raise invalid(f'ARGS: error parsing value of pair "{IGNORE_UNKNOWN}={found[IGNORE_UNKNOWN]}"')
    unknown = " ".join(f'"{name}={value}"' for name, value in found.items() if name not in KNOWN)
    if unknown and ignored in FALSE:
        raise invalid(f"ARGS: unknown args [{unknown}]")
    return found


def pod_of(arguments: Mapping[str, str]) -> Owner | None:
    """The Pod that the arguments name, or None."""
    namespace, name = arguments.get(POD_NAMESPACE, ""), arguments.get(POD_NAME, "")
    return Owner("Pod", name, namespace, arguments.get(POD_UID, "")) if namespace and name else None


def invalid(message: str) -> CniError:
    """The refusal of the variable."""
    return CniError(Code.INVALID_ENVIRONMENT, message)
