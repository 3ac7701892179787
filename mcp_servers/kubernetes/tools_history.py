"""`get_deployment_history`: what ran when, and what each rollout changed."""

from typing import Annotated, Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, ok
from mcp_servers.common.signals import signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.change_workloads import Workloads
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.kinds import NAME, OPTIONAL_NAMESPACE
from mcp_servers.kubernetes.naming import the_one
from mcp_servers.kubernetes.quantities import parse_time, seconds_since, span
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.revisions import Revision
from mcp_servers.kubernetes.workload_state import rollout_status

Json = dict[str, Any]
KINDS = ("Deployment", "StatefulSet", "DaemonSet")
SIGNALS = ("change.rollback_seen", "deploy.paused", "deploy.rollout_in_progress")
DESCRIPTION = (
    "Revisions of a Deployment (StatefulSet, DaemonSet) that the cluster still keeps, newest first: images, when and by whom rolled out, "
    "what each changed against the one before (image, env names and sources, resources, probes, config references), roll-backs."
)


class DeploymentHistory(Envelope):
    """``status`` is one line about the newest rollout; ``revisions`` are newest first."""

    namespace: str
    deployment: str  # "Deployment/shop/checkout"
    status: str
    revisions: list[Revision]


async def find_workload(reading: Reading, name: str, namespace: str, kinds: tuple[str, ...] = KINDS) -> Json:
    """The workload of that name, whatever its kind; several ``kinds`` include Argo's Rollout where the cluster has it.

    Raises `ToolFailure`: NOT_FOUND with close names, or why not all could be looked at.
    """
    found = [item for part in await reading.all(*((kind, namespace) for kind in kinds)) for item in part]
    if not any(o.name(item) == name for item in found):
        if len(kinds) > 1:
            aside = Reading(reading.cluster)
            found += await aside.one("Rollout", namespace)
            if aside.partial:  # it exists and may not be read; a cluster without it leaves a note only
                aside.deny(name, "Rollout")
        if not any(o.name(item) == name for item in found):
            reading.deny(name, *kinds)
    return the_one(name, " or ".join(kinds) if len(kinds) < 4 else "workload", found, namespace)


def tools(context: Context) -> list[Tool]:
    async def get_deployment_history(
        deployment_name: Annotated[str, Field(pattern=NAME, description="name of the workload")],
        namespace: Annotated[str, Field(pattern=OPTIONAL_NAMESPACE, description="empty: looked for everywhere")] = "",
        limit: Annotated[int, Field(ge=1, le=15, description="revisions")] = 5,
    ) -> Annotated[CallToolResult, DeploymentHistory]:
        reading = Reading(await context.cluster())
        workload = await find_workload(reading, deployment_name, namespace)
        space, kind = o.namespace(workload), o.text(workload, "kind")
        past = "ReplicaSet" if kind in ("Deployment", "Rollout") else "ControllerRevision"
        kept, pods, events = await reading.all(
            (past, space), ("Pod", space), ("Event", space, {"fields": f"involvedObject.name={deployment_name}"})
        )
        read = Workloads(
            [workload], kept if past == "ReplicaSet" else (), kept if past != "ReplicaSet" else (), pods, events
        )
        answer = answer_of(workload, read, context, limit)
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_deployment_history, "get_deployment_history", DESCRIPTION, SIGNALS)]


def answer_of(workload: Json, read: Workloads, context: Context, limit: int) -> DeploymentHistory:
    now, ref = context.clock(), o.ref_of(workload)
    revisions = read.revisions(workload, context.settings.common.redactor.hashed)
    status = rollout_status(workload)
    answer = DeploymentHistory(
        summary="",
        namespace=o.namespace(workload),
        deployment=ref,
        status=status,
        revisions=revisions[:limit],
        untrusted=["revisions[].cause", "revisions[].actor"],
    )
    if o.branch(workload, "spec").get("paused") is True:
        answer.signals.append(signal("deploy.paused", ref, status))
    if not revisions:
        answer.summary = f"no revision of {o.name(workload)} is kept; {status}"
        limit_set = o.number(workload, "spec", "revisionHistoryLimit")
        answer.notes.append(
            "revisionHistoryLimit is 0: the cluster keeps no past"
            if limit_set == 0
            else "no ReplicaSet or ControllerRevision belongs to it: its controller has not acted, or they may not be read"
        )
        return answer
    newest = revisions[0]
    age = span(seconds_since(parse_time(newest.rolled_out), now))
    what = f": {'; '.join(newest.diff[:3])}" if newest.diff else ""
    answer.summary = f"revision {newest.revision} since {newest.rolled_out} ({age} ago){what}; {status}"[:240]
    if newest.is_rollback:
        answer.signals.append(
            signal(
                "change.rollback_seen",
                ref,
                f"revision {newest.revision} is an older one that was rolled back to",
                since=newest.rolled_out,
            )
        )
    if len(revisions) == 1:
        answer.notes.append("one revision is kept: nothing to compare with")
    if len(revisions) > limit:
        answer.notes.append(f"{len(revisions) - limit} older revisions are left out")
    if any(r.at_precision != "exact" for r in revisions[:limit]):
        answer.notes.append("a roll-back re-used an old ReplicaSet: times that are not exact are bounds")
    return answer
