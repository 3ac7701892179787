"""`run_query`: a business question that a playbook names. Off unless ``RCA_CH_RAW=1`` and ``RCA_CH_ALLOWED`` name tables."""

import math
from typing import Annotated, Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.guard import MAX_SQL, admitted
from mcp_servers.clickhouse.reading import Reading, number_of, whole
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Page, ToolFailure, ok
from mcp_servers.common.untrusted import clean

DESCRIPTION = (
    "One SELECT over the tables that the operator allows, for questions that a playbook names. Refused above an "
    "estimate of rows to read. Tables as "
    "database.table; no table functions, settings or formats. At most 200 rows; long cells are cut."
)

ESTIMATE = "EXPLAIN ESTIMATE SELECT * FROM (%s)"
WRAPPED = "SELECT * FROM (%s) LIMIT %d"


class QueryRows(Envelope):
    """The answer of `run_query`. ``rows`` are in the order of ``columns``; ``estimated_rows`` is what the server expected to read."""

    columns: list[str] = Field(default_factory=list)
    rows: list[list[Any]] = Field(default_factory=list)
    estimated_rows: int = 0


def tools(context: Context) -> list[Tool]:
    async def run_query(
        sql: Annotated[str, Field(min_length=8, max_length=MAX_SQL)],
        limit: Annotated[int, Field(ge=1, le=200)] = 50,
    ) -> Annotated[CallToolResult, QueryRows]:
        settings = context.settings
        text = admitted(sql, settings.allowed)
        reading = Reading(await context.database())
        estimate = await reading.database.raw(ESTIMATE % text, "the estimate")
        expected = sum(whole(row.get("rows")) for row in estimate)
        if expected > settings.max_estimated_rows:
            raise ToolFailure(
                "TOO_LARGE",
                f"the statement would read about {number_of(expected)} rows; at most {number_of(settings.max_estimated_rows)} are allowed",
                hint="add a condition on the table's sorting or partition key, for example on its time; RCA_CH_MAX_EST_ROWS sets the limit",
            )
        # what has no estimate (views, Distributed tables) is bound while it runs
        most = settings.max_estimated_rows
        rows = await reading.database.raw(WRAPPED % (text, limit + 1), "the statement", max_rows_to_read=most)
        answer = QueryRows(summary="", estimated_rows=expected, untrusted=["rows[]"])
        answer.columns = [clean(name, 80) for name in rows[0]] if rows else []
        answer.rows = [[_cell(value) for value in row.values()] for row in rows[:limit]]
        if len(rows) > limit:
            answer.truncated, answer.page = True, Page(returned=limit, total=len(rows), total_is_lower_bound=True)
            answer.notes.append(f"there are more than {limit} rows")
        if not estimate:
            answer.notes.append(
                "the server gave no estimate: the tables are empty, or of an engine that has none; the limits of "
                "rows and time hold all the same"
            )
        answer.summary = (
            f"{len(answer.rows)}{'+' if answer.truncated else ''} rows, {len(answer.columns)} columns; "
            f"about {number_of(expected)} rows read"
        )
        if not rows:
            answer.notes.append("no row matches; an aggregate without GROUP BY would still give one")
        reading.into(answer)
        return ok(answer)

    return [strict.tool(run_query, "run_query", DESCRIPTION)] if context.settings.raw else []


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return clean(value, 200)
