"""How well one playbook's clauses fit one alert, condition by condition, so that every choice can be explained."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from bot.alerts.model import Alert
from bot.patterns import Pattern, Patterns
from bot.playbooks.context import alert_view
from bot.playbooks.errors import ExpressionError
from bot.playbooks.expressions import Condition
from bot.playbooks.model import Clause, Playbook

NAME_SCORES = {"exact": 50, "glob": 30, "regex": 25}
LABEL_SCORES = {"exact": 10, "glob": 6, "regex": 5}
TEXT, SEVERITY, SOURCE, WHERE, NEGATION = 8, 5, 5, 3, 2


@dataclass(frozen=True)
class Fit:
    """The outcome of one playbook for one alert. ``score`` 0 means no fit; ``said`` is what matched, or the first thing that did not."""

    score: int
    said: str


class Facts:
    """What clauses ask of an alert, worked out once an alert."""

    def __init__(self, alert: Alert) -> None:
        self.alert = alert
        self.text = alert.text
        self._view: Mapping[str, object] | None = None

    @property
    def view(self) -> Mapping[str, object]:
        if self._view is None:
            self._view = {"alert": alert_view(self.alert)}
        return self._view


@lru_cache(maxsize=20_000)
def _patterns(texts: tuple[str, ...], search: bool = False) -> Patterns:
    return Patterns.compile(texts, search)


def fit(playbook: Playbook, facts: Facts) -> Fit:
    """The best clause's score, or why none fits."""
    best, reasons = Fit(0, ""), []
    for clause in playbook.match:
        outcome = _clause(clause, facts)
        if outcome.score > best.score:
            best = outcome
        elif not outcome.score:
            reasons.append(outcome.said)
    if best.score:
        why = excluded(playbook, facts)
        return Fit(0, f"excluded: {why}") if why else best
    return Fit(0, reasons[0] if reasons else "has no match clause")


def excluded(playbook: Playbook, facts: Facts) -> str:
    """Why an ``exclude`` clause keeps ``playbook`` away from this alert; "" when none does."""
    return next((outcome.said for clause in playbook.exclude if (outcome := _clause(clause, facts)).score), "")


def exact_names(playbook: Playbook) -> tuple[str, ...] | None:
    """The alert names without which no clause can match; ``None`` when a clause does not insist on exact names."""
    names: list[str] = []
    for clause in playbook.match:
        wanted = _patterns(clause.name)
        if not wanted.wanted or any(p.kind != "exact" for p in wanted.wanted):
            return None
        names += [p.exact for p in wanted.wanted]
    return tuple(names) if playbook.match else ()


def _clause(clause: Clause, facts: Facts) -> Fit:
    score, said = 0, []
    for points, what in _conditions(clause, facts):
        if not points:
            return Fit(0, what)
        score += points
        said.append(what)
    return Fit(score, ", ".join(said))


def _conditions(clause: Clause, facts: Facts) -> Iterator[tuple[int, str]]:
    """Points and words for each condition in turn; no points where it does not hold."""
    alert = facts.alert
    if clause.name:
        yield _named("name", clause.name, alert.name, NAME_SCORES)
    if clause.source:
        yield _flat("source", clause.source, alert.source, SOURCE)
    if clause.severity:
        yield _flat("severity", clause.severity, alert.severity or "", SEVERITY)
    for label, texts in clause.labels.items():
        yield _label(label, texts, alert)
    if clause.text:
        yield _searched("text", clause.text, facts.text)
    if clause.expr:
        yield _searched("query", clause.expr, alert.expr)
    if clause.where:
        try:
            holds = Condition(clause.where, frozenset({"alert"})).holds(facts.view)
        except ExpressionError as problem:
            yield 0, f"`{clause.where}`: {problem}"
        else:
            yield (WHERE, f"`{clause.where}` holds") if holds else (0, f"`{clause.where}` does not hold")


def _named(field: str, texts: tuple[str, ...], value: str, scores: Mapping[str, int]) -> tuple[int, str]:
    patterns = _patterns(texts)
    hit = patterns.find(value)
    if hit is not None:
        how = {"exact": "matched exactly", "glob": f"matched {hit.source}", "regex": f"matched {_short(hit)}"}[hit.kind]
        return scores[hit.kind], f"{field} {how}"
    if not patterns.wanted and patterns.matches(value):
        return NEGATION, f"{field} is none of {_list(texts)}"
    return 0, f"{field} {_shown(value)} is not {_list(texts)}"


def _label(label: str, texts: tuple[str, ...], alert: Alert) -> tuple[int, str]:
    value = alert.labels.get(label)
    if value is None:
        if _patterns(texts).wanted:
            return 0, f"label {label} is missing"
        return NEGATION, f"label {label} is none of {_list(texts)}"
    return _named(f"label {label}", texts, value, LABEL_SCORES)


def _flat(field: str, texts: tuple[str, ...], value: str, points: int) -> tuple[int, str]:
    patterns = _patterns(texts)
    if patterns.matches(value):
        return (points if patterns.wanted else NEGATION), f"{field} is {_shown(value)}"
    return 0, f"{field} {_shown(value)} is not {_list(texts)}"


def _searched(field: str, texts: tuple[str, ...], value: str) -> tuple[int, str]:
    patterns = _patterns(texts, True)
    hit = patterns.find(value)
    if hit is not None:
        return TEXT, f"{field} contains {_short(hit)}"
    if not patterns.wanted and patterns.matches(value):
        return NEGATION, f"{field} contains none of {_list(texts)}"
    return 0, f"{field} does not contain {_list(texts)}"


def _short(pattern: Pattern) -> str:
    return pattern.source if len(pattern.source) <= 60 else f"{pattern.source[:57]}…"


def _shown(value: str) -> str:
    return repr(value[:60]) if value else "(none)"


def _list(texts: Iterable[str]) -> str:
    shown = [t if len(t) <= 40 else f"{t[:37]}…" for t in texts]
    return " or ".join(shown[:3]) + (f" (or {len(shown) - 3} more)" if len(shown) > 3 else "")
