"""`get_service_overview`: which services became worse, and since which version."""

import asyncio
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Signal, ToolFailure, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import parse_range
from mcp_servers.signoz.client import Row
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import ALERT_AT, SERVICE, name, number, ratio, short, subject
from mcp_servers.signoz.red import Health, read_health, sample_of, signals_of
from mcp_servers.signoz.windows import Windows, iso, windows
from mcp_servers.signoz.windows_compare import keep

SIGNALS = (
    "svc.error_rate_up",
    "svc.latency_up",
    "svc.self_time_up",
    "svc.traffic_drop",
    "svc.traffic_spike",
    "svc.no_data",
    "svc.new_version",
)
DESCRIPTION = (
    "Request rate, error share, latency and own work of one service, or of all (worst first), against the time before: which became worse, "
    "which went silent, which runs a new version. alert_at (the alert's start) sets what counts as before."
)


class Version(Lean):
    """A service version and the share of spans it wrote in the current window."""

    version: str
    first_seen: str
    share_ratio: float


class ServiceRow(Lean):
    """One service; times in ms, own time per request; ``base_`` is the time before."""

    service: str
    calls_per_s: float
    base_calls_per_s: float = 0
    error_ratio: float = 0
    base_error_ratio: float = 0
    p99_ms: float = 0
    base_p99_ms: float = 0
    self_ms: float = 0
    base_self_ms: float = 0
    score: float = 0
    versions: list[Version] = Field(default_factory=list)


class ServiceOverview(Envelope):
    """``services`` are sorted by score: what became worse by its own doing stands first."""

    services: list[ServiceRow]
    services_total: int


def tools(context: Context) -> list[Tool]:
    async def get_service_overview(
        service: Annotated[str, Field(pattern=SERVICE, description="service.name; empty: all, worst first")] = "",
        time_range: Annotated[str, Field(max_length=100)] = "30m",
        alert_at: Annotated[str, Field(pattern=ALERT_AT, description="ISO time of the alert's start")] = "",
        limit: Annotated[int, Field(ge=1, le=25)] = 10,
    ) -> Annotated[CallToolResult, ServiceOverview]:
        source = await context.source()
        asked = parse_range(time_range, context.clock())
        both = await windows(source, asked, alert_at)
        sample = await sample_of(source, both)
        read, own, versions = await asyncio.gather(
            source.service_rates(both, service), source.own_time(both, service, sample), source.versions(both, service)
        )
        rates, seen = read.rows, versions.rows
        if service and not rates and not seen:
            everybody = [str(row["service"]) for row in (await source.service_rates(both, "")).rows]
            near = get_close_matches(service, everybody, 5, 0.4)
            raise ToolFailure(
                "NOT_FOUND",
                f"no span of service {service[:80]} between {iso(min(both.base_from, both.cur_from))} and {iso(both.cur_to)}",
                hint=f"services with a close name: {', '.join(near)}"
                if near
                else f"{len(everybody)} services have spans there",
            )
        health = read_health(rates, own.rows, sample)
        ranked = sorted(health.values(), key=lambda h: (-h.score(), h.service))
        answer = ServiceOverview(
            summary="",
            window=asked.window(),
            notes=[*asked.notes, *both.notes, *read.notes, *own.notes, *versions.notes],
            services=[_row(h, both, _versions(h.service, seen)) for h in ranked[:limit]],
            services_total=len(ranked),
        )
        if sample > 1:
            answer.notes.append(f"own time is measured on every {sample}. trace")
        weighed = [(_explains(one, s), s) for one in ranked for s in signals_of(one, both)]
        if not service:
            weighed = list(_compared(weighed))
        weighed += [(1e9, s) for s in _new_versions(seen, both)]
        answer.signals = keep(weighed, answer.notes)
        answer.summary = _summary(service, ranked, answer.signals)
        return ok(answer)

    return [strict.tool(get_service_overview, "get_service_overview", DESCRIPTION, SIGNALS)]


def _compared(weighed: list[tuple[float, Signal]]) -> Iterator[tuple[float, Signal]]:
    """The same; of the services whose own time grew the one that explains most of the waiting is marked."""
    most = max((weight for weight, s in weighed if s.code == "svc.self_time_up"), default=0.0)
    for weight, found in weighed:
        reason = "most" if weight == most else "less"
        yield weight, found.model_copy(update={"reason": reason}) if found.code == "svc.self_time_up" else found


def _explains(one: Health, found: Signal) -> float:
    """What began here explains more than what was inherited; own time by all of it that was added."""
    if found.code == "svc.error_rate_up":
        return one.origins
    if found.code == "svc.self_time_up":
        return 1e6 + max(0.0, one.extra_self_ms) * one.calls
    if found.code == "svc.no_data":
        return 1e9
    return max(0.0, one.took.slower) * one.calls / 1e6 if found.code == "svc.latency_up" else 0.0


def _row(h: Health, both: Windows, versions: list[Version]) -> ServiceRow:
    return ServiceRow(
        service=name(h.service),
        calls_per_s=short(h.calls / both.cur_s),
        base_calls_per_s=short(h.base_calls / both.base_s) if both.compared else 0,
        error_ratio=ratio(h.errors, h.calls),
        base_error_ratio=ratio(h.base_errors, h.base_calls),
        p99_ms=short(h.p99),
        base_p99_ms=short(h.base_p99),
        self_ms=short(h.self_ms),
        base_self_ms=short(h.base_self_ms),
        score=short(h.score()),
        versions=versions,
    )


def _versions(service: str, seen: list[Row]) -> list[Version]:
    own = [row for row in seen if row["service"] == service and row["version"]]
    total = sum(number(row["n"]) for row in own)
    return [
        Version(
            version=name(row["version"], 60),
            first_seen=iso(number(row["first"])),
            share_ratio=ratio(number(row["n"]), total),
        )
        for row in own[-4:]
    ]


def _new_versions(seen: list[Row], both: Windows) -> list[Signal]:
    """A version without spans in the baseline, of a service that had some there under another."""
    found: list[Signal] = []
    for row in seen:
        before = [o for o in seen if o["service"] == row["service"] and o["version"] and number(o["base_n"]) > 0]
        if both.compared and row["version"] and number(row["n"]) > 0 and number(row["base_n"]) == 0 and before:
            detail = f"version {name(row['version'], 60)} appeared; before it ran {name(before[-1]['version'], 60)}"
            found.append(
                signal("svc.new_version", subject(str(row["service"])), detail, since=iso(number(row["first"])))
            )
    return found


def _summary(service: str, ranked: list[Health], signals: list[Signal]) -> str:
    if not ranked:
        return "no service has server spans in this window"
    worst = ranked[0]
    if not signals:
        return (
            f"{len(ranked)} services, none became worse"
            if not service
            else f"{name(service)}: {worst.calls:.0f} requests, nothing became worse"
        )
    told = f"{name(worst.service)}: {worst.error_ratio:.1%} errors (before {worst.base_error_ratio:.1%}), "
    told += f"p99 {worst.p99:.0f} ms (before {worst.base_p99:.0f}), own work {worst.self_ms:.0f} ms (before {worst.base_self_ms:.0f})"
    return told if service else f"{len({s.subject for s in signals})} of {len(ranked)} services changed; {told}"
