"""`Alert` to `Playbook`, always with the reason: pin, clauses, alias or runbook, words, the general playbook.

An alert that the library does not know goes to the general playbook, never to a wrong specific one. Every choice says why, and of every
other playbook the first condition that did not hold.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from bot.alerts.model import Alert
from bot.playbooks.clauses import Facts, Fit, Matcher
from bot.playbooks.lexical import Lexicon
from bot.playbooks.loader import Library
from bot.playbooks.model import Playbook
from bot.playbooks.problem import did_you_mean
from bot.playbooks.rows import BadAlert, alert_of

Stage = Literal["pin", "clause", "alias", "lexical", "default"]
PIN = "playbook"
"""Name of the annotation or label with which an alert rule names its playbook."""


@dataclass(frozen=True)
class Choice:
    """The playbook for one alert. ``because`` is for people; ``considered`` are (id, why not) of the others, best first."""

    playbook: Playbook
    stage: Stage
    because: str
    score: float = 0.0
    considered: tuple[tuple[str, str], ...] = ()


class UnknownPlaybook(LookupError):
    """A pin that names no playbook; the message lists the close ones."""


class Router:
    """Chooses. Built once a library; cheap to rebuild after `Library.reload`.

    Raises `LookupError` when the library has no general playbook (``default: true``).
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        default = library.default
        if default is None:
            broken = "; ".join(str(p) for p in library.problems[:3])
            raise LookupError(
                f"no playbook has `default: true`; one must be there for alerts that no other knows. {broken}".strip()
            )
        self._default = default
        self._matchers: dict[str, Matcher] = {}
        self._by_name: dict[str, list[Playbook]] = {}
        self._scanned: list[Playbook] = []
        self._aliases: dict[str, Playbook] = {}
        for playbook in library.playbooks.values():
            self._matchers[playbook.id] = Matcher(playbook)
            names = self._matchers[playbook.id].exact_names
            if names is None:
                self._scanned.append(playbook)
            else:
                for name in names:
                    self._by_name.setdefault(name, []).append(playbook)
            for alias in (playbook.id, *playbook.aliases):
                self._aliases.setdefault(_squeezed(alias), playbook)
        self._lexicon = Lexicon([p for p in library.playbooks.values() if not p.default])

    @property
    def library(self) -> Library:
        return self._library

    def choose(self, alert: Alert, pin: str = "") -> Choice:
        """The playbook for ``alert``; ``pin`` names one by id and wins over everything.

        Raises `UnknownPlaybook` for a pin given by the caller that names none. A pin inside of the alert that names none is only noted.
        """
        if pin:
            playbook = self._library.get(pin)
            if playbook is None:
                close = did_you_mean(pin, self._library.playbooks, f"; known: {', '.join(self._library.playbooks)}")
                raise UnknownPlaybook(f"there is no playbook {pin!r}{close}")
            return Choice(playbook, "pin", "asked for by name")
        notes: list[tuple[str, str]] = []
        for where, wanted in self._pins(alert):
            if playbook := self._library.get(wanted):
                return Choice(playbook, "pin", f"the alert's {where} `{PIN}` names it")
            notes.append((wanted[:60], f"named by the alert's {where} `{PIN}`, but there is no such playbook"))
        return self._matched(alert, notes)

    def scores(self, alert: Alert) -> list[tuple[Playbook, int]]:
        """Every playbook whose clauses fit ``alert``, with its score; in the library's order."""
        facts = Facts(alert)
        fits = [
            (playbook, self._matchers[playbook.id].fit(facts).score) for playbook in self._library.playbooks.values()
        ]
        return [(playbook, score) for playbook, score in fits if score]

    def _matched(self, alert: Alert, notes: list[tuple[str, str]]) -> Choice:
        facts = Facts(alert)
        candidates = [*self._by_name.get(alert.name, ()), *self._scanned]
        fits = [(playbook, self._matchers[playbook.id].fit(facts)) for playbook in _unique(candidates)]
        good = sorted((f for f in fits if f[1].score), key=lambda f: (-f[0].priority, -f[1].score, f[0].id))
        notes += _others(good, fits)
        if good:
            playbook, best = good[0]
            return Choice(
                playbook, "clause", best.said, float(best.score), tuple(n for n in notes if n[0] != playbook.id)
            )
        found = self._alias(alert)
        if found and not self._excluded(found[0], facts):
            playbook, why = found
            return Choice(playbook, "alias", why, 0.0, tuple(notes))
        match = self._lexicon.closest(f"{alert.name} {alert.summary}")
        if match is not None and match.clear and not self._excluded(match.playbook, facts):
            because = f"its words are closest ({match.score:.2f}, the next {match.second:.2f})"
            return Choice(match.playbook, "lexical", because, match.score, tuple(notes))
        if match is not None and match.score > 0:
            why = f"words too far away ({match.score:.2f}, the next {match.second:.2f})"
            notes.insert(0, (match.playbook.id, why))
        return Choice(self._default, "default", "no other playbook knows this alert", 0.0, tuple(notes))

    def _excluded(self, playbook: Playbook, facts: Facts) -> str:
        return self._matchers[playbook.id].excluded(facts)

    def _pins(self, alert: Alert) -> Iterator[tuple[str, str]]:
        for where, source in (("annotation", alert.annotations), ("label", alert.labels)):
            if wanted := source.get(PIN, ""):
                yield where, wanted

    def _alias(self, alert: Alert) -> tuple[Playbook, str] | None:
        if playbook := self._aliases.get(_squeezed(alert.name)):
            return playbook, "its alias is the alert's name"
        for url in (alert.annotations.get("runbook_url", ""), *(link.url for link in alert.links)):
            name = _last_part(url)
            if name and (playbook := self._aliases.get(_squeezed(name))):
                return playbook, f"the alert's runbook is {name[:60]}"
        return None


def _others(good: list[tuple[Playbook, Fit]], fits: list[tuple[Playbook, Fit]]) -> list[tuple[str, str]]:
    """Runners-up with what matched, then the rest with the first thing that did not."""
    second = [(p.id, f"also fits, less ({f.said})") for p, f in good[1:]]
    return second + [(p.id, f.said) for p, f in fits if not f.score and not p.default]


def _unique(playbooks: list[Playbook]) -> list[Playbook]:
    return list({p.id: p for p in playbooks}.values())


def _squeezed(name: str) -> str:
    """``Kube-Pod_CrashLooping`` and ``kubepodcrashlooping`` are one alias."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _last_part(url: str) -> str:
    try:
        return urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1].removesuffix(".md").removesuffix(".html")
    except ValueError:
        return ""


def route_line(router: Router, line: str) -> dict[str, Any]:
    """One line of ``rca route --jsonl`` in, one answer out; never raises on a bad line.

    Reads what `alert_of` reads; gives ``playbook``, ``family``, ``stage``, ``because`` and ``score``, or ``{"error": ...}``.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as problem:
        return {"error": f"not JSON: {problem}"}
    try:
        alert = alert_of(row)
    except BadAlert as problem:
        return {"error": str(problem)}
    choice = router.choose(alert)
    return {
        "playbook": choice.playbook.id,
        "family": choice.playbook.family,
        "stage": choice.stage,
        "because": choice.because,
        "score": round(choice.score, 3),
    }
