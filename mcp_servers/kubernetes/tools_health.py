"""`health`: for the people who run the bot. Does the API server answer, and may this credential read what the tools need?"""

import time
from collections.abc import Mapping

from mcp.server.mcpserver.tools import Tool

from mcp_servers.common import health as common
from mcp_servers.common.envelope import ErrorInfo, ToolFailure
from mcp_servers.common.health import Health, Permission
from mcp_servers.kubernetes.access import NEEDS, OPTIONAL, Access, Privileges, access_of, granted, privileges
from mcp_servers.kubernetes.client import Cluster
from mcp_servers.kubernetes.context import Context

DESCRIPTION = (
    "For operators: whether the API server answers and how fast, its version, what each tool may read with this credential, "
    "what the credential can do beyond reading, and whether the clocks agree."
)
MEND = "deploy/kubernetes/clusterrole.yaml grants all that the tools need, and nothing else"
_SPACES = 5  # namespaces that are asked about, where the server is bound to some


def tools(context: Context) -> list[Tool]:
    server = context.settings.kubeconfig or ("the pod's own cluster" if context.settings.in_cluster else "")

    async def health() -> Health:
        cluster = await context.backend()
        try:
            return await health_of(cluster)
        except ToolFailure as failure:
            return common.unusable(cluster.wire.host, failure)

    return [common.tool(health, DESCRIPTION, server)]


async def health_of(cluster: Cluster) -> Health:
    """The answer. Raises `ToolFailure` when the API server does not answer or does not know this credential."""
    answer = Health(summary="", reachable=True, server=cluster.wire.host)
    began = time.monotonic()
    try:
        answer.version = await cluster.server_version()
    except ToolFailure as failure:
        if failure.info.code != "FORBIDDEN":
            raise
        answer.notes.append("its version may not be read; nothing depends on it")
    answer.latency_ms = round((time.monotonic() - began) * 1000, 1)
    if cluster.wire.skew_s is not None:
        answer.clock_skew_s = round(cluster.wire.skew_s, 1)
    answer.permissions = await _permissions(cluster, answer)
    powers = await privileges(cluster)
    answer.can_write = [str(p) for p in powers.found]
    if powers.unknown:
        answer.warnings.append(f"whether the credential can do more than read could not be asked: {powers.unknown}")
    if not cluster.settings.allow_privileged:
        answer.refused = _refusal(powers)
    return common.settled(answer, mend=MEND)


def _refusal(powers: Privileges) -> ErrorInfo | None:
    try:
        powers.refuse()
    except ToolFailure as failure:
        return failure.info
    return None


async def _permissions(cluster: Cluster, answer: Health) -> list[Permission]:
    spaces = cluster.settings.namespaces or ("",)
    if len(spaces) > _SPACES:
        answer.notes.append(f"asked about the first {_SPACES} of {len(spaces)} namespaces")
    served = {k: await _served(cluster, k) for k in {needs[0] for needs in NEEDS.values()}}
    optional = {t: [k for k in kinds if await _served(cluster, k)] for t, kinds in OPTIONAL.items()}
    kinds = {
        t: [k for k in (*needs, *optional.get(t, ())) if k != "log" or cluster.settings.logs]
        for t, needs in NEEDS.items()
    }
    wanted = {t: {access_of(k, s) for k in ks for s in spaces[:_SPACES]} for t, ks in kinds.items()}
    try:
        answers = await granted(cluster, sorted({a for needs in wanted.values() for a in needs}))
    except ToolFailure as failure:
        why = f"what this credential may read could not be asked: {failure.info.message}"
        answer.warnings.append(why)
        return [Permission(tool=t, state="unknown", missing=[failure.info.message]) for t in NEEDS]
    rows = [_row(t, wanted[t], answers) if served[NEEDS[t][0]] else _absent(t) for t in NEEDS]
    if not cluster.settings.logs:
        off = Permission(tool="get_pod_logs", state="off", missing=["RCA_K8S_LOGS=0"])
        rows = [off if row.tool == off.tool else row for row in rows]
    return rows


async def _served(cluster: Cluster, kind: str) -> bool:
    """Whether the cluster offers the API that a tool is about; an add-on that is not installed is no fault of the credential."""
    try:
        await cluster.version(kind)
    except ToolFailure as failure:
        return failure.info.code != "UNSUPPORTED"
    return True


def _absent(tool: str) -> Permission:
    return Permission(tool=tool, state="unsupported", missing=["the cluster does not offer its API (an add-on)"])


def _row(tool: str, needs: set[Access], answers: Mapping[Access, bool]) -> Permission:
    lost = [str(a) for a in sorted(needs) if not answers[a]]
    return Permission(
        tool=tool, state="ok" if not lost else "partly" if len(lost) < len(needs) else "forbidden", missing=lost
    )
