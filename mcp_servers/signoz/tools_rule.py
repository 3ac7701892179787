"""`get_alert_rule`: what an alert really measures, and how often it has cried before."""

import re
from collections import Counter
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ToolFailure, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import parse_range
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import name, short, subject
from mcp_servers.signoz.tools_alerts import link, services_of, shown
from mcp_servers.signoz.windows import iso

SIGNALS = ("alert.flapping", "alert.nodata")
DESCRIPTION = (
    "One SigNoz alert rule by id (or an alert link that holds ruleId): its condition in a sentence, its filter ready for the other tools, "
    "when it fired in the time range, for whom, how often it flapped, how often its data was missing."
)
FLAPS = 4  # firings of one instance in the window: it went on and off rather than stayed
_TIMELINE, _CONTRIBUTORS = 20, 5
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,79}")


class Change(Lean):
    """``value`` is what was measured then."""

    at: str
    state: str
    labels: dict[str, str] = Field(default_factory=dict)
    value: float | None = None


class Contributor(Lean):
    """An instance of the rule and how often it began to fire."""

    labels: dict[str, str]
    count: int


class Rule(Envelope):
    """``timeline``: the newest changes, the oldest of them first. ``fired`` counts how often an instance began to fire."""

    rule_id: str
    name: str
    severity: str = ""
    kind: str = ""
    condition: str = ""
    filter: str = ""
    group_by: list[str] = Field(default_factory=list)
    disabled: bool = False
    fired: int = 0
    nodata: int = 0
    timeline: list[Change] = Field(default_factory=list)
    contributors: list[Contributor] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_alert_rule(
        rule: Annotated[str, Field(min_length=1, max_length=2000, description="rule id, or a link with ruleId=")],
        time_range: Annotated[str, Field(max_length=100)] = "24h",
    ) -> Annotated[CallToolResult, Rule]:
        source = await context.source()
        rule_id = rule_of(rule)
        asked = parse_range(time_range, context.clock())
        known = await source.rule(rule_id)
        history = await source.rule_history(rule_id, int(asked.start.timestamp()), int(asked.end.timestamp()) + 1)
        if not known.rows:
            raise ToolFailure(
                "NOT_FOUND", f"SigNoz knows no rule {rule_id}", hint="get_alerts state=all lists rules with their ids"
            )
        one = known.rows[0]
        answer = Rule(
            summary="",
            window=asked.window(),
            notes=[*asked.notes, *known.notes, *history.notes],
            rule_id=name(rule_id, 80),
            name=name(one["name"], 160),
            severity=name(one["severity"], 20),
            kind=name(one["kind"], 20),
            condition=clean(one["condition"], 400),
            filter=clean(one["filter"], 500),
            group_by=[name(g, 80) for g in one["group_by"]],
            disabled=one["disabled"],
            refs=link(context, rule_id),
            untrusted=["timeline[].labels", "contributors[].labels"],
        )
        _history(answer, history.rows, one["labels"])
        if answer.disabled:
            answer.notes.append("the rule is switched off")
        if not history.rows and not history.notes:
            answer.notes.append("its state did not change in this time range")
        answer.summary = _summary(answer)
        return ok(answer)

    return [strict.tool(get_alert_rule, "get_alert_rule", DESCRIPTION, SIGNALS)]


def rule_of(text: str) -> str:
    """The rule's id out of an id or a link. Raises `ToolFailure` VALIDATION."""
    text = text.strip().strip("<>").split("|", 1)[0]
    if "/" in text:
        try:
            parts = urlsplit(text)
        except ValueError as error:
            raise _no_rule() from error
        inside = parse_qs(parts.query).get("ruleId") or [parts.path.rstrip("/").rsplit("/", 1)[-1]]
        text = inside[0]
    if not _ID.fullmatch(text) or not any(c.isdigit() for c in text):
        raise _no_rule()
    return text


def _no_rule() -> ToolFailure:
    return ToolFailure(
        "VALIDATION", "rule holds no rule id", hint="the id of a rule, or a link with ruleId=, as get_alerts gives it"
    )


def _history(answer: Rule, rows: list[dict[str, Any]], labels: dict[str, str]) -> None:
    fired: Counter[tuple[tuple[str, str], ...]] = Counter()
    told: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for row in rows:
        key = tuple(sorted(row["labels"].items()))
        told[key] = row["labels"]
        fired[key] += row["state"] == "firing"
        answer.nodata += row["state"] == "nodata"
    answer.fired = sum(fired.values())
    answer.timeline = [
        Change(at=iso(r["at"]), state=name(r["state"], 20), labels=shown(r["labels"]), value=short(r["value"]))
        for r in rows[-_TIMELINE:]
    ]
    if len(rows) > _TIMELINE:
        answer.notes.append(f"{len(rows) - _TIMELINE} earlier changes are not shown")
    most = sorted(fired.items(), key=lambda f: (-f[1], f[0]))
    answer.contributors = [Contributor(labels=shown(told[k]), count=n) for k, n in most[:_CONTRIBUTORS] if n]
    for key, count in most[:3]:
        if count >= FLAPS:
            detail = f"{answer.name} went on {count} times in the time range"
            about = _subject(answer, told[key] | labels)
            answer.signals.append(signal("alert.flapping", about, detail, count=count, threshold=FLAPS))
    if answer.nodata:
        about = _subject(answer, (rows[-1]["labels"] if rows else {}) | labels)
        detail = f"{answer.name} had no data {answer.nodata} times in the time range"
        answer.signals.append(signal("alert.nodata", about, detail, count=answer.nodata))


def _subject(answer: Rule, labels: dict[str, str]) -> str:
    services = services_of(labels)
    return subject(services[0]) if services else f"alert/{answer.name or answer.rule_id}"


def _summary(answer: Rule) -> str:
    often = f"fired {answer.fired} times" if answer.fired != 1 else "fired once"
    return f"{often}; {answer.name or answer.rule_id}: {answer.condition or 'its condition is not known'}"
