"""`health`: for operators. What answers, who the credential is, and which tools it can serve."""

# ruff: noqa: S608 (statements are constants over constants; values travel as typed parameters)

import asyncio
import time
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ToolFailure, ok
from mcp_servers.signoz.client import Query, Store
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import name, number
from mcp_servers.signoz.sql import LOGS_TABLE, SERVICE_OF_SPAN, SPANS_TABLE

DESCRIPTION = "For operators: whether the SigNoz store answers, as whom it is read, and which tools the user's grants and the schema allow."
_SPANS = Query(
    "health of traces",
    f"SELECT timestamp, {SERVICE_OF_SPAN}, trace_id, has_error FROM {SPANS_TABLE} LIMIT 0",
)
_LOGS = Query("health of logs", f"SELECT timestamp, body, resources_string, severity_number FROM {LOGS_TABLE} LIMIT 0")
_ERRORS = Query(
    "health of exceptions", "SELECT timestamp, serviceName FROM signoz_traces.distributed_signoz_error_index_v2 LIMIT 0"
)
# Which tables each tool stands on.
TOOLS: dict[str, Query] = {
    "get_exceptions": _ERRORS,
    "get_service_overview": _SPANS,
    "get_service_dependencies": _SPANS,
    "query_traces": _SPANS,
    "query_logs": _LOGS,
}


class ToolState(Lean):
    """Whether one tool can work, and if not why."""

    tool: str
    state: Literal["ok", "forbidden", "unsupported", "failing"]
    why: str = ""


class Health(Envelope):
    """``clock_skew_s`` is the store's clock minus ours; ``warnings`` are for whoever keeps the credential."""

    version: str
    user: str
    latency_ms: float
    clock_skew_s: float
    tools: list[ToolState]
    warnings: list[str] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def health() -> Annotated[CallToolResult, Health]:
        store = await context.store()
        began = time.monotonic()
        told = await store.version()
        latency = (time.monotonic() - began) * 1000
        states = await asyncio.gather(*(_state(store, tool, query) for tool, query in TOOLS.items()))
        good = sum(s.state == "ok" for s in states)
        return ok(
            Health(
                summary=f"ClickHouse {name(told['version'], 40)} answers in {latency:.0f} ms; {good} of {len(states)} tools can work",
                version=name(told["version"], 40),
                user=name(told["user"], 80),
                latency_ms=round(latency, 1),
                clock_skew_s=round(number(told["now"]) - context.clock().timestamp(), 1),
                tools=list(states),
                warnings=store.warnings,
            )
        )

    built = strict.tool(health, "health", DESCRIPTION)
    built.meta = {**(built.meta or {}), "rca/audience": "operator"}
    return [built]


async def _state(store: Store, tool: str, query: Query) -> ToolState:
    try:
        await store.rows(query, {})
    except ToolFailure as failure:
        kinds: dict[str, Literal["forbidden", "unsupported"]] = {"FORBIDDEN": "forbidden", "UNSUPPORTED": "unsupported"}
        return ToolState(
            tool=tool,
            state=kinds.get(failure.info.code, "failing"),
            why=failure.info.missing_permission or failure.info.message,
        )
    return ToolState(tool=tool, state="ok")
