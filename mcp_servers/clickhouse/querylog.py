"""What the tools that read system.query_log share: windows, baselines, and why nothing is found there."""

from datetime import timedelta
from typing import Literal

from mcp_servers.clickhouse import query_statements as q
from mcp_servers.clickhouse.merging import Row
from mcp_servers.clickhouse.reading import Reading, iso, whole
from mcp_servers.common.timerange import Range

Compare = Literal["previous", "1d", "1w", "none"]
_SHIFTS = {"1d": timedelta(days=1), "1w": timedelta(weeks=1)}


def window_of(span: Range) -> dict[str, int]:
    """The parameters ``start`` and ``end``, in epoch seconds; the last second counts."""
    return {"start": int(span.start.timestamp()), "end": int(span.end.timestamp()) + 1}


def earlier(span: Range, compare: Compare) -> dict[str, int] | None:
    """The window of the same length that ``span`` is set against: right before it, or a day or a week earlier. ``None`` for none.

    It never reaches into ``span`` itself, which is why "1d" for a window of two days is set against the two days before.
    """
    if compare == "none":
        return None
    length = span.end - span.start
    shift = max(_SHIFTS.get(compare, length), length)
    return {"start": int((span.start - shift).timestamp()), "end": int((span.end - shift).timestamp())}


async def activity(reading: Reading, bounds: dict[str, int]) -> Row:
    """What was logged at all in a window: ``n``, ``failed``, ``slowest_ms``, ``total_ms``; zeros where nothing can be read."""
    rows = await reading.one(q.ACTIVITY, bounds)
    return rows[0] if rows else {"n": 0, "failed": 0, "slowest_ms": 0, "total_ms": 0}


async def why_nothing(reading: Reading, bounds: dict[str, int]) -> str:
    """Why the log has nothing in a window: it was never written then, or not any more, or nothing ran."""
    found = await reading.one(q.LOG_REACH, {"table": "query_log"})
    reach = found[0] if found else {}
    first, last = whole(reach.get("first")), whole(reach.get("last"))
    if not whole(reach.get("n_rows")):
        return (
            "nothing was logged: nothing ran, or query logging is off (log_queries = 0), or the log was cleared; its "
            "parts are not in sight "
            "without SHOW TABLES and SELECT on system.parts"
        )
    if first and bounds["end"] <= first:
        return f"the query log reaches back to {iso(first)} only; older entries were removed"
    if last and last < bounds["start"]:
        return f"the query log was last written at {iso(last)}, before this window: query logging was turned off, or nothing ran since"
    return (
        f"the query log has entries from {iso(first) or 'earlier'} to {iso(last)}, and none in this window: "
        "nothing ran, or logging was off meanwhile"
    )
