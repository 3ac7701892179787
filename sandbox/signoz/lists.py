"""The endpoints beside the query API: exceptions, alerts and rules, metrics, keys."""

# ruff: noqa: S608 (a stand-in: its statements are made of checked keys and quoted literals)

from datetime import UTC, datetime
from typing import Any

from sandbox.signoz.builder import Builder, Refused
from sandbox.signoz.filters import quoted
from sandbox.signoz.rules import rules
from sandbox.signoz.samples import label_keys, labels_of

Json = dict[str, Any]
_ERRORS = "signoz_traces.signoz_error_index_v2"


def list_errors(builder: Builder, body: Json) -> list[Json]:
    """Groups of exceptions; ``serviceName`` is a part of a name in any case, times are ns as text. Raises `Refused`."""
    start, end = body.get("start"), body.get("end")
    if not isinstance(start, str) or not isinstance(end, str) or not body.get("limit"):
        raise Refused("start, end (as text, in nanoseconds) and limit are required")
    return builder.rows(
        "SELECT any(exceptionMessage) AS exceptionMessage, any(exceptionType) AS exceptionType, count() AS exceptionCount, "
        "toString(min(timestamp)) AS firstSeen, toString(max(timestamp)) AS lastSeen, serviceName, toString(groupID) AS groupID "
        f"FROM {_ERRORS} WHERE timestamp >= fromUnixTimestamp64Nano({int(start)}) AND timestamp <= fromUnixTimestamp64Nano({int(end)}) "
        f"AND serviceName ILIKE {quoted('%' + str(body.get('serviceName') or '') + '%')} "
        f"GROUP BY serviceName, groupID ORDER BY exceptionCount DESC, groupID LIMIT {int(body['limit'])}"
    )


def error_of_group(builder: Builder, group: str, at_ns: str) -> Json | None:
    """The event of a group at a time."""
    found = builder.rows(
        "SELECT toString(errorID) AS errorId, exceptionType, exceptionMessage, exceptionStacktrace, exceptionEscaped, serviceName, spanID, "
        f"toString(traceID) AS traceID, toString(timestamp) AS at, toString(groupID) AS group FROM {_ERRORS} "
        f"WHERE groupID = {quoted(group)} AND timestamp = fromUnixTimestamp64Nano({int(at_ns)}) LIMIT 1"
    )
    return {**found[0], "timestamp": found[0].pop("at"), "groupID": found[0].pop("group")} if found else None


def alerts(changes: list[Json]) -> list[Json]:
    """What is on now, as the alert manager tells it."""
    last: dict[tuple[str, int], Json] = {}
    for change in changes:
        last[(change["rule_id"], change["fingerprint"])] = change
    made = []
    for change in last.values():
        if change["state"] not in ("firing", "nodata"):
            continue
        labels = labels_of(change["labels"])
        if change["state"] == "nodata":
            labels |= {"nodata": "true", "alertname": f"[No data] {labels['alertname']}"}
        made.append(
            {
                "labels": labels,
                "annotations": {
                    "summary": change["rule_name"],
                    "value": f"{change['value']:g}",
                    "threshold.value": _threshold(change),
                },
                "startsAt": datetime.fromtimestamp(change["unix_milli"] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "endsAt": "2099-01-01T00:00:00.000Z",
                "fingerprint": f"{change['fingerprint']:016x}",
                "receivers": [{"name": "oncall"}],
                "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
            }
        )
    return made


def _threshold(change: Json) -> str:
    condition = rules()[change["rule_id"]]["condition"]
    spec = condition.get("thresholds", {}).get("spec") or [condition]
    return str(spec[0]["target"])


def timeline(changes: list[Json], rule_id: str, query: Any) -> Json:
    """One rule's history, newest first unless asked otherwise."""
    start, end = int(query["start"]), int(query["end"])
    kept = [c for c in changes if c["rule_id"] == rule_id and start <= c["unix_milli"] < end]
    kept.sort(key=lambda c: c["unix_milli"], reverse=query.get("order", "desc") == "desc")
    items = [
        {
            "ruleId": c["rule_id"],
            "ruleName": c["rule_name"],
            "overallState": c["overall_state"],
            "overallStateChanged": c["overall_state_changed"],
            "state": c["state"],
            "stateChanged": c["state_changed"],
            "unixMilli": c["unix_milli"],
            "labels": [{"key": {"name": k}, "value": v} for k, v in labels_of(c["labels"]).items()],
            "fingerprint": c["fingerprint"],
            "value": c["value"],
        }
        for c in kept[: int(query.get("limit", 50))]
    ]
    return {"items": items, "total": len(kept)}


def metrics(builder: Builder, search: str, limit: int, only: str = "") -> list[Json]:
    """The catalogue of metrics."""
    rows = builder.rows(
        "SELECT metric_name AS metricName, any(description) AS description, any(type) AS type, any(unit) AS unit, "
        "any(temporality) AS temporality, max(is_monotonic) AS isMonotonic FROM signoz_metrics.time_series_v4 "
        f"WHERE positionCaseInsensitive(metric_name, {quoted(search)}) > 0 AND ({quoted(only)} = '' OR metric_name = {quoted(only)}) "
        f"GROUP BY metric_name ORDER BY metric_name LIMIT {limit}"
    )
    return [{**r, "type": str(r["type"]).lower(), "temporality": str(r["temporality"]).lower()} for r in rows]


def field_keys(builder: Builder, signal: str, search: str, limit: int) -> Json:
    """Keys by name."""
    if signal == "metrics":
        places = dict.fromkeys(label_keys(builder), ("attribute", "string"))
    else:
        kinds = {"resources_string": "resource"}
        places = {
            key: (kinds.get(column, "attribute"), "float64" if column.endswith("number") else column.rsplit("_", 1)[-1])
            for key, column in builder.keys(signal).items()
        }
    found = [k for k in sorted(places) if search.lower() in k.lower()][:limit]
    return {
        "keys": {
            k: [{"name": k, "signal": signal, "fieldContext": places[k][0], "fieldDataType": places[k][1]}]
            for k in found
        },
        "complete": True,
    }


def label_values(builder: Builder, key: str, search: str, limit: int) -> Json:
    """Values of a metric label."""
    rows = builder.rows(
        f"SELECT DISTINCT JSONExtractString(labels, {quoted(key)}) AS v FROM signoz_metrics.time_series_v4 "
        f"WHERE v != '' AND positionCaseInsensitive(v, {quoted(search)}) > 0 ORDER BY v LIMIT {limit}"
    )
    return {"values": {"stringValues": [r["v"] for r in rows], "numberValues": [], "boolValues": []}, "complete": True}
