"""Alert states as SigNoz's store keeps them: one row for each change of each instance of a rule."""

# ruff: noqa: S608 (statements are constants over constants; values travel as typed parameters)

import json
from typing import Any

from mcp_servers.signoz.client import Query, Row
from mcp_servers.signoz.reading import number

_TABLE = "signoz_analytics.distributed_rule_state_history_v0"
_DAY_MS = 86_400_000
# An instance that has been firing for days changed its state before the window: the last change of a week ago still counts.
STATES = Query(
    "alert states",
    "SELECT rule_id, any(rule_name) AS name, toString(fingerprint) AS instance, argMax(state, unix_milli) AS last, "
    "argMax(value, unix_milli) AS measured, argMax(labels, unix_milli) AS told, intDiv(max(unix_milli), 1000) AS changed, "
    f"intDiv(maxIf(unix_milli, state != 'inactive'), 1000) AS since FROM {_TABLE} "
    f"WHERE unix_milli >= {{from_s:UInt64}} * 1000 - {7 * _DAY_MS} AND unix_milli < {{to_s:UInt64}} * 1000 AND state_changed "
    "GROUP BY rule_id, fingerprint ORDER BY changed DESC, rule_id, instance LIMIT 500",
)
RULE = Query(
    "alert rule",
    f"SELECT any(rule_name) AS name, count() AS n FROM {_TABLE} WHERE rule_id = {{rule_id:String}}",
)
HISTORY = Query(
    "alert history",
    "SELECT intDiv(unix_milli, 1000) AS at, state, value, labels, overall_state_changed AS overall "
    f"FROM {_TABLE} WHERE rule_id = {{rule_id:String}} AND unix_milli >= {{from_s:UInt64}} * 1000 "
    "AND unix_milli < {to_s:UInt64} * 1000 AND state_changed ORDER BY unix_milli DESC, labels LIMIT 200",
)
_STATES = {"inactive": "resolved", "normal": "resolved", "no_data": "nodata"}


def state(text: Any) -> str:
    """SigNoz's state in our words: firing, pending, nodata, resolved, silenced, disabled, recovering."""
    told = str(text).strip().lower()
    return _STATES.get(told, told)


def labels(text: Any) -> dict[str, str]:
    """Labels from their JSON text (or object); empty when it is none."""
    if isinstance(text, str):
        try:
            text = json.loads(text or "{}")
        except ValueError:
            return {}
    return {str(k): str(v) for k, v in text.items()} if isinstance(text, dict) else {}


def instances(rows: list[Row], from_s: int) -> list[Row]:
    """Alert instances from their last changes; what was over before ``from_s`` is left out."""
    made = []
    for row in rows:
        now, changed = state(row["last"]), int(number(row["changed"]))
        over = now == "resolved"
        if over and changed < from_s:
            continue
        known = labels(row["told"])
        made.append(
            {
                "rule_id": str(row["rule_id"]),
                "name": str(row["name"]) or known.get("alertname", ""),
                "severity": known.get("severity", ""),
                "state": now,
                "since": int(number(row["since"])) or changed,
                "ended": changed if over else 0,
                "labels": known,
                "value": number(row["measured"]),
                "threshold": None,
                "summary": "",
            }
        )
    return made


def timeline(rows: list[Row]) -> list[Row]:
    """The changes, the oldest first."""
    return [
        {
            "at": int(number(row["at"])),
            "state": state(row["state"]),
            "labels": labels(row["labels"]),
            "value": number(row["value"]),
            "overall": bool(row["overall"]),
        }
        for row in reversed(rows)
    ]
