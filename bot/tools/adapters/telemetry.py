"""SigNoz's and Grafana's official servers: logs, services, traces, alerts, PromQL.

They give rows and series; log lines are mined for patterns here. They do not compare with the time before, so no judgement is claimed:
what our own server would signal (a rise, a new pattern, a silence) stays unknown.
"""

from collections.abc import Mapping
from typing import Any, Final

from bot.tools.adapters import lines
from bot.tools.capabilities import Adapter, Ask, Given, Json, deep_rows, dig, rows_of
from mcp_servers.common.templates import Line
from mcp_servers.common.untrusted import clean

SIGNOZ: Final = "signoz-mcp-server"
GRAFANA: Final = "mcp-grafana"
MAX_ROWS: Final = 40
LOG_ROWS: Final = 300
LOKI_ROWS: Final = 100  # the most that the tool gives
_ERROR_WORDS: Final = "(?i)error|critical|fatal|panic"
_SEVERITY: Final = {"info": "INFO", "warn": "WARN", "error": "ERROR", "fatal": "FATAL"}


def _ms(ask: Ask) -> Json:
    return {"start": str(ask.times.start_ms), "end": str(ask.times.end_ms)}


def _signoz_logs_ask(ask: Ask) -> tuple[Json, ...]:
    wanted: Json = {**_ms(ask), "limit": str(LOG_ROWS)}
    if ask.text("service"):
        wanted["service"] = ask.text("service")
    if severity := _SEVERITY.get(ask.text("severity")):
        wanted["severity"] = severity
    if ask.text("contains"):
        wanted["searchText"] = ask.text("contains")
    return (wanted,)


def _logs(found: list[Line], ask: Ask, most: int) -> Given:
    count, errors, patterns = lines.of_lines(found)
    notes = (f"only the newest {most} lines were read",) if count >= most else ()
    data = {"total": count, "errors": errors, "patterns": patterns, "window": ask.times.range.window().model_dump()}
    return Given(lines.said(count, errors, patterns), data, notes=notes, tainted=lines.TAINTED)


def _signoz_logs(data: Any, ask: Ask) -> Given | None:
    rows = deep_rows(data, "rows")
    if not rows and not _is_query_answer(data):
        return None
    found: list[Line] = []
    for row in rows:
        inner = row.get("data") if isinstance(row.get("data"), Mapping) else row
        body = dig(inner, "body")
        if isinstance(body, str):
            found.append(lines.levelled(body, str(dig(inner, "severity_text") or "")))
    return _logs(found, ask, LOG_ROWS)


def _is_query_answer(data: Any) -> bool:
    """Whether this is an answer of the query engine that happens to be empty."""
    return isinstance(data, Mapping) and ("status" in data or "pagination" in data or "data" in data)


def _services(data: Any, ask: Ask) -> Given | None:
    rows = rows_of(data, "data", "services")
    if not rows and not _is_query_answer(data):
        return None
    wanted = ask.text("service")
    shown: list[Json] = []
    for row in rows:
        name = clean(str(row.get("serviceName") or ""), 120)
        if not name or (wanted and name != wanted):
            continue
        calls, errors = _float(row.get("numCalls")), _float(row.get("numErrors"))
        shown.append(
            {
                "service": name,
                "calls_per_s": _float(row.get("callRate")),
                "error_ratio": round(errors / calls, 4) if calls else 0.0,
                "p99_ms": round(_float(row.get("p99")) / 1_000_000, 2),
            }
        )
    shown.sort(key=lambda s: (-s["error_ratio"], -s["p99_ms"], s["service"]))
    worst = shown[0] if shown else None
    summary = f"{len(shown)} services" + (
        f"; {worst['service']}: {100 * worst['error_ratio']:.3g} % errors, p99 {worst['p99_ms']:g} ms" if worst else ""
    )
    return Given(summary, {"services": shown[:MAX_ROWS], "services_total": len(shown)})


