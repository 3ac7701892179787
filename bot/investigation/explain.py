"""The analyst's place in an investigation: a finished report in, the same report with a grounded explanation out.

The rules' verdict, causes and remediation stay as they are, whatever the model says. Where it disagrees, or where the rules found nothing
and it names a cause that its evidence bears out, the report says so in a line.
"""

from dataclasses import dataclass

from bot.investigation.analyst import Analysis, Analyst
from bot.investigation.causes import says
from bot.investigation.model import Cited, Report
from bot.playbooks.model import Playbook
from bot.tools.functions import Door

SUGGEST_FROM = 0.5


@dataclass(frozen=True)
class Explainer:
    """``await explainer(report, playbook)``. ``door`` gives the model the tools that the playbook's agent block names."""

    analyst: Analyst
    door: Door | None = None

    async def __call__(self, report: Report, playbook: Playbook) -> Report:
        """Raises nothing but ``CancelledError``; without an agent block, or without a model, the report comes back as it was."""
        if playbook.agent is None or not self.analyst.configured:
            return report
        analysis = await self.analyst.analyse(
            report.alert, playbook.agent, report.findings, report.evidence, door=self.door
        )
        return merged(report, analysis)


def merged(report: Report, analysis: Analysis) -> Report:
    """``report`` with what ``analysis`` adds."""
    notes = [n for n in (analysis.note, *analysis.notes, *_opinion(report, analysis)) if n]
    claims = analysis.claims
    explanation: list[Cited] = []
    next_steps = list(report.next_steps)
    if claims is not None:
        explanation = [line.cited() for line in (claims.headline, *claims.claims) if line is not None]
        if report.verdict == "inconclusive":
            next_steps += [step for step in claims.next_steps if step not in next_steps]
    return report.model_copy(
        update={
            "explanation": _once(explanation),
            "ruled_out": _once([*report.ruled_out, *(line.cited() for line in (claims.ruled_out if claims else ()))]),
            "next_steps": tuple(next_steps),
            "evidence": (*report.evidence, *analysis.evidence),
            "notes": tuple(dict.fromkeys([*report.notes, *notes])),
            "cost": analysis.cost,
            "tool_calls": report.tool_calls + len(analysis.evidence),
        }
    )


def _opinion(report: Report, analysis: Analysis) -> list[str]:
    """A line where the model sees another cause than the rules, or one where they see none."""
    if analysis.claims is None:
        return []
    sound = [c for c in analysis.claims.causes if c.verified and not c.tainted and c.confidence >= SUGGEST_FROM]
    if not sound or any(c.code == rule.code for c in sound for rule in report.causes[:3]):
        return []
    best = sound[0]
    where = f"{says(best.code)} ({best.code}) on {best.object} [{', '.join(best.evidence)}]"
    if report.causes and report.verdict != "inconclusive":
        return [f"the model sees another cause: {where}; the rules do not bear it out, so the verdict stands"]
    return [f"the model suggests: {where}; no rule bears it out, so it stays a suggestion"]


def _once(lines: list[Cited]) -> tuple[Cited, ...]:
    return tuple({line.text.casefold(): line for line in reversed(lines)}.values())[::-1]
