"""What people ask in an alert's thread, as topics: which words ask for them, and what a report knows about each.

Pure: a report and a question in, cited lines out. `bot.investigation.answer` puts them together.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.investigation.grounding import harmless
from bot.investigation.model import Report
from bot.investigation.wording import CERTAINTY, clock
from bot.tools.evidence import Evidence

MAX_LINES: Final = 6
_WORD: Final = re.compile(r"[\w./-]+")
_SPAN: Final = re.compile(
    r"(?i)\b(?:last|past|previous)\s+(?P<n>\d{1,3}|an?|few|couple of|two|three|six|twelve)?\s*(?P<unit>min|hour|hr|h\b|day)"
)
_COUNTS: Final = {"": 1, "a": 1, "an": 1, "few": 3, "couple of": 2, "two": 2, "three": 3, "six": 6, "twelve": 12}


@dataclass(frozen=True)
class Line:
    """One line of an answer, fit to be shown, and the evidence it rests on."""

    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """A question as far as code understands it: its words, the known names in it, and how far back it asks."""

    text: str
    words: frozenset[str]
    names: tuple[str, ...]
    since: datetime | None = None

    @classmethod
    def of(cls, text: str, report: Report, now: datetime | None = None) -> "Question":
        low = text[:2_000].casefold()
        words = frozenset(_WORD.findall(low))
        known = names_of(report)
        asked = tuple(sorted(name for name in known if name in words))
        return cls(text, words, asked, _since(low, now or datetime.now(UTC)))


def _since(low: str, now: datetime) -> datetime | None:
    match = _SPAN.search(low)
    if match is None:
        return None
    raw = (match["n"] or "").strip()
    count = int(raw) if raw.isdigit() else _COUNTS.get(raw, 1)
    unit = match["unit"]
    return now - timedelta(minutes=count * (1 if unit == "min" else 1440 if unit == "day" else 60))


def names_of(report: Report) -> frozenset[str]:
    """Names of things that the report knows, lower case: of signals, changes, causes and of the alert."""
    found: set[str] = set()
    alert = report.alert
    for text in (alert.namespace, alert.pod, alert.service, alert.workload, alert.node, alert.container):
        found |= _parts(text)
    for change in report.changes:
        found |= _parts(change.target)
    for cause in report.causes:
        found |= _parts(cause.object)
    for one in report.evidence:
        for signal in one.signals:
            found |= _parts(signal.subject) | _parts(signal.owner)
    return frozenset(found)


def _parts(text: str) -> set[str]:
    return {part.casefold() for part in text.split("/") if len(part) >= 2}


def shown(text: str) -> str:
    """Foreign text in one harmless line: no links, mentions or commands, no markup of its own."""
    safe, _ = harmless(text.replace(" -> ", " → "))
    return re.sub(r"([*_`~\[\]<>])", r"\\\1", safe)


# topics


def changes(report: Report, question: Question) -> list[Line]:
    found = [c for c in report.changes if _about(c.target, question) and _late_enough(c.at, question)]
    lines = []
    for change in found[:MAX_LINES]:
        more = [d for d in change.diff[:3] if d not in change.what]
        diff = f" ({', '.join(more)})" if more else ""
        actor = f" by {change.actor}" if change.actor else ""
        lines.append(
            Line(f"{clock(change.at)} {shown(f'{change.target}: {change.what}{diff}{actor}')}", _ids(change.evidence))
        )
    if lines:
        return lines
    looked = _of_tools(report, ("change", "history", "rollout"))
    if not looked:
        return []
    where = f" in {_code(question.names)}" if question.names else ""
    span = f" since {clock(question.since)}" if question.since else ""
    return [Line(f"No change was found{where}{span}.", tuple(e.id for e in looked))]


def cause(report: Report, _question: Question) -> list[Line]:
    lines = [
        Line(
            f"{CERTAINTY[report.verdict]}: {shown(report.headline)}", report.causes[0].evidence if report.causes else ()
        )
    ]
    lines += [Line(shown(c.text), c.evidence) for c in (*report.why, *report.known)[:3]]
    return lines


def since(report: Report, _question: Question) -> list[Line]:
    if not report.since:
        return [Line("The evidence does not show when it began.")]
    evidence = report.causes[0].evidence if report.causes else ()
    fired = f"; the alert fired at {clock(report.alert.starts_at)}" if report.alert.starts_at else ""
    return [Line(f"Since {clock(report.since)} UTC{fired}.", evidence)]


def ruled_out(report: Report, _question: Question) -> list[Line]:
    if not report.ruled_out:
        return [Line("Nothing was ruled out by the checks that ran.")]
    return [Line(f"Ruled out: {shown(c.text)}", c.evidence) for c in report.ruled_out[:MAX_LINES]]


def remedy(report: Report, _question: Question) -> list[Line]:
    # Commands here come from the playbook's own remediation, never from evidence or a model, so they stay copyable.
    lines = [
        Line(f"{shown(a.do)}" + (f": `{a.command}`" if a.command else "") + f" ({a.risk} risk)", a.evidence)
        for a in report.remediation[:3]
    ]
    return lines or [Line(f"Next: {shown(step)}") for step in report.next_steps[:3]]


def affected(report: Report, _question: Question) -> list[Line]:
    objects = tuple(dict.fromkeys(f.object for f in report.findings if f.state == "true" and f.object))
    lines = [Line(shown(report.affected))] if report.affected else []
    if objects:
        evidence = tuple(dict.fromkeys(e for f in report.findings if f.state == "true" for e in f.evidence))
        lines.append(Line(f"Seen on {_code(objects[:6])}.", evidence[:6]))
    return lines


def checks(report: Report, _question: Question) -> list[Line]:
    ran, due = report.ran
    lines = [
        Line(f"{ran} of {due} checks ran.", tuple(c.evidence for c in report.checks if c.status == "ok" and c.evidence))
    ]
    lines += [Line(f"Not checked: {shown(c.text)}", c.evidence) for c in report.not_checked[:4]]
    return lines


def certainty(report: Report, _question: Question) -> list[Line]:
    ran, due = report.ran
    reasons = [shown(n) for n in report.notes[:2]]
    decisive = "decisive evidence" if any(c.decisive for c in report.causes[:1]) else "no decisive evidence"
    evidence = report.causes[0].evidence if report.causes else ()
    return [
        Line(f"{CERTAINTY[report.verdict]}: {decisive}, {ran} of {due} checks ran.", evidence),
        *(Line(r) for r in reasons),
    ]


def people(report: Report, question: Question) -> list[Line]:
    """Who changed something; ownership is not in the evidence."""
    found = [c for c in report.changes if c.actor and _about(c.target, question)]
    return [
        Line(f"{clock(c.at)} {shown(c.actor)}: {shown(f'{c.target}, {c.what}')}", _ids(c.evidence))
        for c in found[:MAX_LINES]
    ]


def of_signals(prefixes: tuple[str, ...], tools: tuple[str, ...]) -> Callable[[Report, Question], list[Line]]:
    """A topic that is answered by signals of some codes, else by the summaries of some tools."""

    def lines(report: Report, question: Question) -> list[Line]:
        found: list[Line] = []
        for one in report.evidence:
            for signal in one.signals:
                if signal.code.startswith(prefixes) and _about(f"{signal.subject}/{signal.owner}", question):
                    text = signal.detail or signal.code
                    found.append(Line(f"`{_plain(signal.subject)}`: {shown(text)}", (one.id,)))
        if found:
            return list(dict.fromkeys(found))[:MAX_LINES]
        told = [Line(shown(e.summary), (e.id,)) for e in _of_tools(report, tools) if e.summary][:MAX_LINES]
        if told or not prefixes:
            return told
        looked = tuple(e.id for e in report.evidence if e.ok)
        return [Line("No sign of that in what was looked at.", looked[:6])] if looked else []

    return lines


def _about(text: str, question: Question) -> bool:
    """Whether ``text`` names what was asked about; a question that names nothing is about everything."""
    if not question.names:
        return True
    parts = _parts(text)
    return any(name in parts or any(part.startswith(f"{name}-") for part in parts) for name in question.names)


def _late_enough(at: str, question: Question) -> bool:
    if question.since is None:
        return True
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return True  # an unknown time is no reason to hide a change
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return moment >= question.since


def _of_tools(report: Report, parts: tuple[str, ...]) -> list[Evidence]:
    return [e for e in report.evidence if e.ok and any(part in e.tool for part in parts)]


def _ids(evidence: str) -> tuple[str, ...]:
    return (evidence,) if evidence else ()


def _plain(text: str) -> str:
    return text.replace("`", "'")[:160]


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{_plain(name)}`" for name in names)


@dataclass(frozen=True)
class Topic:
    """``words`` are beginnings of words that ask for it."""

    id: str
    words: tuple[str, ...]
    lines: Callable[[Report, Question], list[Line]]

    def asked(self, question: Question) -> int:
        """How many of the question's words ask for this topic; the name of a thing ("checkout") is no word for a topic ("check")."""
        return sum(word.startswith(self.words) for word in question.words if word not in question.names)


