"""Exceptions through SigNoz's API: its list of groups for both windows, and the newest event of the gravest ones."""

from typing import Any, Final

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.reading import number
from mcp_servers.signoz.sources import Read, Row
from mcp_servers.signoz.sources.http_client import Missing
from mcp_servers.signoz.sources.http_query import Questions, nanoseconds
from mcp_servers.signoz.windows import Windows

_LIST = "/api/v1/listErrors"
_LIMIT: Final = 200
WITH_STACK: Final = 5


class HttpExceptions:
    """The exception reads of `Source`."""

    ask: Questions

    async def exceptions(self, both: Windows, service: str) -> Read:
        asks = [self._groups(both.cur_from, both.cur_to, service)]
        asks += [self._groups(both.base_from, both.base_to, service)] if both.compared else []
        told = await self.ask.gathered(*asks)
        found: dict[tuple[str, str], Row] = {}
        for rows, cell in zip(told, ("n", "base_n"), strict=False):
            for row in rows:
                key = (str(row.get("serviceName", "")), str(row.get("exceptionType", "")))
                one = found.setdefault(
                    key,
                    {
                        "service": key[0],
                        "type": key[1],
                        "message": "",
                        "stack": "",
                        "trace": "",
                        "n": 0,
                        "base_n": 0,
                        "first": 0,
                        "last": 0,
                        "group": "",
                    },
                )
                one[cell] += int(number(row.get("exceptionCount")))
                one["message"] = one["message"] or str(row.get("exceptionMessage", ""))[:600]
                if cell == "n":
                    first, last = (nanoseconds(row.get(k)) for k in ("firstSeen", "lastSeen"))
                    one["first"] = min(filter(None, (one["first"], first // 10**9)), default=0)
                    if last // 10**9 >= one["last"]:
                        one["last"], one["at"], one["group"] = last // 10**9, last, str(row.get("groupID", ""))
        ordered = sorted(
            (r for r in found.values() if r["n"]), key=lambda r: (r["base_n"] > 0, -r["n"], r["service"], r["type"])
        )
        events = await self.ask.gathered(*(self._event(r["group"], r.get("at", 0)) for r in ordered[:WITH_STACK]))
        lost = sum(not event for event in events)
        for row, event in zip(ordered, events, strict=False):
            row["stack"] = str(event.get("exceptionStacktrace", ""))[:4000]
            row["trace"] = str(event.get("traceID", ""))
            row["message"] = str(event.get("exceptionMessage", ""))[:600] or row["message"]
        notes = [f"SigNoz shows no event of {lost} kinds: their frames and traces are missing"] if lost else []
        if len(ordered) > WITH_STACK:
            notes.append(f"frames and trace ids are read for the first {WITH_STACK} kinds of exceptions")
        if any(len(rows) >= _LIMIT for rows in told):
            notes.append(f"SigNoz lists the {_LIMIT} most frequent groups; rarer ones are not counted")
        for row in ordered:
            row.pop("group")
            row.pop("at", None)
        return Read(ordered, tuple(notes))

    async def _groups(self, start: int, end: int, service: str) -> list[Row]:
        asked = {
            "start": str(start * 10**9),
            "end": str(end * 10**9),
            "limit": _LIMIT,
            "offset": 0,
            "order": "descending",
            "orderParam": "exceptionCount",
            "serviceName": service,
            "exceptionType": "",
            "tags": [],
        }
        try:
            told = await self.ask.api.post(_LIST, asked)
        except Missing as error:
            raise ToolFailure(
                "UNSUPPORTED",
                f"this SigNoz has no list of exceptions ({_LIST})",
                hint="query_logs and query_traces show what failed",
            ) from error
        # SigNoz matches a part of the name in any case; here only the service itself counts.
        return [r for r in _rows(told) if service in ("", r.get("serviceName"))]

    async def _event(self, group: str, at_ns: int) -> Row:
        """The event of a group at a time; nothing where SigNoz has none to show."""
        if not group:
            return {}
        try:
            told = await self.ask.api.get("/api/v1/errorFromGroupID", groupID=group, timestamp=str(at_ns))
        except Missing:
            return {}
        except ToolFailure as failure:
            if failure.info.code not in ("NOT_FOUND", "UPSTREAM", "VALIDATION"):
                raise
            return {}
        return told if isinstance(told, dict) else {}


def _rows(told: Any) -> list[Row]:
    return [r for r in told if isinstance(r, dict)] if isinstance(told, list) else []
