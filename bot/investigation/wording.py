"""The words that all renderings share: times, durations, certainty, counts. Local decisions, one place."""

from datetime import UTC, datetime

from bot.investigation.model import Report

CERTAINTY = {"confirmed": "Confirmed", "likely": "Likely", "inconclusive": "Inconclusive", "resolved": "Resolved"}


def clock(stamp: str | datetime | None, *, now: datetime | None = None) -> str:
    """ "03:12" for today, "21 Nov 03:12" for another day (UTC); "" for nothing; the text itself when it is no time."""
    if not stamp:
        return ""
    if isinstance(stamp, datetime):
        moment = stamp
    else:
        try:
            moment = datetime.fromisoformat(stamp)
        except ValueError:
            return stamp
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    today = (now or datetime.now(UTC)).date()
    return f"{moment:%H:%M}" if moment.date() == today else f"{moment.day} {moment:%b %H:%M}"


def seconds(value: float) -> str:
    """ "0.4 s", "9 s", "3 min 5 s"."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{round(value)} s"
    return f"{int(value // 60)} min {round(value % 60)} s"


def certainty(report: Report) -> str:
    """ "Confirmed · since 03:01 · all 3 replicas of the new revision"."""
    parts = [CERTAINTY[report.verdict]]
    if report.since:
        parts.append(f"since {clock(report.since, now=report.started_at)} UTC")
    if report.affected:
        parts.append(report.affected)
    return " · ".join(parts)


def model_line(report: Report) -> str:
    """ "no model", or its name with tokens and money."""
    cost = report.cost
    if not cost.model:
        return "no model"
    money = "" if cost.usd is None else f" · ${cost.usd:.3f}"
    calls = "1 call" if cost.calls == 1 else f"{cost.calls} calls"
    return f"{cost.model}, {calls}, {cost.input_tokens + cost.output_tokens:,} tokens{money}"


def footer(report: Report) -> str:
    """ "Checked 7 of 7 · 9 s · no model · kube-pod-crash-looping"."""
    ran, due = report.ran
    parts = (f"Checked {ran} of {due}", seconds(report.duration_seconds), model_line(report), report.playbook)
    return " · ".join(part for part in parts if part)


def refs(evidence: tuple[str, ...]) -> str:
    """ " [E1] [E3]"; "" without evidence."""
    return "".join(f" [{e}]" for e in evidence)
