"""Alert rules over the loaded telemetry, evaluated once for every minute of it, with the history that SigNoz would keep."""

# ruff: noqa: S608, E501 (constants)

import json
from typing import Any

from sandbox.clickhouse.engine import Engine
from sandbox.signoz.builder import Builder

Json = dict[str, Any]
ERRORS_ID, LATENCY_ID, SILENT_ID = (f"0198a1b2-c3d4-7e5f-8a9b-{i}c2d3e4f5a6b" for i in (1, 2, 3))
_STEP_S = 60
_HISTORY = "signoz_analytics.rule_state_history_v0"
_COLUMNS = """_retention_days UInt32 DEFAULT 180, rule_id LowCardinality(String), rule_name LowCardinality(String), overall_state LowCardinality(String),
overall_state_changed Bool, state LowCardinality(String), state_changed Bool, unix_milli Int64, fingerprint UInt64, value Float64, labels String"""
_ENTERED = "kind_string IN ('Server', 'Consumer')"


def rules() -> dict[str, Json]:
    """By id, as the API gives them: one in today's shape, one in an older rule's, one that waits for data that does not come."""
    threshold = {
        "name": "critical",
        "target": 5,
        "targetUnit": "percent",
        "matchType": "1",
        "op": "1",
        "channels": ["oncall"],
    }
    spec = {
        "name": "A",
        "signal": "traces",
        "aggregations": [{"expression": "countIf(has_error = true) * 100 / count()"}],
        "filter": {"expression": _ENTERED},
        "groupBy": [{"name": "service.name"}],
    }
    return {
        ERRORS_ID: {
            "id": ERRORS_ID,
            "state": "firing",
            "alert": "High error share",
            "alertType": "TRACES_BASED_ALERT",
            "ruleType": "threshold_rule",
            "condition": {
                "compositeQuery": {
                    "queryType": "builder",
                    "panelType": "graph",
                    "queries": [{"type": "builder_query", "spec": spec}],
                },
                "selectedQueryName": "A",
                "thresholds": {"kind": "basic", "spec": [threshold]},
            },
            "evaluation": {"kind": "rolling", "spec": {"evalWindow": "5m0s", "frequency": "1m0s"}},
            "labels": {"severity": "critical"},
            "annotations": {
                "summary": "Requests of a service fail",
                "description": "The share of failed requests is {{$value}}",
            },
            "disabled": False,
        },
        LATENCY_ID: {
            "id": LATENCY_ID,
            "state": "firing",
            "alert": "Slow requests",
            "alertType": "TRACES_BASED_ALERT",
            "evalWindow": "5m0s",
            "condition": {
                "compositeQuery": {
                    "queryType": "builder",
                    "builderQueries": {
                        "A": {
                            "queryName": "A",
                            "expression": "A",
                            "dataSource": "traces",
                            "aggregateOperator": "p99",
                            "aggregateAttribute": {"key": "durationNano"},
                            "filters": {
                                "op": "AND",
                                "items": [{"key": {"key": "kind_string"}, "op": "=", "value": "Server"}],
                            },
                            "groupBy": [{"key": "service.name"}],
                        }
                    },
                },
                "op": "1",
                "target": 300,
                "targetUnit": "ms",
                "matchType": "2",
            },
            "labels": {"severity": "warning"},
            "disabled": False,
        },
        SILENT_ID: {
            "id": SILENT_ID,
            "state": "nodata",
            "alert": "Queue length",
            "alertType": "METRIC_BASED_ALERT",
            "evalWindow": "10m0s",
            "condition": {
                "compositeQuery": {
                    "queries": [
                        {
                            "type": "builder_query",
                            "spec": {
                                "name": "A",
                                "signal": "metrics",
                                "aggregations": [
                                    {"metricName": "queue.length", "timeAggregation": "max", "spaceAggregation": "sum"}
                                ],
                                "filter": {"expression": "service.name = 'payments'"},
                            },
                        }
                    ]
                },
                "op": "5",
                "target": 1000,
                "matchType": "4",
                "alertOnAbsent": True,
                "absentFor": 10,
            },
            "labels": {"severity": "warning", "service.name": "payments"},
            "disabled": False,
        },
    }


def evaluate(builder: Builder) -> list[Json]:
    """The changes of state of all rules, the oldest first."""
    slot = f"intDiv(toUnixTimestamp(timestamp), {_STEP_S}) * {_STEP_S}"
    rows = builder.rows(
        f"SELECT `resource_string_service$$name` AS service, {slot} AS at, 100 * countIf(has_error) / count() AS errors, "
        f"quantile(0.99)(duration_nano) / 1e6 AS p99 FROM signoz_traces.signoz_index_v3 WHERE {_ENTERED} GROUP BY service, at ORDER BY at, service"
    )
    changes: list[Json] = []
    last: dict[tuple[str, str], str] = {}
    # The last slot may have begun a moment ago: a handful of spans of it would end or begin an alert by chance.
    full = int(rows[-1]["at"]) - _STEP_S if rows else 0
    for row in (r for r in rows if int(r["at"]) <= full):
        for rule_id, value, limit in ((ERRORS_ID, row["errors"], 5), (LATENCY_ID, row["p99"], 300)):
            state = "firing" if float(value) > limit else "inactive"
            if state != last.get((rule_id, row["service"]), "inactive"):
                last[(rule_id, row["service"])] = state
                changes.append(
                    _change(rule_id, state, int(row["at"]) * 1000, float(value), {"service.name": row["service"]})
                )
    if rows:
        changes.append(_change(SILENT_ID, "nodata", full * 1000, 0.0, {"service.name": "payments"}))
    return changes


def _change(rule_id: str, state: str, at_ms: int, value: float, labels: dict[str, str]) -> Json:
    rule = rules()[rule_id]
    told = {"alertname": rule["alert"], "severity": rule["labels"]["severity"], "ruleId": rule_id, **labels}
    return {
        "rule_id": rule_id,
        "rule_name": rule["alert"],
        "overall_state": state,
        "overall_state_changed": True,
        "state": state,
        "state_changed": True,
        "unix_milli": at_ms,
        "fingerprint": sum(labels["service.name"].encode()),
        "value": value,
        "labels": json.dumps(told, sort_keys=True),
    }


def keep(engine: Engine, changes: list[Json]) -> None:
    """Create the store's history table and put the changes there."""
    engine.run("CREATE DATABASE IF NOT EXISTS signoz_analytics")
    engine.run(f"CREATE TABLE IF NOT EXISTS {_HISTORY} ({_COLUMNS}) ENGINE = MergeTree ORDER BY (rule_id, unix_milli)")
    engine.run(
        f"CREATE TABLE IF NOT EXISTS signoz_analytics.distributed_rule_state_history_v0 AS {_HISTORY} "
        "ENGINE = Merge('signoz_analytics', '^rule_state_history_v0$')"
    )
    if changes:
        engine.run(
            f"INSERT INTO {_HISTORY} FORMAT JSONEachRow\n".encode() + "\n".join(json.dumps(c) for c in changes).encode()
        )
