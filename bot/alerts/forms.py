"""How a monitoring product writes its lines: what tells that a message is its own, and which line holds name, status and severity.

Each sender's module names its marks and its forms; reading them is the same for all. A form is matched against one line without Slack's
decoration. Its groups ``name``, ``status`` and ``severity`` replace what was guessed from the heading; all other groups become labels,
unless a field said them already. A message of a known sender in an unknown form is judged like everybody else's.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from bot.alerts.build import build
from bot.alerts.drafts import Draft
from bot.alerts.flatten import Card, Message
from bot.alerts.heading import read_heading
from bot.alerts.markup import undecorate
from bot.alerts.model import Alert, Status
from bot.alerts.senders import general
from bot.alerts.words import STATUSES, fold

MAX_LINES = 40
MAX_LINE = 500
_MAIN = frozenset({"name", "status", "severity"})


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing. ``status``, ``severity`` and ``name`` hold where the line has no group of that name."""

    pattern: "re.Pattern[str]"
    status: Status | None = None
    severity: str = ""
    name: str = ""


def form(pattern: str, *, status: Status | None = None, severity: str = "", name: str = "") -> Form:
    """A form from a pattern that ignores case and begins at the line's start."""
    return Form(re.compile(rf"(?i)^{pattern}"), status, severity, name)


@dataclass(frozen=True)
class Sender:
    """A product: ``names`` match how its bot or its footer is called, ``links`` its addresses, ``words`` its own phrases in the text.

    ``single``: one message is one alert, in however many parts it is written.
    """

    source: str
    forms: Sequence[Form] = ()
    names: str = ""
    links: str = ""
    words: str = ""
    single: bool = True

    def sent(self, message: Message) -> bool:
        """Whether ``message`` is this product's."""
        names, links, _ = self._patterns
        if names and any(names.match(name) for name in message.signed):
            return True
        if links and links.search(message.addresses):
            return True
        return self.said(message)

    def said(self, message: Message) -> bool:
        """Whether the text holds one of this product's own phrases."""
        words = self._patterns[2]
        return bool(words and words.search(message.beginning))

    @cached_property
    def _patterns(self) -> "tuple[re.Pattern[str] | None, ...]":
        sources = (rf"(?:{self.names})(?!\w)", rf"https?://(?:{self.links})", self.words)
        given = (self.names, self.links, self.words)
        return tuple(re.compile(f"(?i){s}") if g else None for s, g in zip(sources, given, strict=True))

    def parse(
        self, message: Message, drafts: list[Draft], correct: Callable[[Draft], None] | None = None
    ) -> list[Alert] | None:
        """The alerts of this product's message; ``None`` for all others."""
        if not drafts or not self.sent(message):
            return None
        whole = [_merged(drafts)] if self.single else drafts
        cards = message.cards if len(whole) == 1 else None
        kept = []
        for draft in whole:
            matched = self._apply(draft, lines(cards or (draft.card,)))
            if correct:
                correct(draft)
            if matched or general.evidence(draft):
                kept.append(draft)
        return build(kept, self.source) or None

    def _apply(self, draft: Draft, shown: list[str]) -> bool:
        for one in self.forms:
            for line in shown:
                match = one.pattern.match(line)
                if match:
                    fill(draft, one, match)
                    return True
        return False


def fill(draft: Draft, one: Form, match: "re.Match[str]") -> None:
    """What a form found, into the draft."""
    groups = {k: v.strip() for k, v in match.groupdict().items() if v and v.strip()}
    marked = read_heading(groups["name"]) if groups.get("name", "").startswith("[") else None
    if marked and marked.bracket and marked.name:  # "[critical] KubePodCrashLooping", as another sender named it
        groups["name"] = marked.name
        draft.severity_word = draft.severity_word or marked.severity_word
    draft.alertname = groups.get("name") or one.name.format(**groups) or draft.alertname
    said = STATUSES.get(fold(groups["status"])) if "status" in groups else None
    draft.status = said or one.status or draft.status
    draft.severity_word = groups.get("severity") or one.severity or draft.severity_word
    for key, value in groups.items():
        if key not in _MAIN:
            draft.labels.setdefault(key, value)


def lines(cards: Sequence[Card]) -> list[str]:
    """The lines of those cards in reading order, undecorated and bounded; fields as ``name: value``."""
    out: list[str] = []
    for shown in _raw_lines(cards):
        line = undecorate(shown[:MAX_LINE])
        if line:
            out.append(line)
        if len(out) >= MAX_LINES:
            break
    return out


def _raw_lines(cards: Sequence[Card]) -> Iterator[str]:
    for card in cards[:10]:
        yield from (card.pretext.split("\n")[0], card.title)
        yield from card.text.split("\n")[:MAX_LINES]
        yield from (f"{k}: {v}" for k, v in card.fields)


def _merged(drafts: list[Draft]) -> Draft:
    """All drafts of a message as one: what the first says stays."""
    first = drafts[0]
    for other in drafts[1:]:
        for key, value in other.labels.items():
            first.labels.setdefault(key, value)
        first.named = first.named or other.named
        first.status = first.status or other.status
        first.severity_word = first.severity_word or other.severity_word
        first.starts_at = first.starts_at or other.starts_at
        first.prose += other.prose
        first.links = tuple(dict.fromkeys([*first.links, *other.links]))
        if not first.summary:
            first.summary = other.summary
        if not first.description:
            first.description = other.description
    return first