TOPICS: Final = (
    Topic("changes", ("chang", "deploy", "rollout", "rolled", "releas", "config", "scal", "upgrad"), changes),
    Topic("people", ("who", "whom", "actor", "author"), people),
    Topic("ruled_out", ("rule", "ruled", "exclud", "eliminat"), ruled_out),
    Topic("since", ("since", "when", "start", "began", "begin", "onset"), since),
    Topic("remedy", ("fix", "mend", "mitigat", "resolv", "remed", "rollback", "undo", "next", "should"), remedy),
    Topic("affected", ("affect", "impact", "blast", "users", "customers", "down"), affected),
    Topic("certainty", ("sure", "certain", "confiden", "trust"), certainty),
    Topic("checks", ("check", "looked", "blind", "missing", "skipped", "ran"), checks),
    Topic(
        "memory",
        ("memory", "mem", "oom", "heap"),
        of_signals(("k8s.pod.oom", "res.mem", "log.oom", "node.memory"), ("usage",)),
    ),
    Topic("cpu", ("cpu", "throttl"), of_signals(("res.cpu",), ("usage",))),
    Topic("logs", ("log", "say", "says", "message", "exception", "stack", "error"), of_signals(("log.",), ("log",))),
    Topic("nodes", ("node", "kubelet", "host"), of_signals(("node.",), ("node",))),
    Topic("storage", ("disk", "volume", "pvc", "storage"), of_signals(("pvc.", "node.disk", "log.disk"), ("volume",))),
    Topic(
        "network",
        ("endpoint", "service", "network", "dns", "traffic", "port"),
        of_signals(("svc.", "net.", "log.conn"), ("service",)),
    ),
    Topic("image", ("image", "pull", "registry"), of_signals(("k8s.pod.image",), ("pod_status",))),
    Topic("probes", ("probe", "liveness", "readiness", "healthcheck"), of_signals(("k8s.pod.probe",), ("pod_status",))),
    Topic("quota", ("quota",), of_signals(("quota.", "deploy.failed_create"), ("workload",))),
    Topic(
        "pods",
        ("pod", "restart", "replica", "crash", "container"),
        of_signals(("k8s.pod.", "deploy.", "sts.", "ds."), ("pod_status", "workload")),
    ),
    Topic("events", ("event",), of_signals((), ("event",))),
    Topic("cause", ("why", "cause", "reason", "root", "happen", "wrong", "broke", "verdict", "summar"), cause),
)
"""In the order in which they are answered; `cause` last, because "why" stands in many questions about something else."""
