"""`get_alerts`: which alerts fire together, the best picture of how far a trouble reaches."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Ref, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import parse_range
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import SERVICE, name, short, subject
from mcp_servers.signoz.windows import iso

SIGNALS = ("alert.nodata",)
DESCRIPTION = (
    "SigNoz alerts that fire now (or all that changed in the time range), grouped by rule: since when, for which labels, value and "
    "threshold. Alerts that fire together show how far a trouble reaches. service keeps those that name it."
)
SERVICE_LABELS = ("service.name", "service_name", "service", "serviceName")
ON = frozenset({"firing", "nodata", "recovering"})
_LABELS, _IGNORED = (
    8,
    frozenset({"alertname", "severity", "ruleId", "ruleSource", "threshold.name", "nodata", "testalert"}),
)
_RANK = {"critical": 0, "error": 1, "warning": 2}


class AlertRow(Lean):
    """One rule's alerts in one state. ``labels`` are those of its newest instance, ``value`` and ``threshold`` in the rule's own unit;
    ``since`` is the first that is on, ``ended`` the last that is over.
    """

    rule_id: str
    name: str
    state: str
    severity: str = ""
    since: str
    ended: str | None = None
    instances: int = 1
    services: list[str] = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict)
    value: float | None = None
    threshold: float | None = None
    about: str = ""


class Alerts(Envelope):
    """``alerts``: the gravest first, then the newest; ``alerts_total`` counts rules by state."""

    alerts: list[AlertRow]
    alerts_total: int
    instances_total: int = 0


def tools(context: Context) -> list[Tool]:
    async def get_alerts(
        state: Literal["firing", "all"] = "firing",
        service: Annotated[
            str, Field(pattern=SERVICE, description="a service that the alert's labels name; empty: all")
        ] = "",
        time_range: Annotated[str, Field(max_length=100)] = "6h",
        limit: Annotated[int, Field(ge=1, le=50)] = 20,
    ) -> Annotated[CallToolResult, Alerts]:
        source = await context.source()
        asked = parse_range(time_range, context.clock())
        read = await source.alerts(int(asked.start.timestamp()), int(asked.end.timestamp()) + 1)
        told = [r for r in read.rows if state == "all" or r["state"] in ON]
        kept = [r for r in told if not service or service in services_of(r["labels"])]
        rows = _grouped(kept)
        answer = Alerts(
            summary="",
            window=asked.window(),
            notes=[*asked.notes, *read.notes],
            alerts=rows[:limit],
            alerts_total=len(rows),
            instances_total=len(kept),
            refs=[ref for row in rows[:limit] for ref in link(context, row.rule_id)],
            untrusted=["alerts[].labels", "alerts[].about"],
        )
        if len(rows) > limit:
            answer.notes.append(f"{len(rows) - limit} more rules are left out")
        for row in [r for r in rows if r.state == "nodata"][:10]:
            about = subject(row.services[0]) if row.services else f"alert/{row.name or row.rule_id}"
            answer.signals.append(
                signal("alert.nodata", about, f"{row.name} fires because its data is missing", since=row.since)
            )
        if not rows:
            answer.notes.append(_why_empty(len(read.rows), len(told), state, service))
        answer.summary = _summary(rows, len(kept), state, service)
        return ok(answer)

    return [strict.tool(get_alerts, "get_alerts", DESCRIPTION, SIGNALS)]


def services_of(labels: dict[str, str]) -> list[str]:
    """The services that an alert's labels name."""
    return list(dict.fromkeys(labels[k] for k in SERVICE_LABELS if labels.get(k)))


def link(context: Context, rule_id: str) -> list[Ref]:
    """Where a person sees the rule, if its page's address is known."""
    public = context.settings.public_url
    return (
        [Ref(id=f"signoz:rule/{rule_id}", url=f"{public}/alerts/edit?ruleId={rule_id}")] if public and rule_id else []
    )


def shown(labels: dict[str, str]) -> dict[str, str]:
    """The labels that tell of the object, in order of their names."""
    kept = sorted((k, v) for k, v in labels.items() if v and k not in _IGNORED)
    return {name(k, 60): clean(v, 120) for k, v in kept[:_LABELS]}


def _grouped(rows: list[dict[str, Any]]) -> list[AlertRow]:
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["rule_id"], row["name"], row["state"]), []).append(row)
    made = []
    for (rule_id, called, state), members in groups.items():
        newest = max(members, key=lambda r: (r["since"], sorted(r["labels"].items())))
        since, ended = min(r["since"] for r in members), max(r["ended"] for r in members)
        services = sorted({s for r in members for s in services_of(r["labels"])})
        made.append(
            AlertRow(
                rule_id=name(rule_id, 80),
                name=name(called, 160),
                state=state,
                severity=name(newest["severity"], 20),
                since=iso(since),
                ended=iso(ended) if ended else None,
                instances=len(members),
                services=[name(s) for s in services[:5]],
                labels=shown(newest["labels"]),
                value=None if newest["value"] is None else short(newest["value"]),
                threshold=newest["threshold"],
                about=clean(newest["summary"], 200),
            )
        )
    made.sort(key=lambda a: (a.rule_id, a.state))
    made.sort(key=lambda a: a.since, reverse=True)
    return sorted(made, key=lambda a: (a.state not in ON, _RANK.get(a.severity.lower(), 3)))


def _why_empty(read: int, on: int, state: str, service: str) -> str:
    if on and service:
        return f"{on} alerts are there, but none has a label that names {name(service, 80)}"
    if read and state == "firing":
        return f"none fires now; state=all shows {read} that did"
    return "SigNoz knows no alert in this time range: no rule fired, or there are no rules"


def _summary(rows: list[AlertRow], instances: int, state: str, service: str) -> str:
    about = f" of {name(service, 80)}" if service else ""
    if not rows:
        return f"0 alerts {'fire' if state == 'firing' else 'changed'}{about}"
    names = ", ".join(f"{r.name} ({r.severity or r.state})" for r in rows[:3])
    return (
        f"{len(rows)} alert rules{about}, {instances} instances, first on since {min(r.since for r in rows)}: {names}"
    )
