"""Two Kubernetes servers of others: ``kubernetes-mcp-server`` (containers) and ``mcp-server-kubernetes`` (Flux159).

Both hand out objects as YAML, JSON or ``kubectl``'s columns. Objects are judged by their own status (`pods`, `workloads`); what a pod wrote
is mined for patterns; nothing else is claimed.
"""

from collections.abc import Mapping
from typing import Any, Final

from bot.tools.adapters import lines, pods, workloads
from bot.tools.capabilities import Adapter, Ask, Given, Json, dig, rows_of
from mcp_servers.common.envelope import Signal
from mcp_servers.common.untrusted import clean

CONTAINERS: Final = "kubernetes-mcp-server"
FLUX: Final = "mcp-server-kubernetes"
TAIL: Final = 200
MAX_SIGNALS: Final = 12
MAX_ROWS: Final = 60
_KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet")


def _named(ask: Ask, **names: str) -> Json:
    """The arguments under the tool's own names, empty ones left out."""
    return {theirs: value for ours, theirs in names.items() if (value := ask.arguments.get(ours)) not in (None, "")}


def _kinds(ask: Ask) -> tuple[str, ...]:
    wanted = ask.text("kind").lower()
    return tuple(k for k in _KINDS if k.lower() == wanted) or _KINDS


def _pod(data: Any, ask: Ask) -> Given | None:
    if not pods.is_pod(data):
        return None
    row = pods.row(data)
    if not row["namespace"]:
        row["namespace"] = ask.text("namespace")
    found = tuple(pods.signals(data))[:MAX_SIGNALS]
    summary = (
        f"{row['ready']} ready, {row['restarts']} restarts: pod {row['namespace']}/{row['name']} is {row['status']}"
    )
    return Given(summary, {"pod": row, "containers": pods.containers(data)}, found, tainted=("containers[].message",))


def _unhealthy(data: Any, ask: Ask) -> Given | None:
    """A list of pods, as objects or as columns."""
    rows = rows_of(data, "items")
    if not rows:
        return (
            Given("no pods", {"scope": ask.text("namespace"), "checked": {"Pod": 0}, "rows": []})
            if data in ([], {"items": []})
            else None
        )
    found: list[Signal] = []
    bad: list[Json] = []
    for each in rows:
        whole = pods.is_pod(each)
        line = pods.row(each) if whole else {**each, "namespace": each.get("namespace") or ask.text("namespace")}
        said = list(pods.signals(each) if whole else pods.column_signals(line))
        if said:
            found += said
            bad.append(
                {
                    key: line.get(key)
                    for key in ("name", "namespace", "status", "ready", "restarts", "owner")
                    if line.get(key)
                }
            )
    # The grave ones first, one a pod before a second one of any pod: there is room for twelve.
    found.sort(key=lambda s: (s.severity != "critical", s.subject))
    summary = f"{len(bad)} of {len(rows)} pods are unhealthy" if bad else f"none of {len(rows)} pods is unhealthy"
    notes = ("only pods were looked at: workloads, services, claims and nodes were not",)
    data = {"scope": ask.text("namespace"), "checked": {"Pod": len(rows)}, "rows": bad[:MAX_ROWS]}
    return Given(summary, data, tuple(found[:MAX_SIGNALS]), notes)


def _workload(data: Any, ask: Ask) -> Given | None:
    return workloads.given(data) if isinstance(data, Mapping) else None


def _log(data: Any, ask: Ask) -> Given | None:
    """Plain text, or ``{"logs": text}``."""
    text = data if isinstance(data, str) else dig(data, "logs")
    if isinstance(data, list):  # a log of JSON lines
        text = "\n".join(str(dig(row, "message") or dig(row, "msg") or row) for row in data)
    if not isinstance(text, str):
        return None
    count, errors, found = lines.patterns(text.splitlines())
    shown = {"namespace": ask.text("namespace"), "pod": ask.text("pod_name"), "lines_read": count, "patterns": found}
    return Given(
        lines.said(count, errors, found),
        shown,
        notes=(f"the last {TAIL} lines, whatever their time",),
        tainted=lines.TAINTED,
    )