def _traces(data: Any, ask: Ask) -> Given | None:
    rows = deep_rows(data, "rows")
    if not rows and not _is_query_answer(data):
        return None
    shown = []
    for row in rows:
        inner = row.get("data") if isinstance(row.get("data"), Mapping) else row
        shown.append(
            {
                "trace_id": clean(str(dig(inner, "trace_id") or dig(inner, "traceID") or ""), 64),
                "service": clean(str(dig(inner, "service.name") or dig(inner, "serviceName") or ""), 120),
                "operation": clean(str(dig(inner, "name") or ""), 160),
                "duration_ms": round(_float(dig(inner, "duration_nano") or dig(inner, "durationNano")) / 1_000_000, 2),
                "error": bool(dig(inner, "has_error") or dig(inner, "hasError")),
            }
        )
    failed = sum(row["error"] for row in shown)
    return Given(
        f"{len(shown)} spans, {failed} failed",
        {"total": len(shown), "traces": shown[:MAX_ROWS]},
        tainted=("traces[].operation",),
    )


def _alerts(data: Any, ask: Ask) -> Given | None:
    rows = rows_of(data, "data", "alerts")
    if not rows and not _is_query_answer(data):
        return None
    shown = [
        {
            "name": clean(str(row.get("alertname") or dig(row, "labels", "alertname") or ""), 160),
            "severity": clean(str(row.get("severity") or dig(row, "labels", "severity") or ""), 40),
            "state": clean(str(row.get("state") or dig(row, "status", "state") or ""), 40),
            "since": clean(str(row.get("startsAt") or ""), 40),
        }
        for row in rows
    ]
    return Given(
        f"{len(shown)} alerts fire",
        {"alerts": shown[:MAX_ROWS], "alerts_total": len(shown)},
        tainted=("alerts[].name",),
    )


def _source(found: Any, kind: str) -> str:
    """The id of the data source to ask: the default one of its kind, else the first."""
    rows = [r for r in rows_of(found, "datasources") if kind in str(r.get("type", "")).lower()]
    chosen = next((r for r in rows if r.get("isDefault")), rows[0] if rows else {})
    return str(chosen.get("uid") or "")


