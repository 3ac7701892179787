"""Answers to questions in an alert's thread, from what the investigation already knows. No tool is called for them.

Without a model the question's words are matched to topics and to evidence; with one, its sentences pass the same grounding as the report
and only those that hold are shown. Either way the answer ends with what was looked at and what was not visible.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from bot.investigation.analyst import Analyst
from bot.investigation.model import Report
from bot.investigation.topics import TOPICS, Line, Question, shown
from bot.investigation.wording import refs
from bot.tools.evidence import Evidence

MAX_LINES = 8
MAX_TITLES = 8
COMMON = frozenset(
    [
        "about",
        "does",
        "have",
        "that",
        "this",
        "there",
        "what",
        "which",
        "with",
        "from",
        "were",
        "been",
        "show",
        "tell",
        "please",
        "anything",
    ]
)


class Answer(BaseModel):
    """``text`` is Markdown; ``evidence`` the ids it rests on, in the order of their first use. ``note`` says what became of the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    evidence: tuple[str, ...] = ()
    note: str = ""


async def answer(question: str, report: Report, evidence: Sequence[Evidence], analyst: Analyst | None) -> Answer:
    """Answer ``question`` about ``report``.

    ``evidence`` are the records to answer from, usually the report's own. Raises nothing but ``CancelledError``.
    """
    report = report.model_copy(update={"evidence": tuple(evidence)})
    asked = Question.of(question, report)
    lines, note = await _from_model(question, report, analyst)
    if not lines:
        lines = _from_rules(asked, report)
    body = "\n".join(
        f"- {line.text}{refs(line.evidence)}" if len(lines) > 1 else f"{line.text}{refs(line.evidence)}"
        for line in lines
    )
    parts = [body, _horizon(report)]
    if note:
        parts.append(f"_{note}_")
    used = tuple(dict.fromkeys(e for line in lines for e in line.evidence))
    return Answer(text="\n\n".join(p for p in parts if p), evidence=used, note=note)


async def _from_model(question: str, report: Report, analyst: Analyst | None) -> tuple[list[Line], str]:
    """The model's sentences that hold, and a note when they are fewer than it said, or none."""
    if analyst is None or not analyst.configured:
        return [], ""
    analysis = await analyst.analyse(report.alert, None, report.findings, report.evidence, question=question)
    if analysis.claims is None:
        return [], analysis.note.replace(
            "findings are complete, the explanation is shorter", "answered from the evidence"
        )
    spoken = [c for c in (analysis.claims.headline, *analysis.claims.claims) if c is not None]
    sound = [c for c in spoken if c.verified and not c.tainted]
    if not sound:
        return [], "the model's answer did not hold against the evidence; answered from the evidence"
    lines = list(dict.fromkeys(Line(shown(c.text), c.evidence) for c in sound))[:MAX_LINES]
    left = len(spoken) - len(sound)
    return lines, f"{left} of {len(spoken)} sentences of the model did not hold and were left out" if left else ""


def _from_rules(asked: Question, report: Report) -> list[Line]:
    """Lines of the topics that the question asks for; else the evidence that shares most words with it; else the verdict."""
    topics = [t for t in TOPICS if t.asked(asked)]
    if len(topics) > 1:
        topics = [t for t in topics if t.id != "cause"]
    lines: list[Line] = []
    for topic in topics[:3]:
        lines += topic.lines(report, asked)
    if not lines:
        lines = _closest(asked, report)
    if not lines:
        known = ", ".join(t.id.replace("_", " ") for t in TOPICS[:8])
        verdict = next(t for t in TOPICS if t.id == "cause").lines(report, asked)[:1]
        lines = [Line(f"The evidence says nothing about that. It can be asked for: {known}."), *verdict]
    return list(dict.fromkeys(lines))[:MAX_LINES]


def _closest(asked: Question, report: Report) -> list[Line]:
    wanted = {w for w in asked.words if len(w) >= 4 and w not in COMMON}
    scored = []
    for at, one in enumerate(report.evidence):
        if not one.ok:
            continue
        words = set(re.findall(r"[\w-]+", f"{one.title} {one.tool} {one.summary} {one.text[:2_000]}".casefold()))
        hits = sum(any(word.startswith(w[:6]) for word in words) for w in wanted)
        if hits:
            scored.append((-hits, at, one))
    return [Line(shown(one.summary or one.title), (one.id,)) for _, _, one in sorted(scored, key=lambda s: s[:2])[:3]]


def _horizon(report: Report) -> str:
    """What was looked at, and what could not be seen."""
    looked = [shown(c.title) for c in report.checks if c.status == "ok"][:MAX_TITLES]
    blind = [shown(b) for b in report.blind_spots][:4]
    blind += [
        f"{shown(c.title)} ({shown(c.reason)})" if c.reason else shown(c.title)
        for c in report.checks
        if c.status == "failed"
    ][:4]
    parts = [f"Looked at: {', '.join(looked)}."] if looked else []
    if blind:
        parts.append(f"Blind: {', '.join(blind)}.")
    return " ".join(parts)
