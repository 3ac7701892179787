"""`Report` as the JSON of ``rca investigate --output json``: the contract that other programs read."""

from typing import Any

from bot.investigation.model import Report
from bot.tools.evidence import Evidence


def render(report: Report) -> dict[str, Any]:
    """A JSON-ready mapping. Keys are stable; unknown values are null or empty, never left out."""
    return {
        "id": report.id,
        "verdict": report.verdict,
        "headline": report.headline,
        "summary": report.summary or report.headline,
        "since": report.since,
        "affected": report.affected,
        "alert": report.alert.model_dump(mode="json", exclude={"raw"}),
        "playbook": report.playbook,
        "chosen_because": report.chosen_because,
        "causes": [c.model_dump(mode="json") for c in report.causes],
        "why": [c.model_dump(mode="json") for c in report.why],
        "known": [c.model_dump(mode="json") for c in report.known],
        "explanation": [c.model_dump(mode="json") for c in report.explanation],
        "findings": [f.model_dump(mode="json") for f in report.findings],
        "ruled_out": [c.model_dump(mode="json") for c in report.ruled_out],
        "not_checked": [c.model_dump(mode="json") for c in report.not_checked],
        "checks": [c.model_dump(mode="json") for c in report.checks],
        "changes": [c.model_dump(mode="json") for c in report.changes],
        "blind_spots": list(report.blind_spots),
        "remediation": [a.model_dump(mode="json") for a in report.remediation],
        "next_steps": list(report.next_steps),
        "evidence": [_evidence(e) for e in report.evidence],
        "notes": list(report.notes),
        "cost": report.cost.model_dump(mode="json"),
        "tool_calls": report.tool_calls,
        "started_at": report.started_at.isoformat(),
        "duration_seconds": round(report.duration_seconds, 3),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return evidence.model_dump(mode="json", exclude={"text"} if evidence.data is not None else None)
