"""How well one playbook's clauses fit one alert, condition by condition, so that every choice can be explained."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from bot.alerts.model import Alert
from bot.patterns import Pattern, Patterns
from bot.playbooks.context import alert_view
from bot.playbooks.errors import ExpressionError
from bot.playbooks.expressions import Condition
from bot.playbooks.model import Clause, Playbook

NAME_SCORES = {"exact": 50, "glob": 30, "regex": 25}
LABEL_SCORES = {"exact": 10, "glob": 6, "regex": 5}
TEXT, SEVERITY, SOURCE, WHERE, NEGATION = 8, 5, 5, 3, 2
Words = Callable[[], str]
Outcome = tuple[int, Words]
"""Points (0: does not hold) and the words for it, made only when somebody reads them."""


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


class Matcher:
    """One playbook's clauses, compiled. Raises `PatternError` or `ExpressionError` for what the loader would refuse."""

    def __init__(self, playbook: Playbook) -> None:
        self._match = [_Clause(clause) for clause in playbook.match]
        self._exclude = [_Clause(clause) for clause in playbook.exclude]

    def fit(self, facts: Facts) -> Fit:
        """The best clause's score, or why none fits."""
        best, words = 0, list[Words]()
        first: Words | None = None
        for clause in self._match:
            score, said = clause.fit(facts)
            if score > best:
                best, words = score, said
            elif not score and first is None:
                first = said[0]
        if best:
            why = self.excluded(facts)
            return Fit(0, f"excluded: {why}") if why else Fit(best, _joined(words))
        return Fit(0, first() if first else "has no match clause")

    def excluded(self, facts: Facts) -> str:
        """Why an ``exclude`` clause keeps the playbook away from this alert; "" when none does."""
        for clause in self._exclude:
            score, said = clause.fit(facts)
            if score:
                return _joined(said)
        return ""

    @property
    def exact_names(self) -> tuple[str, ...] | None:
        """The alert names without which no clause can match; ``None`` when a clause does not insist on exact names."""
        names: list[str] = []
        for clause in self._match:
            wanted = clause.name.wanted if clause.name else ()
            if not wanted or any(p.kind != "exact" for p in wanted):
                return None
            names += [p.exact for p in wanted]
        return tuple(names)


def fit(playbook: Playbook, facts: Facts) -> Fit:
    """As `Matcher.fit`, for one question."""
    return Matcher(playbook).fit(facts)


class _Clause:
    def __init__(self, clause: Clause) -> None:
        self.name = Patterns.compile(clause.name)
        self._source = Patterns.compile(clause.source)
        self._severity = Patterns.compile(clause.severity)
        self._labels = {label: Patterns.compile(texts) for label, texts in clause.labels.items()}
        self._text = Patterns.compile(clause.text, search=True)
        self._expr = Patterns.compile(clause.expr, search=True)
        self._where = Condition(clause.where, frozenset({"alert"})) if clause.where else None
        plain = bool(self.name.wanted) and not self.name.unwanted and all(p.kind == "exact" for p in self.name.wanted)
        self._exact = frozenset(p.exact for p in self.name.wanted) if plain else None

    def fit(self, facts: Facts) -> tuple[int, list[Words]]:
        """The points of all conditions and their words; no points and the words of the first that does not hold."""
        if self._exact is not None and facts.alert.name not in self._exact:  # one look-up settles most clauses
            return 0, [lambda: f"name {_shown(facts.alert.name)} is not {_list(self.name)}"]
        score, said = 0, list[Words]()
        for points, words in self._conditions(facts):
            if not points:
                return 0, [words]
            score += points
            said.append(words)
        return score, said or [lambda: "says nothing"]

    def _conditions(self, facts: Facts) -> Iterator[Outcome]:
        alert = facts.alert
        for label, patterns in self._labels.items():  # cheap, and spares the expressions below
            if patterns.wanted and label not in alert.labels:
                yield _label(label, patterns, alert)
        if self._source:
            yield _flat("source", self._source, alert.source, SOURCE)
        if self._severity:
            yield _flat("severity", self._severity, alert.severity or "", SEVERITY)
        if self.name:
            yield _named("name", self.name, alert.name, NAME_SCORES)
        for label, patterns in self._labels.items():
            yield _label(label, patterns, alert)
        if self._text:
            yield _searched("text", self._text, facts.text)
        if self._expr:
            yield _searched("query", self._expr, alert.expr)
        if self._where:
            yield _where(self._where, facts)


def _where(condition: Condition, facts: Facts) -> Outcome:
    source = condition.source
    try:
        if condition.holds(facts.view):
            return WHERE, lambda: f"`{source}` holds"
    except ExpressionError as problem:
        said = str(problem)
        return 0, lambda: f"`{source}`: {said}"
    return 0, lambda: f"`{source}` does not hold"


def _named(field: str, patterns: Patterns, value: str, scores: Mapping[str, int]) -> Outcome:
    hit = patterns.find(value)
    if hit is not None:
        how = "exactly" if hit.kind == "exact" else _short(hit)
        return scores[hit.kind], lambda: f"{field} matched {how}"
    if not patterns.wanted and patterns.matches(value):
        return NEGATION, lambda: f"{field} is none of {_list(patterns)}"
    return 0, lambda: f"{field} {_shown(value)} is not {_list(patterns)}"


def _label(label: str, patterns: Patterns, alert: Alert) -> Outcome:
    value = alert.labels.get(label)
    if value is not None:
        return _named(f"label {label}", patterns, value, LABEL_SCORES)
    if patterns.wanted:
        return 0, lambda: f"label {label} is missing"
    return NEGATION, lambda: f"label {label} is none of {_list(patterns)}"


def _flat(field: str, patterns: Patterns, value: str, points: int) -> Outcome:
    if patterns.matches(value):
        return (points if patterns.wanted else NEGATION), lambda: f"{field} is {_shown(value)}"
    return 0, lambda: f"{field} {_shown(value)} is not {_list(patterns)}"


def _searched(field: str, patterns: Patterns, value: str) -> Outcome:
    hit = patterns.find(value) if value else None
    if hit is not None:
        return TEXT, lambda: f"{field} contains {_short(hit)}"
    if not patterns.wanted and patterns.matches(value):
        return NEGATION, lambda: f"{field} contains none of {_list(patterns)}"
    return 0, lambda: f"{field} does not contain {_list(patterns)}"


def _joined(words: Iterable[Words]) -> str:
    return ", ".join(word() for word in words)


def _short(pattern: Pattern) -> str:
    return pattern.source if len(pattern.source) <= 60 else f"{pattern.source[:57]}…"


def _shown(value: str) -> str:
    return repr(value[:60]) if value else "(none)"


def _list(patterns: Patterns) -> str:
    shown = [p.source if len(p.source) <= 40 else f"{p.source[:37]}…" for p in (*patterns.wanted, *patterns.unwanted)]
    return " or ".join(shown[:3]) + (f" (or {len(shown) - 3} more)" if len(shown) > 3 else "")
