"""A recording into SigNoz's tables: ``logs.jsonl``, ``spans.jsonl``, ``metrics.jsonl`` and ``case.json`` of one folder, moved in time so
that ``collected_at`` is now.

One JSON object a line. Logs: ``time_ns, service, body`` and, where known, ``pod, node, namespace, severity, trace_id, span_id, version,
attributes``. Spans: ``trace_id, span_id, parent_span_id, service, name, start_ns, end_ns`` and ``kind, error, status_message, attributes,
exception``. Metrics: ``time_ns, name, value`` and ``service, unit, type, labels``. A span's unstated kind follows from its neighbours.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.clickhouse.engine import Engine
from sandbox.telemetry.schema import statements

Json = dict[str, Any]
BUCKET_S = 1800
_BATCH = 20_000
_DAY_NS = 86_400 * 10**9
_SEVERITY = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "WARNING": 13, "ERROR": 17, "FATAL": 21, "CRITICAL": 21}
_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}


@dataclass
class Recording:
    """What was recorded, as plain rows; ``collected_ns`` is the moment it ended at (ns since 1970, UTC)."""

    collected_ns: int
    logs: list[Json] = field(default_factory=list)
    spans: list[Json] = field(default_factory=list)
    metrics: list[Json] = field(default_factory=list)


def read(folder: Path) -> Recording:
    """Raises `OSError` for a folder without ``case.json``, `ValueError` for a line that is not JSON."""
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    moment = datetime.fromisoformat(case["collected_at"]).astimezone(UTC)
    return Recording(
        int(moment.timestamp()) * 10**9,
        *(list(_lines(folder / f"{name}.jsonl")) for name in ("logs", "spans", "metrics")),
    )


def _lines(path: Path) -> Iterator[Json]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise ValueError(f"{path}:{number} is not JSON: {error}") from error


def load(engine: Engine, recording: Recording, now_ns: int | None = None) -> dict[str, int]:
    """Create the tables, insert the recording; gives the rows per table. ``now_ns``: what ``collected_at`` becomes (default: now)."""
    for statement in statements():
        engine.run(statement)
    recording = _sound(recording)
    shift = (time.time_ns() if now_ns is None else now_ns) - recording.collected_ns
    written = {}
    for table, rows in (
        ("signoz_logs.logs_v2", _logs(recording.logs, shift)),
        ("signoz_logs.logs_v2_resource", _resources(recording.logs, shift, "time_ns")),
        ("signoz_traces.signoz_index_v3", _spans(recording.spans, shift)),
        ("signoz_traces.traces_v3_resource", _resources(recording.spans, shift, "start_ns")),
        ("signoz_traces.signoz_error_index_v2", _exceptions(recording.spans, shift)),
        ("signoz_metrics.samples_v4", _samples(recording.metrics, shift)),
        ("signoz_metrics.time_series_v4", _series(recording.metrics, shift)),
    ):
        written[table] = _insert(engine, table, rows)
    return written


def _sound(recording: Recording) -> Recording:
    """Without rows whose time is more than a day from the recording's end: recordings hold a few with broken clocks."""

    def near(row: Json, key: str) -> bool:
        return abs(int(row.get(key, 0)) - recording.collected_ns) <= _DAY_NS

    return Recording(
        recording.collected_ns,
        [row for row in recording.logs if near(row, "time_ns")],
        [row for row in recording.spans if near(row, "start_ns")],
        [row for row in recording.metrics if near(row, "time_ns")],
    )


def _insert(engine: Engine, table: str, rows: Iterable[Json]) -> int:
    total, batch = 0, []
    for row in rows:
        batch.append(json.dumps(row, ensure_ascii=False))
        if len(batch) == _BATCH:
            _send(engine, table, batch)
            total, batch = total + len(batch), []
    if batch:
        _send(engine, table, batch)
    return total + len(batch)


def _send(engine: Engine, table: str, batch: list[str]) -> None:
    engine.run(f"INSERT INTO {table} FORMAT JSONEachRow\n".encode() + "\n".join(batch).encode("utf-8", "replace"))


def _resource(row: Json) -> dict[str, str]:
    names = {
        "service": "service.name",
        "version": "service.version",
        "pod": "k8s.pod.name",
        "node": "k8s.node.name",
        "namespace": "k8s.namespace.name",
    }
    return {label: str(row[key]) for key, label in names.items() if row.get(key)}


def _fingerprint(resource: dict[str, str]) -> str:
    return ";".join(f"{k}={v}" for k, v in sorted(resource.items()))


def _bucket(time_ns: int) -> int:
    seconds = time_ns // 10**9
    return seconds - seconds % BUCKET_S


def _resources(rows: Iterable[Json], shift: int, at: str) -> Iterator[Json]:
    seen: set[tuple[str, int]] = set()
    for row in rows:
        resource = _resource(row)
        key = (_fingerprint(resource), _bucket(row[at] + shift))
        if key not in seen:
            seen.add(key)
            yield {
                "labels": json.dumps(resource, sort_keys=True, separators=(",", ":")),
                "fingerprint": key[0],
                "seen_at_ts_bucket_start": key[1],
            }


