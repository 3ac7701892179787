"""`get_recent_changes`: what was different before the symptom began, and what could not be seen.

An answer without changes is evidence only if the reader knows where was looked: ``blind_spots`` is never empty.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.change import SUSPECT, Change, ChangeKind, WorkloadKind, onset_of
from mcp_servers.common.envelope import Envelope, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import parse_range
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.change_blind import blind_spots
from mcp_servers.kubernetes.change_collect import ROLLED, collect
from mcp_servers.kubernetes.change_config import Writes
from mcp_servers.kubernetes.change_read import Read
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.kinds import OPTIONAL_NAMESPACE
from mcp_servers.kubernetes.quantities import iso, span
from mcp_servers.kubernetes.reading import Reading

Json = dict[str, Any]
MAX_WINDOW = timedelta(days=7)
CONFIGURED = {
    "config",
    "feature_flag",
    "secret_meta",
    "service_selector",
    "ingress",
    "network_policy",
    "quota",
    "pdb",
    "hpa_limits",
}
SIGNALS = ("change.before_onset", "change.correlated", "change.rollback_seen", "change.none_found")
DESCRIPTION = (
    "What changed before the symptom: rollouts and roll-backs (with the diff), restarts, scaling, ConfigMaps, flags, routes, policies, "
    "quotas, nodes, Jobs, Argo CD, Flux, Helm. Ranked by kind, nearness to the target and time before the onset. "
    "blind_spots says what was not seen."
)


class ChangesResult(Envelope):
    """``changes`` are sorted by score. ``blind_spots`` name what a change could have escaped through."""

    namespace: str
    target: str = ""
    onset: str
    changes: list[Change] = Field(default_factory=list)
    blind_spots: list[str]


def tools(context: Context) -> list[Tool]:
    writes = Writes()

    async def get_recent_changes(
        *,
        namespace: Annotated[str, Field(pattern=OPTIONAL_NAMESPACE, description="empty: the whole cluster")] = "",
        target: Annotated[
            str,
            Field(max_length=253, pattern=r"^[A-Za-z0-9./-]*$", description="workload or Service name, or Kind/name"),
        ] = "",
        time_range: Annotated[
            str, Field(max_length=100, description="24h, or 2h@2026-11-22T07:00:00Z; at most 7d")
        ] = "24h",
        onset: Annotated[
            str, Field(max_length=40, description="when the symptom began, ISO 8601; empty: the end of the range")
        ] = "",
        kinds: Annotated[list[WorkloadKind], Field(max_length=20, description="empty: all")] = [],  # noqa: B006 (pydantic copies it)
        scope: Annotated[
            Literal["target", "namespace", "cluster"], Field(description="how far around the target")
        ] = "namespace",
        limit: Annotated[int, Field(ge=1, le=40)] = 15,
    ) -> Annotated[CallToolResult, ChangesResult]:
        window = parse_range(time_range, context.clock(), MAX_WINDOW)
        began = onset_of(onset, window.end)
        reading = Reading(await context.cluster())
        space = "" if scope == "cluster" else namespace
        read = await Read.of(reading, space)
        look = read.scope_of(
            target, namespace, window, min(began, context.clock()), context.settings.common.redactor.hashed
        )
        found = collect(read, look, context.settings.flag_configmaps, writes)
        found = [
            c
            for c in found
            if (not kinds or c.kind in kinds) and (scope != "target" or c.relation in ("self", "config_of"))
        ]
        answer = answer_of(found, look, limit, namespace)
        answer.target = target
        answer.window, answer.notes = window.window(), [*window.notes, *answer.notes]
        reading.into(answer)
        answer.blind_spots += blind_spots(reading, read, window, context.settings)
        return ok(answer)

    return [strict.tool(get_recent_changes, "get_recent_changes", DESCRIPTION, SIGNALS)]


def _reason(kind: ChangeKind) -> str:
    if kind in ROLLED:
        return "rollout"
    if kind in CONFIGURED:
        return "config"
    return "scale" if kind in ("scale", "autoscale") else "other"


def answer_of(found: list[Change], scope: Scope, limit: int, namespace: str = "") -> ChangesResult:
    answer = ChangesResult(
        summary="",
        namespace=namespace,
        onset=iso(scope.onset),
        changes=found[:limit],
        blind_spots=[],
        untrusted=["changes[].note", "changes[].actor"],
    )
    for item in found[:limit]:
        kind, _, rest = item.target.partition("/")
        subject = f"{kind}/{rest}"
        if item.score >= SUSPECT and (item.minutes_before_onset or 0) >= -2:
            answer.signals.append(
                signal(
                    "change.before_onset",
                    subject,
                    f"{item.what}, {_when(item)}",
                    reason=_reason(item.kind),
                    since=item.at,
                    value=item.score,
                )
            )
        if item.kind == "rollback":
            answer.signals.append(signal("change.rollback_seen", subject, item.what, since=item.at))
        if item.correlated and not any(s.code == "change.correlated" and s.subject == subject for s in answer.signals):
            answer.signals.append(
                signal("change.correlated", subject, f"{item.what}; {item.correlated}", since=item.at)
            )
    if len(found) > limit:
        answer.notes.append(f"{len(found) - limit} changes of lower score are left out")
        answer.truncated = True
    hours = (scope.end - scope.start).total_seconds() / 3600
    looked = f"{hours:g} h" if hours < 48 else f"{hours / 24:g} d"
    if not found:
        answer.signals.append(
            signal(
                "change.none_found",
                o.ref("Namespace", "", namespace) if namespace else "Cluster",
                f"nothing changed in the {looked} before {iso(scope.end)} in what could be seen",
            )
        )
        answer.summary = f"no change found in {looked}; blind spots are listed"
    else:
        first = found[0]
        many = "1 change" if len(found) == 1 else f"{len(found)} changes"
        answer.summary = f"{many} in {looked}; first suspect: {first.what}, {_when(first)}"[:240]
    return answer


def _when(item: Change) -> str:
    minutes = item.minutes_before_onset
    if minutes is None:
        return f"at {item.at}"
    return f"{span(abs(minutes) * 60)} {'before' if minutes >= 0 else 'after'} the onset"