def _events(data: Any, ask: Ask) -> Given | None:
    rows = rows_of(data, "items", "events")
    if not rows and data not in ([], {"items": []}, {"events": []}):
        return None
    shown: list[Json] = []
    for row in rows:
        lower = {str(k).lower(): v for k, v in row.items()}
        about = lower.get("involvedobject")
        about = about if isinstance(about, Mapping) else {}
        named = {str(k).lower(): v for k, v in about.items()}
        subject = f"{named.get('kind', '')}/{named.get('name', '')}".strip("/")
        wanted = ask.text("object").lower()
        if str(lower.get("type", "Warning")) != "Warning" or (wanted and wanted not in subject.lower()):
            continue
        shown.append(
            {
                "object": clean(subject, 200),
                "reason": clean(str(lower.get("reason") or ""), 80),
                "message": clean(str(lower.get("message") or ""), 300),
                "at": clean(str(lower.get("timestamp") or lower.get("lasttimestamp") or ""), 40),
            }
        )
    summary = f"{len(shown)} warnings in {len(rows)} events" if shown else f"no warning in {len(rows)} events"
    return Given(summary, {"events_read": len(rows), "events": shown[:MAX_ROWS]}, tainted=("events[].message",))


ADAPTERS: Final[tuple[Adapter, ...]] = (
    Adapter(
        "k8s.pod",
        CONTAINERS,
        "pods_get",
        ("name", "namespace"),
        lambda ask: (_named(ask, namespace="namespace", pod_name="name"),),
        _pod,
        pods.JUDGES,
    ),
    Adapter(
        "k8s.pod",
        FLUX,
        "kubectl_get",
        ("resourceType", "name", "output"),
        lambda ask: ({"resourceType": "pod", "output": "json", **_named(ask, namespace="namespace", pod_name="name")},),
        _pod,
        pods.JUDGES,
    ),
    Adapter(
        "k8s.unhealthy",
        CONTAINERS,
        "pods_list_in_namespace",
        ("namespace",),
        lambda ask: (_named(ask, namespace="namespace"),) if ask.text("namespace") else (),
        _unhealthy,
        pods.JUDGES,
    ),
    Adapter(
        "k8s.unhealthy",
        FLUX,
        "kubectl_get",
        ("resourceType", "name", "output"),
        lambda ask: (
            ({"resourceType": "pods", "output": "wide", **_named(ask, namespace="namespace")},)
            if ask.text("namespace")
            else ()
        ),
        _unhealthy,
        pods.JUDGES,
    ),
    Adapter(
        "k8s.workload",
        CONTAINERS,
        "resources_get",
        ("apiVersion", "kind", "name"),
        lambda ask: tuple(
            {"apiVersion": "apps/v1", "kind": k, **_named(ask, namespace="namespace", name="name")} for k in _kinds(ask)
        ),
        _workload,
        workloads.JUDGES,
    ),
    Adapter(
        "k8s.workload",
        FLUX,
        "kubectl_get",
        ("resourceType", "name", "output"),
        lambda ask: tuple(
            {"resourceType": k.lower(), "output": "json", **_named(ask, namespace="namespace", name="name")}
            for k in _kinds(ask)
        ),
        _workload,
        workloads.JUDGES,
    ),
    Adapter(
        "k8s.logs",
        CONTAINERS,
        "pods_log",
        ("name", "namespace", "previous"),
        lambda ask: (
            {
                **_named(ask, namespace="namespace", pod_name="name", container="container", previous="previous"),
                "tail": TAIL,
            },
        ),
        _log,
        of_now=True,
    ),
    Adapter(
        "k8s.logs",
        FLUX,
        "kubectl_logs",
        ("resourceType", "name", "tail"),
        lambda ask: (
            {
                "resourceType": "pod",
                "tail": TAIL,
                **_named(ask, namespace="namespace", pod_name="name", container="container", previous="previous"),
            },
        ),
        _log,
        of_now=True,
    ),
    Adapter(
        "k8s.events",
        CONTAINERS,
        "events_list",
        ("namespace",),
        lambda ask: (_named(ask, namespace="namespace"),),
        _events,
    ),
    Adapter(
        "k8s.events",
        FLUX,
        "kubectl_get",
        ("resourceType", "name", "output"),
        lambda ask: ({"resourceType": "events", "output": "json", **_named(ask, namespace="namespace")},),
        _events,
    ),
)