def _quoted(text: str) -> str:
    """A LogQL string: what an alert names must not end it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _selector(ask: Ask) -> str:
    return "{service_name=" + _quoted(ask.text("service")) + "}" if ask.text("service") else '{service_name=~".+"}'


def _loki_ask(ask: Ask) -> tuple[Json, ...]:
    uid = _source(ask.found, "loki")
    query = _selector(ask)
    if ask.text("severity") in ("error", "fatal"):
        query += f" |~ {_quoted(_ERROR_WORDS)}"
    if ask.text("contains"):
        query += f" |= {_quoted(ask.text('contains'))}"
    window = {"startRfc3339": ask.times.start_iso, "endRfc3339": ask.times.end_iso}
    return ({"datasourceUid": uid, "logql": query, "limit": LOKI_ROWS, **window},) if uid else ()


def _loki_logs(data: Any, ask: Ask) -> Given | None:
    rows = rows_of(data, "data", "logs")
    if not rows and data not in ([], {}) and not _is_query_answer(data):
        return None
    found = [
        lines.levelled(row["line"], str(dig(row, "labels", "detected_level") or dig(row, "labels", "level") or ""))
        for row in rows
        if isinstance(row.get("line"), str)
    ]
    return _logs(found, ask, LOKI_ROWS)


def _loki_patterns_ask(ask: Ask) -> tuple[Json, ...]:
    uid = _source(ask.found, "loki")
    window = {"startRfc3339": ask.times.start_iso, "endRfc3339": ask.times.end_iso}
    return ({"datasourceUid": uid, "logql": _selector(ask), **window},) if uid else ()


def _loki_patterns(data: Any, ask: Ask) -> Given | None:
    rows = rows_of(data, "data", "patterns")
    if not rows and data not in ([], {}):
        return None
    shown: list[Json] = [
        {
            "template": clean(str(row.get("pattern") or ""), 240),
            "level": "other",
            "count": int(_float(row.get("totalCount"))),
        }
        for row in rows
    ]
    shown.sort(key=lambda p: (-p["count"], p["template"]))
    total = sum(p["count"] for p in shown)
    return Given(
        f"{total} lines, {len(shown)} patterns", {"total": total, "patterns": shown[:MAX_ROWS]}, tainted=lines.TAINTED
    )


def _prometheus_ask(start: str, end: str) -> Any:
    def asks(ask: Ask) -> tuple[Json, ...]:
        uid = _source(ask.found, "prometheus")
        if not uid or not ask.text("query"):
            return ()
        window = {start: ask.times.start_iso, end: ask.times.end_iso}
        step = max(15, ask.times.range.seconds // 60)
        return ({"datasourceUid": uid, "expr": ask.text("query"), "queryType": "range", "stepSeconds": step, **window},)

    return asks


def _series(data: Any, ask: Ask) -> Given | None:
    rows = rows_of(data, "data", "result", "data.result")
    if not rows and data not in ([], {}) and not _is_query_answer(data):
        return None
    shown: list[Json] = []
    for row in rows:
        points = row.get("values") if isinstance(row.get("values"), list) else [row.get("value")]
        numbers = [v for p in points or [] if (v := _float(dig(p, 1), None)) is not None]
        if not numbers:
            continue
        labels = row.get("metric") if isinstance(row.get("metric"), dict) else {}
        shown.append(
            {
                "labels": {clean(str(k), 80): clean(str(v), 160) for k, v in (labels or {}).items()},
                "first": numbers[0],
                "last": numbers[-1],
                "min": min(numbers),
                "max": max(numbers),
                "points": len(numbers),
            }
        )
    return Given(f"{len(shown)} series", {"series": shown[:MAX_ROWS], "series_total": len(shown)})


def _float(value: Any, otherwise: Any = 0.0) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return otherwise
    return number if number == number and abs(number) != float("inf") else otherwise  # noqa: PLR0124 (not a number)


_LOKI: Final = ("list_datasources", {"type": "loki"})
_PROMETHEUS: Final = ("list_datasources", {"type": "prometheus"})
ADAPTERS: Final[tuple[Adapter, ...]] = (
    Adapter("logs.patterns", SIGNOZ, "signoz_search_logs", ("service", "start", "end"), _signoz_logs_ask, _signoz_logs),
    Adapter("logs.patterns", GRAFANA, "query_loki_logs", ("datasourceUid", "logql"), _loki_ask, _loki_logs, (), _LOKI),
    Adapter(
        "logs.patterns",
        GRAFANA,
        "query_loki_patterns",
        ("datasourceUid", "logql"),
        _loki_patterns_ask,
        _loki_patterns,
        (),
        _LOKI,
    ),
    Adapter(
        "service.red",
        SIGNOZ,
        "signoz_list_services",
        ("start", "end"),
        lambda ask: ({"start": str(ask.times.start_ns), "end": str(ask.times.end_ns), "limit": "200"},),
        _services,
    ),
    Adapter(
        "traces.search",
        SIGNOZ,
        "signoz_search_traces",
        ("service", "start", "end"),
        lambda ask: (
            {**_ms(ask), "limit": "100", **({"service": ask.text("service")} if ask.text("service") else {})},
        ),
        _traces,
    ),
    Adapter("alerts.list", SIGNOZ, "signoz_list_alerts", (), lambda ask: ({},), _alerts),
    Adapter(
        "metrics.promql",
        GRAFANA,
        "query_prometheus",
        ("datasourceUid", "expr", "startTime"),
        _prometheus_ask("startTime", "endTime"),
        _series,
        (),
        _PROMETHEUS,
    ),
    Adapter(
        "metrics.promql",
        GRAFANA,
        "query_prometheus",
        ("datasourceUid", "expr", "startRfc3339"),
        _prometheus_ask("startRfc3339", "endRfc3339"),
        _series,
        (),
        _PROMETHEUS,
    ),
)
