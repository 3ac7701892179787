"""`health`: for the people who run the bot. Does the API server answer, and may this credential read what the tools need?"""

import time
from collections.abc import Mapping
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, ToolFailure, ok
from mcp_servers.kubernetes.access import NEEDS, Access, access_of, granted, privileges
from mcp_servers.kubernetes.client import Cluster
from mcp_servers.kubernetes.context import Context

DESCRIPTION = (
    "For operators: whether the API server answers and how fast, its version, what each tool may read with this credential, "
    "what the credential can do beyond reading, and whether the clocks agree."
)
SKEW_S = 5.0  # clocks further apart than that make ages and windows wrong
_SPACES = 5  # namespaces that are asked about, where the server is bound to some
State = Literal["ok", "partly", "forbidden", "unknown", "unsupported", "off"]


class Health(Envelope):
    """``tools`` tells for each tool whether it may read all, some or none of what it looks at; ``missing`` what is not granted, and to whom
    it is lost; ``can_write`` what the credential should not have.
    """

    reachable: bool
    server: str
    version: str = ""
    latency_ms: float
    clock_skew_s: float | None = None
    tools: dict[str, State] = Field(default_factory=dict)
    missing: list[str] = Field(default_factory=list)
    can_write: list[str] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def health() -> Annotated[CallToolResult, Health]:
        return ok(await health_of(await context.cluster()))

    return [strict.tool(health, "health", DESCRIPTION, audience="operator")]


async def health_of(cluster: Cluster) -> Health:
    """The answer. Raises `ToolFailure` when the API server does not answer or does not know this credential."""
    answer = Health(summary="", reachable=True, server=cluster.wire.host, latency_ms=0.0)
    began = time.monotonic()
    try:
        answer.version = await cluster.server_version()
    except ToolFailure as failure:
        if failure.info.code != "FORBIDDEN":
            raise
        answer.notes.append("its version may not be read; nothing depends on it")
    answer.latency_ms = round((time.monotonic() - began) * 1000, 1)
    await _permissions(cluster, answer)
    powers = await privileges(cluster)
    answer.can_write = [str(p) for p in powers.found]
    if answer.can_write:
        answer.notes.append(
            f"the credential can do more than read: {', '.join(answer.can_write)}; the bot never does, but whoever stole it could"
        )
    _clock(cluster, answer)
    readable = sum(state == "ok" for state in answer.tools.values())
    on = sum(state not in ("off", "unsupported") for state in answer.tools.values())
    answer.summary = (
        f"{cluster.wire.host} answers in {answer.latency_ms:g} ms"
        + (f", {answer.version}" if answer.version else "")
        + f"; {readable} of {on} tools may read all that they look at"
    )
    return answer


async def _permissions(cluster: Cluster, answer: Health) -> None:
    spaces = cluster.settings.namespaces or ("",)
    kinds = {name: tuple(k for k in needs if k != "log" or cluster.settings.logs) for name, needs in NEEDS.items()}
    wanted = {name: {access_of(k, s) for k in ks for s in spaces[:_SPACES]} for name, ks in kinds.items()}
    try:
        answers = await granted(cluster, sorted({a for needs in wanted.values() for a in needs}))
    except ToolFailure as failure:
        answer.tools = dict.fromkeys(wanted, "unknown")
        answer.notes.append(f"what this credential may read could not be asked: {failure.info.message}")
        return
    answer.tools = {name: _state(needs, answers) for name, needs in wanted.items()}
    if not cluster.settings.logs:
        answer.tools["get_pod_logs"] = "off"
    for name, needs in NEEDS.items():
        if not await _served(cluster, needs[0]):
            answer.tools[name] = "unsupported"
    lost = {a: [n for n, needs in wanted.items() if a in needs] for a, allowed in answers.items() if not allowed}
    answer.missing = [f"{access}: {', '.join(names)}" for access, names in sorted(lost.items())]
    # The gravest first: what most tools are missing. The whole list is in `missing`.
    told = sorted(lost, key=lambda a: (-len(lost[a]), a))
    for access in told[:2]:
        answer.notes.append(f"not allowed to {access}; missed by {', '.join(lost[access])}")
    if len(told) > 2:
        rest = ", ".join(map(str, told[2:10])) + (f" and {len(told) - 10} more" if len(told) > 10 else "")
        answer.notes.append(f"not allowed to {rest}")
    if told:
        answer.notes.append("deploy/kubernetes/clusterrole.yaml grants all that the tools need, and nothing else")
    if len(spaces) > _SPACES:
        answer.notes.append(f"asked about the first {_SPACES} of {len(spaces)} namespaces")


async def _served(cluster: Cluster, kind: str) -> bool:
    """Whether the cluster offers the API that a tool is about; an add-on that is not installed is no fault of the credential."""
    try:
        await cluster.version(kind)
    except ToolFailure as failure:
        return failure.info.code != "UNSUPPORTED"
    return True


def _state(needs: set[Access], answers: Mapping[Access, bool]) -> State:
    allowed = sum(answers[a] for a in needs)
    return "ok" if allowed == len(needs) else "partly" if allowed else "forbidden"


def _clock(cluster: Cluster, answer: Health) -> None:
    skew = cluster.wire.skew_s
    if skew is None:
        return
    answer.clock_skew_s = round(skew, 1)
    if abs(skew) > SKEW_S:
        order = "ahead of" if skew > 0 else "behind"
        answer.notes.append(
            f"the API server's clock is {abs(skew):.0f} s {order} this machine's: ages and time windows are off by that; set both by NTP"
        )
