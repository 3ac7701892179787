"""Why the API server refused to create a pod, read from the controllers' FailedCreate messages.

The wording is the API server's own and has been stable for years; what is not recognised stays ``unknown`` with its text.
"""

import re
from dataclasses import dataclass

from mcp_servers.common.untrusted import clean

_QUOTA = re.compile(
    r"exceeded quota: ([a-z0-9.-]{1,253}), requested: (.{1,600}?), used: (.{1,600}?), limited: (.{1,600})"
)
_UNSPECIFIED = re.compile(r"failed quota: ([a-z0-9.-]{1,253}): must specify (.{1,300})")
_ACCOUNT = re.compile(
    r'error looking up service account ([a-z0-9.-]{1,253})/([a-z0-9.-]{1,253})|serviceaccounts? "([a-z0-9.-]{1,253})" not found'
)
_LIMIT_RANGE = re.compile(
    r"(?:maximum|minimum) \S{1,60} usage per |must be less than or equal to \S{1,40} limit|max(?:imum)? limit to request ratio per"
)
_ADMISSION = re.compile(
    r"admission webhook|failed calling webhook|violates PodSecurity|security context constraint|PodSecurityPolicy|"
    r"denied the request|is not allowed by policy|denied by "
)
_PAIR = re.compile(r"([A-Za-z0-9./_-]{1,120})=([^,\s]{1,40})")


@dataclass(frozen=True)
class Refusal:
    """``reason`` is one of ``deploy.failed_create``'s; ``resource`` one of ``quota.exceeded``'s ("" for other refusals)."""

    reason: str
    detail: str
    resource: str = ""
    quota: str = ""
    account: str = ""


def quota_resource(name: str) -> str:
    """The family of a quota's resource: ``requests.cpu`` gives ``cpu``, ``count/services`` gives ``services``."""
    plain = name.lower()
    if "storage" in plain or "persistentvolumeclaims" in plain:
        return "storage"
    for family in ("cpu", "memory", "services", "pods"):
        if family in plain:
            return family
    return "other"


def read_refusal(message: str) -> Refusal | None:
    """The refusal that a FailedCreate message or a ReplicaFailure condition tells of; ``None`` for an empty message."""
    text = message[:4000]
    if not text.strip():
        return None
    if match := _QUOTA.search(text):
        requested, used, limited = (dict(_PAIR.findall(part)) for part in match.groups()[1:])
        resource = next(iter(requested), "")
        detail = f"quota {match[1]} refuses new pods: {resource} used {used.get(resource, '?')} of {limited.get(resource, '?')}"
        return Refusal(
            "quota", f"{detail}, a pod asks for {requested.get(resource, '?')}", quota_resource(resource), match[1]
        )
    if match := _UNSPECIFIED.search(text):
        return Refusal(
            "quota", f"quota {match[1]} refuses pods that do not specify {clean(match[2], 100)}", "", match[1]
        )
    if match := _ACCOUNT.search(text):
        account = match[2] or match[3]
        return Refusal(
            "service_account_missing",
            f"ServiceAccount {account} does not exist, so no pod can be created",
            account=account,
        )
    if _LIMIT_RANGE.search(text):
        return Refusal("limit_range", f"a LimitRange refuses the pod: {_said(text)}")
    if _ADMISSION.search(text):
        return Refusal("admission", f"an admission rule refuses the pod: {_said(text)}")
    return Refusal("unknown", _said(text))


def _said(text: str) -> str:
    return clean(re.sub(r"^Error creating: ", "", text), 180)