def _logs(rows: Iterable[Json], shift: int) -> Iterator[Json]:
    for number, row in enumerate(rows):
        at, resource = row["time_ns"] + shift, _resource(row)
        severity = str(row.get("severity", ""))
        yield {
            "ts_bucket_start": _bucket(at),
            "resource_fingerprint": _fingerprint(resource),
            "timestamp": at,
            "observed_timestamp": at,
            "id": f"{number:027d}",
            "trace_id": row.get("trace_id", ""),
            "span_id": row.get("span_id", ""),
            "severity_text": severity,
            "severity_number": _SEVERITY.get(severity.upper(), 0),
            "body": row.get("body", ""),
            "attributes_string": {k: str(v) for k, v in row.get("attributes", {}).items()},
            "resources_string": resource,
        }


def _kinds(rows: list[Json]) -> list[str]:
    """The stated kind, else: entered from elsewhere is a server span; one whose name leads elsewhere, in any trace, a client span."""
    owner = {row["span_id"]: row["service"] for row in rows}
    named = {row["span_id"]: (row["service"], row.get("name", "")) for row in rows}
    parents = {r["parent_span_id"] for r in rows if owner.get(r.get("parent_span_id"), r["service"]) != r["service"]}
    leads = {named[span] for span in parents}
    kinds = []
    for row in rows:
        parent = row.get("parent_span_id")
        entered = not parent or owner.get(parent) != row["service"]
        kinds.append(
            row.get("kind") or ("server" if entered else "client" if named[row["span_id"]] in leads else "internal")
        )
    return kinds


def _spans(rows: list[Json], shift: int) -> Iterator[Json]:
    for row, kind in zip(rows, _kinds(rows), strict=True):
        at, resource = row["start_ns"] + shift, _resource(row)
        error, attributes = bool(row.get("error")), {k: str(v) for k, v in row.get("attributes", {}).items()}
        yield {
            "ts_bucket_start": _bucket(at),
            "resource_fingerprint": _fingerprint(resource),
            "timestamp": f"{at // 10**9}.{at % 10**9:09d}",
            "trace_id": row["trace_id"],
            "span_id": row["span_id"],
            "parent_span_id": row.get("parent_span_id", ""),
            "name": row.get("name", ""),
            "kind": _KINDS[kind],
            "kind_string": kind.capitalize(),
            "duration_nano": max(0, row["end_ns"] - row["start_ns"]),
            "status_code": 2 if error else 0,
            "status_code_string": "Error" if error else "Unset",
            "status_message": row.get("status_message", ""),
            "has_error": error,
            "response_status_code": attributes.get("http.response.status_code", ""),
            "db_operation": attributes.get("db.operation", ""),
            "attributes_string": attributes,
            "resources_string": resource,
            "events": [json.dumps({"name": "exception", "attributeMap": _exception(row)})]
            if row.get("exception")
            else [],
        }


def _exception(row: Json) -> dict[str, str]:
    told = row["exception"]
    return {f"exception.{k}": str(told.get(k, "")) for k in ("type", "message", "stacktrace")}


def _exceptions(rows: Iterable[Json], shift: int) -> Iterator[Json]:
    for row in rows:
        if not row.get("exception"):
            continue
        at, told = row["end_ns"] + shift, row["exception"]
        yield {
            "timestamp": f"{at // 10**9}.{at % 10**9:09d}",
            "errorID": _hash(row["span_id"]),
            "groupID": _hash(f"{row['service']}{told.get('type')}{told.get('message')}"),
            "traceID": row["trace_id"],
            "spanID": row["span_id"],
            "serviceName": row["service"],
            "exceptionType": told.get("type", ""),
            "exceptionMessage": told.get("message", ""),
            "exceptionStacktrace": told.get("stacktrace", ""),
            "resourceTagsMap": _resource(row),
        }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _labels(row: Json) -> dict[str, str]:
    return {"__name__": row["name"], **_resource(row), **{k: str(v) for k, v in row.get("labels", {}).items()}}


def _series_key(row: Json) -> int:
    return int(_hash(json.dumps(_labels(row), sort_keys=True))[:15], 16)


def _samples(rows: Iterable[Json], shift: int) -> Iterator[Json]:
    for row in rows:
        at = (row["time_ns"] + shift) // 10**6
        yield {"metric_name": row["name"], "fingerprint": _series_key(row), "unix_milli": at, "value": row["value"]}


def _series(rows: Iterable[Json], shift: int) -> Iterator[Json]:
    seen: set[tuple[int, int]] = set()
    for row in rows:
        hour = (row["time_ns"] + shift) // 10**6 // 3_600_000 * 3_600_000
        key = (_series_key(row), hour)
        if key not in seen:
            seen.add(key)
            yield {
                "metric_name": row["name"],
                "unit": row.get("unit", ""),
                "type": row.get("type", "Gauge"),
                "is_monotonic": bool(row.get("monotonic")),
                "fingerprint": key[0],
                "unix_milli": hour,
                "labels": json.dumps(_labels(row), sort_keys=True, separators=(",", ":")),
                "resource_attrs": _resource(row),
                "attrs": {k: str(v) for k, v in row.get("labels", {}).items()},
            }
