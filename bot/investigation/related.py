"""``alert.related``: what the alerts that came together say in figures. A step like any other, answered here without a server.

A group of alerts is the cheapest picture of the blast radius: each names a service and how far it is from its usual self. Callers wait
for whatever is slow behind them, so all of them slow down; the one that changed most in relation to its own usual value is where to look
first. That is a rule of thumb, not a proof: no finding on these signals is decisive.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bot.alerts.figures import Figure, figures
from bot.alerts.lead import sibling
from bot.alerts.model import Alert, Sibling
from bot.tools.evidence import Evidence
from bot.tools.inventory import ToolInfo
from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean

SERVER: Final = "alert"
TOOL: Final = "alert.related"
MAX_ROWS: Final = 30
GROWN: Final = 1.5
"""How many times its usual value a figure must be before it counts as changed."""
LEAST_MS: Final = 1.0
"""Usual latencies below this are taken for this: a multiple of next to nothing says nothing."""
_CODES: Final = {
    "latency": "alert.latency_up",
    "errors": "alert.errors_up",
    "cpu": "alert.cpu_up",
    "memory": "alert.memory_up",
    "network": "alert.network_bad",
}
INFO: Final = ToolInfo(
    name=TOOL,
    server=SERVER,
    tool="related",
    description="What the alerts of the same message or group say in figures. Answered by the bot itself.",
    schema={"type": "object", "properties": {}, "additionalProperties": False},
    signals=(*_CODES.values(), "alert.traffic_drop"),
    read_only=True,
)


@dataclass
class _Place:
    """Everything that the alerts say about one service or node."""

    subject: str
    namespace: str = ""
    names: list[str] = field(default_factory=list)
    grown: dict[str, tuple[float, Figure]] = field(
        default_factory=dict
    )  # kind -> how much, and the figure that says so
    traffic: Figure | None = None


def related(alert: Alert, *, id: str, step: str, title: str = "") -> Evidence:
    """The evidence of the step. Deterministic; reads nothing but the alert."""
    places = _places([sibling(alert), *alert.siblings])
    signals = tuple(_signals(places))
    slowest = next((s for s in signals if s.code == "alert.latency_up" and s.reason in ("most", "busy")), None)
    count = len(alert.siblings)
    summary = f"{count} more {'alert' if count == 1 else 'alerts'} about {len(places)} {'place' if len(places) == 1 else 'places'}"
    if slowest:
        summary += f"; {slowest.detail}"
    return Evidence(
        id=id,
        step=step,
        title=title,
        server=SERVER,
        tool="related",
        summary=summary,
        data={
            "summary": summary,
            "alerts": count,
            "places": [
                {"subject": p.subject, "namespace": p.namespace, "alerts": p.names[:5]} for p in places[:MAX_ROWS]
            ],
        },
        signals=signals,
        tainted=("places[].alerts[]",),
        at=datetime.now(UTC),
    )


def _places(alerts: Iterable[Sibling]) -> list[_Place]:
    places: dict[str, _Place] = {}
    for one in alerts:
        subject = _subject(one)
        if not subject:
            continue
        place = places.setdefault(subject, _Place(subject, one.namespace))
        if (name := clean(one.name, 80)) not in place.names:
            place.names.append(name)
        for figure in figures(one.text):
            _note(place, figure)
    return list(places.values())


def _subject(one: Sibling) -> str:
    if one.service:
        return f"service/{one.service}"
    if one.workload:
        return f"service/{one.workload.rpartition('/')[2]}"
    return f"Node/{one.node}" if one.node else ""


def _note(place: _Place, figure: Figure) -> None:
    kind, grown = figure.kind, _grown(figure)
    if kind == "traffic":
        if place.traffic is None and figure.before > 0 and figure.now < figure.before:
            place.traffic = figure
        return
    if kind == "success":
        kind, grown = "errors", max(0.0, figure.before - figure.now)  # points of a percentage
    if kind in _CODES and grown >= (GROWN if figure.kind != "success" else 1.0):
        known = place.grown.get(kind)
        if known is None or grown > known[0]:
            place.grown[kind] = (grown, figure)


def _grown(figure: Figure) -> float:
    if figure.kind == "latency":
        return figure.now / max(figure.before, LEAST_MS)
    if figure.kind == "network":
        return 1.0 + figure.now - figure.before if figure.before < 1 else figure.now / figure.before
    return figure.growth or 0.0


def _signals(places: list[_Place]) -> Iterable[Signal]:
    for kind, code in _CODES.items():
        ranked = sorted((p for p in places if kind in p.grown), key=lambda p: (-p.grown[kind][0], p.subject))
        for n, place in enumerate(ranked[:MAX_ROWS]):
            growth, figure = place.grown[kind]
            busy = kind == "latency" and ("cpu" in place.grown or "memory" in place.grown)
            reason = "less" if n else "busy" if busy else "most"
            yield signal(
                code,
                place.subject,
                _said(kind, place, growth, figure, first=n == 0, others=len(ranked) - 1),
                reason=reason,
                value=round(figure.now, 3),
                baseline=round(figure.before, 3),
                unit=figure.unit,
            )
    for place in places[:MAX_ROWS]:
        drop = place.traffic
        if drop and drop.now <= drop.before / GROWN:
            detail = f"{_name(place)} gets {_value(drop.now, drop.unit)} instead of {_value(drop.before, drop.unit)}"
            yield signal("alert.traffic_drop", place.subject, detail, value=drop.now, baseline=drop.before)


def _said(kind: str, place: _Place, growth: float, figure: Figure, *, first: bool, others: int) -> str:
    unit = "" if kind == "network" else figure.unit  # packets, whatever the rule's author calls them
    now, before = _value(figure.now, unit), _value(figure.before, unit)
    what = {"latency": "takes", "errors": "has", "cpu": "uses", "memory": "uses", "network": "has"}[kind]
    noun = {
        "latency": "",
        "errors": " success" if figure.kind == "success" else " errors",
        "cpu": " CPU",
        "memory": " memory",
        "network": " resent packets",
    }[kind]
    line = f"{_name(place)} {what} {now}{noun} instead of {before}"
    if figure.unit == "ms" and growth >= 2:
        line += f" ({growth:,.0f} times)"
    return f"{line}, the greatest growth of {others + 1} services" if first and others else line


def _name(place: _Place) -> str:
    return clean(place.subject.partition("/")[2], 80)


def _value(value: float, unit: str) -> str:
    if unit == "ms" and value >= 1000:
        return f"{value / 1000:.3g} s"
    return f"{value:.3g} {unit}".strip() if unit != "%" else f"{value:.3g} %"
