"""Alerts and rules through SigNoz's API."""

import re
from typing import Any, Final

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.condition import as_dict, dicts, sentence
from mcp_servers.signoz.reading import number
from mcp_servers.signoz.sources import Read, Row
from mcp_servers.signoz.sources.clickhouse_alerts import labels, state
from mcp_servers.signoz.sources.http_client import Missing
from mcp_servers.signoz.sources.http_query import Questions, nanoseconds, value

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,79}")
_KINDS = {"LOGS": "logs", "TRACES": "traces", "METRIC": "metrics", "METRICS": "metrics", "EXCEPTIONS": "exceptions"}
_STATES = {"active": "firing", "unprocessed": "firing", "suppressed": "silenced"}
_CHANGES: Final = 200


class HttpAlerts:
    """The alert reads of `Source`."""

    ask: Questions

    async def alerts(self, from_s: int, to_s: int) -> Read:
        try:
            told = await self.ask.api.get("/api/v1/alerts")
        except Missing as error:
            raise _unsupported("/api/v1/alerts") from error
        made: list[Row] = []
        for row in told if isinstance(told, list) else []:
            known, notes = labels(row.get("labels")), labels(row.get("annotations"))
            since = nanoseconds(row.get("startsAt")) // 10**9
            status = row.get("status")
            told_state = str((status.get("state") if isinstance(status, dict) else status) or "active")
            if since >= to_s:
                continue
            nodata = known.get("nodata") == "true" or known.get("alertname", "").startswith("[No data]")
            made.append(
                {
                    "rule_id": known.get("ruleId", ""),
                    "name": known.get("alertname", "").removeprefix("[No data]").strip(),
                    "severity": known.get("severity", ""),
                    "state": "nodata" if nodata else _STATES.get(told_state, state(told_state)),
                    "since": since,
                    "ended": 0,
                    "labels": known,
                    "value": value(notes.get("value")),
                    "threshold": value(notes.get("threshold.value") or notes.get("threshold")),
                    "summary": notes.get("summary") or notes.get("description") or "",
                }
            )
        made.sort(key=lambda r: (-r["since"], r["rule_id"], sorted(r["labels"].items())))
        return Read(made, ("SigNoz lists alerts that are on now; those that are over are seen in get_alert_rule",))

    async def rule(self, rule_id: str) -> Read:
        _checked(rule_id)
        try:
            told = await self.ask.api.first_of(
                ("GET", f"/api/v2/rules/{rule_id}", {}), ("GET", f"/api/v1/rules/{rule_id}", {})
            )
        except Missing as error:
            raise _unsupported("/api/v2/rules") from error
        except ToolFailure as failure:
            # An id that is no UUID is a bad request, and some versions answer an unknown one with a server error.
            if failure.info.code not in ("NOT_FOUND", "VALIDATION"):
                raise
            return Read([])
        if not isinstance(told, dict) or not told:
            return Read([])
        known = labels(told.get("labels"))
        queries = queries_of(told.get("condition"))
        return Read(
            [
                {
                    "rule_id": rule_id,
                    "name": str(told.get("alert") or told.get("name") or ""),
                    "severity": known.get("severity", ""),
                    "kind": _KINDS.get(str(told.get("alertType", "")).split("_")[0].upper(), ""),
                    "condition": sentence(told, queries),
                    "filter": " | ".join(f for q in queries if (f := filter_of(q)))[:1000],
                    "group_by": [g for q in queries for g in group_of(q)][:10],
                    "labels": known,
                    "disabled": told.get("disabled") is True,
                }
            ]
        )

    async def rule_history(self, rule_id: str, from_s: int, to_s: int) -> Read:
        _checked(rule_id)
        window = {"start": from_s * 1000, "end": to_s * 1000}
        path = f"rules/{rule_id}/history/timeline"
        given = {"start": str(window["start"]), "end": str(window["end"]), "limit": str(_CHANGES), "order": "desc"}
        old = {**window, "limit": _CHANGES, "offset": 0, "order": "desc", "filters": {"items": [], "op": "AND"}}
        try:
            told = await self.ask.api.first_of(("GET", f"/api/v2/{path}", given), ("POST", f"/api/v1/{path}", old))
        except Missing:
            return Read([], ("this SigNoz keeps no history of alert states (0.118 and newer do)",))
        except ToolFailure as failure:
            if failure.info.code not in ("NOT_FOUND", "VALIDATION"):
                raise
            return Read([], (f"SigNoz tells no history of this rule: {clean(failure.info.message, 120)}",))
        made = [
            {
                "at": int(number(row.get("unixMilli"))) // 1000,
                "state": state(row.get("state")),
                "labels": _labels(row.get("labels")),
                "value": value(row.get("value")) or 0.0,
                "overall": row.get("overallStateChanged") is True,
            }
            for row in (told.get("items") or [] if isinstance(told, dict) else [])
            if isinstance(row, dict) and row.get("stateChanged", True)
        ]
        return Read(sorted(made, key=lambda r: (r["at"], sorted(r["labels"].items()))))


def queries_of(condition: Any) -> list[Row]:
    """The queries of a rule's condition: builder queries of v5, or those of older rules in the same place."""
    composite = as_dict(as_dict(condition).get("compositeQuery"))
    found = [q.get("spec") for q in dicts(composite.get("queries"))]
    for older in ("builderQueries", "chQueries", "promQueries"):
        found += list(as_dict(composite.get(older)).values())
    return [q for q in found if isinstance(q, dict)]


def filter_of(query: Row) -> str:
    """The filter expression of one query; "" when it has none that can be said in one."""
    told = as_dict(query.get("filter")).get("expression")
    if told:
        return str(told)
    parts = []
    for item in dicts(as_dict(query.get("filters")).get("items")):
        key = as_dict(item.get("key")).get("key")
        if key:
            parts.append(f"{key} {item.get('op', '=')} {item.get('value', '')!r}")
    return " AND ".join(parts)


def group_of(query: Row) -> list[str]:
    """The names of the keys that a query groups by."""
    return [str(g.get("name") or g.get("key") or "") for g in dicts(query.get("groupBy"))]


def _labels(told: Any) -> dict[str, str]:
    """Labels as an object, as its JSON text, or as the list of keys and values that newer versions give."""
    if not isinstance(told, list):
        return labels(told)
    return {
        str(x["key"].get("name", "")): str(x.get("value") or "")
        for x in told
        if isinstance(x, dict) and isinstance(x.get("key"), dict)
    }


def _checked(rule_id: str) -> None:
    if not _ID.fullmatch(rule_id):
        raise ToolFailure("VALIDATION", "a rule id has letters, digits and dashes only", hint="get_alerts lists ids")


def _unsupported(path: str) -> ToolFailure:
    return ToolFailure("UNSUPPORTED", f"this SigNoz has no {path}", hint="a newer SigNoz, or its store, may have it")
