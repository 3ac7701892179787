"""Alerts as JSON: Alertmanager's webhook (version 4), SigNoz's and Grafana's kin of it, other products' (`bot.alerts.foreign`), our own.

Here every label has its name, so nothing is guessed. Broken entries are left out one by one; the rest stands.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bot.alerts import foreign
from bot.alerts.build import assemble, bounded
from bot.alerts.markup import add_link, unescape
from bot.alerts.model import Alert, Link, Parsed, Status
from bot.alerts.reading import MAX_ALERTS
from bot.alerts.subject import find
from bot.alerts.times import parse_time
from bot.alerts.words import status_of
from mcp_servers.common.untrusted import sanitise

_OWN = frozenset(Alert.model_fields)


def parse(payload: Mapping[str, Any]) -> Parsed | None:
    """What a webhook or an `Alert` as JSON holds; ``None`` for everything else (Slack messages among it)."""
    entries = payload.get("alerts")
    if isinstance(entries, list) and any(
        isinstance(e, Mapping) and isinstance(e.get("labels"), Mapping) for e in entries
    ):
        return _webhook(payload, entries)
    if isinstance(payload.get("labels"), Mapping) and ("alertname" in payload["labels"] or "startsAt" in payload):
        return _webhook(payload, [payload])
    read = foreign.parse(payload)
    if read is not None:
        return read
    if isinstance(payload.get("name"), str) and isinstance(payload.get("source"), str) and _OWN.issuperset(payload):
        return _own(payload)
    return None


def _webhook(payload: Mapping[str, Any], entries: list[Any]) -> Parsed:
    source = _source(payload, entries)
    alerts: list[Alert] = []
    for entry in entries[:MAX_ALERTS]:
        if isinstance(entry, Mapping) and isinstance(entry.get("labels"), Mapping):
            alert = _entry(payload, entry, source)
            if alert:
                alerts.append(alert)
    alerts.sort(key=lambda a: a.status == "resolved")
    left = len(entries) - MAX_ALERTS
    reason = f"{left} more alerts in this webhook were left out" if left > 0 else ""
    if not alerts:
        return Parsed(is_alert=True, source=source, reason="the webhook holds no alert with a name")
    return Parsed(is_alert=True, source=source, alerts=tuple(alerts), reason=reason)


def _source(payload: Mapping[str, Any], entries: list[Any]) -> str:
    first = next((e for e in entries if isinstance(e, Mapping)), {})
    labels = _strings(first.get("labels"))
    if "ruleSource" in labels or ("ruleId" in labels and "ruleid" not in labels):
        return "signoz"
    if "grafana_folder" in labels or "orgId" in payload or "dashboardURL" in first or "valueString" in first:
        return "grafana"
    return "alertmanager"


def _entry(payload: Mapping[str, Any], entry: Mapping[str, Any], source: str) -> Alert | None:
    labels = {**_strings(payload.get("commonLabels")), **_strings(entry.get("labels"))}
    annotations = {**_strings(payload.get("commonAnnotations")), **_strings(entry.get("annotations"))}
    name = labels.get("alertname", "") or labels.get("rulename", "") or _string(entry.get("name"))
    if name.lower().startswith("[no data]"):
        name = name[9:].strip() or name
    if not name.strip():
        return None
    said = status_of(_string(entry.get("status"))) or status_of(_string(payload.get("status")))
    status: Status = said or "firing"
    summary = annotations.get("summary") or annotations.get("title") or ""
    description = annotations.get("description") or annotations.get("message") or ""
    links: list[Link] = []
    add_link(links, "Runbook", annotations.get("runbook_url") or annotations.get("runbook") or "")
    add_link(links, "Source", _string(entry.get("generatorURL")))
    for key, title in (("dashboardURL", "Dashboard"), ("panelURL", "Panel"), ("externalURL", "Sender")):
        add_link(links, title, _string(entry.get(key)) or _string(payload.get(key)))
    for key in ("related_logs", "related_traces", "__dashboardUid__", "ruleSource"):
        add_link(links, key.replace("_", " "), annotations.get(key) or labels.get(key) or "")
    return assemble(
        source=source,
        name=name,
        status=status,
        severity_word=labels.get("severity") or labels.get("priority") or labels.get("level") or "",
        summary=summary,
        description=description,
        labels=labels,
        annotations=annotations,
        values=(),
        starts_at=parse_time(_string(entry.get("startsAt"))),
        ends_at=parse_time(_string(entry.get("endsAt"))) if status == "resolved" else None,
        links=tuple(links),
        expr=annotations.get("expr") or "",
        subject=find(labels, [summary, description], name),
        raw=bounded(entry),
    )


def _own(payload: Mapping[str, Any]) -> Parsed | None:
    try:
        alert = Alert.model_validate(dict(payload))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Parsed(is_alert=False, reason=f"an alert as JSON with a wrong field {where}: {first['msg']}")
    subject = find(alert.labels, [alert.summary, alert.description], alert.name, alert.values)
    read = assemble(
        source=alert.source,
        name=alert.name,
        status=alert.status,
        severity_word=alert.severity_word or (alert.severity or ""),
        summary=alert.summary,
        description=alert.description,
        labels=alert.labels,
        annotations=alert.annotations,
        values=alert.values,
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        links=alert.links,
        expr=alert.expr,
        subject=subject,
        raw=bounded(alert.raw),
    )
    stated = {
        key: value
        for key in (
            "namespace",
            "pod",
            "container",
            "workload",
            "service",
            "node",
            "cluster",
            "fingerprint",
            "severity",
        )
        if (value := getattr(alert, key))
    }
    kept = read.model_copy(update=stated)
    return Parsed(is_alert=True, source=alert.source, alerts=(kept,))


def _string(value: Any) -> str:
    return sanitise(value[:8_000]) if isinstance(value, str) else ""


def _strings(value: Any) -> dict[str, str]:
    """Label-like pairs: strings stay, numbers and booleans become strings, all else is left out."""
    if not isinstance(value, Mapping):
        return {}
    out: dict[str, str] = {}
    for key, inner in list(value.items())[:100]:
        if isinstance(inner, bool):
            out[str(key)[:100]] = str(inner).lower()
        elif isinstance(inner, str):
            out[str(key)[:100]] = unescape(sanitise(inner[:8_000]))
        elif isinstance(inner, int | float) and abs(inner) < 1e15:
            out[str(key)[:100]] = str(inner)
    return out
