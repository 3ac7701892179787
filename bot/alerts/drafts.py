"""One alert while it is being read, and how an entry, a heading or a surrounding line goes into it.

What was said first stays: fields are read from the most to the least telling place, so that a sentence that a stranger could write never
replaces a label.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.alerts.flatten import Card
from bot.alerts.heading import Heading, read_heading
from bot.alerts.markup import undecorate
from bot.alerts.model import Link, Status
from bot.alerts.pairs import Entry
from bot.alerts.shapes import is_namespace, pod_owner
from bot.alerts.times import parse_time
from bot.alerts.words import (
    LINK_FIELDS,
    PLAIN_SEVERITIES,
    SEVERITIES,
    STATUSES,
    VALUE_FIELDS,
    field_of,
    fold,
    level_of,
    listed,
    status_of,
)

MAX_LABELS = 80

_GENERIC = frozenset(
    """alert|alerts|new alert|prometheus|prometheus alert|grafana|grafana alert|alertmanager|alert details|alert triggered|alert fired
    |alert firing|alert resolved|alerts firing|alerts resolved|alert notification|monitoring|monitoring alert|production alert
    |system alert|incident|alarm|triggered|firing|resolved|notification|runbook|告警|报警|アラート|alerte""".replace(
        "\n    ", ""
    ).split("|")
)
_RULE = re.compile(r"^[A-Za-z][A-Za-z0-9]*[a-z][A-Za-z0-9]*[A-Z_][A-Za-z0-9_]*$")
_KEY = re.compile(r"^[a-z_][\w.\-/]*$")
_NO_KEY = re.compile(r"[^\w.\-/]+")
_LOOSE = listed(
    "error err high major minor medium average moderate page ticket urgent hoch alta alto mittel media média"
)
# ``S1 Triggered``: a severity and what became of it in one field.
_SURE: dict[str, Status] = {"triggered": "firing", "firing": "firing", "recovered": "resolved", "resolved": "resolved"}
_SINCE = re.compile(
    r"(?i)\b(?:since|fired at|firing since|started(?: at)?|active since|seit|depuis|с)\b[:\s]{1,3}([^\n)]{10,60})"
)
_BECAME = re.compile(r"(?i)\b(?:state|status)\b[^\n]{0,20}\bfrom\W{1,4}\w{2,20}\W{1,4}to\W{1,4}(\w{2,20})")
_CONDITION = re.compile(
    r"(?i)\b(?:alert|rule|condition|monitor|trigger)[^\n'\"]{0,30}['\"][^'\"\n]{2,150}['\"] "
    r"(?:was|is|has been) (triggered|firing|resolved|recovered)\b"
)
_BEHIND_NAME = re.compile(r"[*_`]{1,2}[A-Za-z]\w{3,99}[*_`]{1,2}\s*[(\[]([A-Za-z]{4,10})[)\]]")
_CLOSED = re.compile(
    r"(?i)^\W{0,8}(?:\w{1,20} ){0,2}(?:alert|incident|issue|problem|alarm)s? (?:is |has been |was |now )*"
    r"(?:closed|resolved|recovered|cleared)\b"
)
_BARS = re.compile(r"\s[|•·—–-]\s")
_EMPHASIS = re.compile(r"[*_`]{1,2}([^*_`\n]{2,20})[*_`]{1,2}")
_RESOLVED_EMOJI = re.compile(
    r"^\W{0,4}:(?:white_check_mark|heavy_check_mark|large_green_circle|green_circle|ok|thumbsup|green_heart|recycle):|^\s*[✅🟢✔]"
)


@dataclass(slots=True)
class Draft:
    """One alert while it is being read.

    ``alertname`` is the label of that name, ``named`` a name that a field gave, ``heading`` the line above all.
    """

    heading: Heading = field(default_factory=Heading)
    alertname: str = ""
    named: str = ""
    status: Status | None = None
    severity_word: str = ""
    summary: str = ""
    description: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    values: list[str] = field(default_factory=list)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    expr: str = ""
    links: tuple[Link, ...] = ()
    prose: list[str] = field(default_factory=list)
    card: Card = field(default_factory=Card)
    stated: str = ""  # the word of a field that gives the status: ``down``, ``critical``, ``open``

    @property
    def name(self) -> str:
        """The rule's name: its label, else a marked heading, else the name that a field gave, else the heading."""
        heading = "" if fold(self.heading.name) in _GENERIC else self.heading.name
        if self.alertname:
            return self.alertname
        if self.named and heading.startswith(f"{self.named} "):
            return self.named  # "X for checkout", where a field says that X is its name
        if self.named and (not heading or is_rule(self.named) or not (self.heading.strong or is_rule(heading))):
            return self.named
        return heading or self.named

    @property
    def keyed(self) -> bool:
        """Whether the message gave fields or labels by name, beyond links."""
        return bool(self.labels or self.alertname or self.named or self.severity_word)

    def copy(self) -> "Draft":
        """A draft that can be changed without changing this one."""
        return replace(
            self,
            labels=dict(self.labels),
            annotations=dict(self.annotations),
            values=list(self.values),
            prose=list(self.prose),
        )


def is_rule(name: str) -> bool:
    """Whether ``name`` is written as rules are: ``HighErrorRate``, ``disk_almostFull``."""
    return bool(_RULE.match(name))


def take_heading(draft: Draft, heading: Heading) -> None:
    """Status, severity, labels and bare values of a heading."""
    draft.status = draft.status or heading.status
    draft.severity_word = draft.severity_word or heading.severity_word
    draft.values = draft.values or [*heading.group, *heading.values]
    for key, value in heading.labels.items():
        _label(draft, key, value)
    path = heading.text.split("/")
    if len(path) in (2, 3) and is_namespace(path[0]) and pod_owner(path[1]):  # "shop/checkout-7d9f8c6b5-x8k2p/app"
        for key, value in zip(("namespace", "pod", "container"), path, strict=False):
            _label(draft, key, value)
        heading.name = ""


def take(draft: Draft, entry: Entry) -> None:
    """One entry into the draft; what was said first stays."""
    if entry.kind == "heading":
        return
    if entry.kind == "prose":
        draft.prose.append(entry.value)
        return
    key, value = entry.key, entry.value
    if not value:
        return
    if entry.section == "annotations":
        draft.annotations.setdefault(key, value)
        _annotate(draft, entry.field, value)
    elif entry.section == "labels":
        _label(draft, key, value)
    elif fold(key) in LINK_FIELDS or value.startswith(("http://", "https://")):
        draft.annotations.setdefault(key.lower(), value)
    elif entry.field == "name":
        _take_name(draft, key, value)
    elif entry.field == "status" and _take_status(draft, value):
        return
    elif entry.field in ("summary", "description", "started", "ended", "expr"):
        _annotate(draft, entry.field, value)
    elif fold(key) in VALUE_FIELDS:
        draft.annotations.setdefault(key.lower(), value)
    else:
        _label(draft, key, value)


def _take_status(draft: Draft, value: str) -> bool:
    """A status field's word; ``critical`` and ``warning`` there say both that it is on and how bad it is."""
    status, word = status_of(value), fold(undecorate(value))
    if word not in STATUSES and word not in _LOOSE and SEVERITIES.get(word) in ("critical", "warning"):
        word = str(SEVERITIES[word])
    if word in ("critical", "warning"):
        status, draft.severity_word = "firing", draft.severity_word or word
    if status:
        draft.status, draft.stated = status, word
    return bool(status)


def _take_name(draft: Draft, key: str, value: str) -> None:
    if fold(key) == "alertname":
        _label(draft, "alertname", value)
        return
    name, dash, tail = value.rpartition(" - ")
    tail = tail.strip("`* ")
    if dash and fold(tail) in SEVERITIES:
        draft.severity_word = draft.severity_word or tail
        value = name.strip()
    if (
        fold(key) == "name"
        and draft.heading.name
        and fold(draft.heading.name) not in _GENERIC
        and (not is_rule(value) or value.endswith(("Error", "Exception")))
    ):
        draft.named = draft.named or draft.heading.name
        _label(draft, key, value)  # below a title that names the alert: the name of something else
        return
    draft.named = draft.named or value


def _annotate(draft: Draft, what: str, value: str) -> None:
    if what == "summary":
        draft.summary = draft.summary or value
    elif what == "description":
        draft.description = draft.description or value
    elif what == "started":
        draft.starts_at = draft.starts_at or parse_time(value)
    elif what == "ended":
        draft.ends_at = draft.ends_at or parse_time(value)
    elif what == "expr":
        draft.expr = draft.expr or value


def _label(draft: Draft, key: str, value: str) -> None:
    """A label, verbatim; a field's title such as ``Pod Name`` becomes a label's name."""
    folded = fold(key)
    what = field_of(key)
    name = key if _KEY.match(key) else (what or _NO_KEY.sub("_", folded).strip("_"))
    if folded in ("alertname", "alert_name") or (
        folded in ("alert", "rule") and is_rule(value) and not draft.alertname
    ):
        draft.alertname, name = draft.alertname or value, "alertname"
    elif what == "severity" or folded in ("severity", "level", "priority"):
        draft.severity_word = value if level_of(value) or not draft.severity_word else draft.severity_word
        draft.status = draft.status or next((s for w in value.split()[1:3] if (s := _SURE.get(fold(w)))), None)
        name = folded if folded in ("level", "priority") else "severity" if what == "severity" else name
    if name and len(draft.labels) < MAX_LABELS:
        draft.labels.setdefault(name, value)


def take_surroundings(draft: Draft, card: Card) -> None:
    """What stands around the fields: pretext, sentences, the notification's fallback, the colour."""
    for line in card.pretext.split("\n"):
        heading = read_heading(line)
        draft.status = draft.status or heading.status
        draft.severity_word = draft.severity_word or heading.severity_word or _shouted(line)
    if not draft.status and says_over(card.pretext):
        draft.status = "resolved"
    draft.severity_word = draft.severity_word or _told_beside(draft.prose[:6])
    became = "" if draft.stated else _became(draft.prose[:6])
    if became:
        _take_status(draft, became)
    if not draft.severity_word:
        draft.severity_word = next((v for p in PLAIN_SEVERITIES for v in draft.values if v == p), "")
    fallback = read_heading(card.fallback.partition(" | http")[0]) if card.fallback else Heading()
    draft.status = draft.status or fallback.status
    if not draft.status:
        draft.status = "resolved" if _looks_resolved(card) else None
    if fallback.bracket in ("firing", "resolved"):
        if draft.heading.firing is None and draft.heading.resolved is None:
            draft.heading.firing, draft.heading.resolved = fallback.firing, fallback.resolved
        draft.heading.strong = True
        draft.values = draft.values or [*fallback.group, *fallback.values]
        if not draft.name:
            draft.named = fallback.name
        elif is_rule(fallback.name) and not (draft.alertname or is_rule(draft.named) or is_rule(draft.heading.name)):
            # The title is a team's own wording; what a notification shows still has the rule.
            draft.summary = draft.summary or draft.heading.text
            draft.alertname = fallback.name
    if draft.starts_at is None:
        since = _SINCE.search("\n".join([*draft.prose, draft.summary, draft.description])[:8_000])
        draft.starts_at = parse_time(since[1]) if since else None
    titles = {word for link in card.links for word in link.title.split()}
    sentences = [line for p in draft.prose if (line := undecorate(p)) and not titles.issuperset(line.split())]
    if not draft.summary and draft.named and draft.named != draft.name:
        draft.summary = draft.named
    if not draft.summary and sentences:
        draft.summary = sentences[0]
        sentences = sentences[1:]
    if not draft.description and sentences:
        draft.description = "\n".join(sentences)


def _became(lines: list[str]) -> str:
    """The state that a line below a title tells: ``State changed from OK to ALERTING``, ``firing · warning · prod-eu``."""
    for line in lines:
        changed = _BECAME.search(line[:300]) or _CONDITION.search(line[:300])
        if changed:
            return changed[1]
        pieces = [fold(undecorate(p)) for p in _BARS.split(line[:200])]
        if len(pieces) > 1 and pieces[0] in _SURE:
            return pieces[0]
    return ""


def _told_beside(lines: list[str]) -> str:
    """The severity that a line opens with or gives apart from its sentence: ``*CRITICAL* p99 is 4 s``, ``*ApiDown* (critical)``."""
    for line in lines:
        for pattern in (_EMPHASIS, _BEHIND_NAME):
            opens = pattern.match(line.lstrip())
            if opens and SEVERITIES.get(fold(opens[1])) in ("critical", "warning"):
                return opens[1]
        pieces = [fold(undecorate(p)) for p in _BARS.split(line[:200])]
        apart = next((p for p in pieces if p in ("critical", "warning", "info")), "")
        if apart:
            return apart
    return ""


def says_over(text: str) -> bool:
    """Whether the first lines say that an alert is over: ``Alert is closed by ...``."""
    return any(_CLOSED.search(line[:200]) for line in text.split("\n")[:3])


def _shouted(line: str) -> str:
    """A severity that a line of prose says in capitals or in bold."""
    emphasised = [w for m in _EMPHASIS.finditer(line) for w in [m[1].strip()] if fold(w) in SEVERITIES]
    capital = [w for w in re.findall(r"\b[A-Z]{4,12}\b", line) if fold(w) in PLAIN_SEVERITIES]
    return next(iter([*emphasised, *capital]), "")


def _looks_resolved(card: Card) -> bool:
    """Whether only the colour or a tick says that it is over."""
    if _RESOLVED_EMOJI.match(card.title or card.pretext or card.text):
        return True
    color = card.color.lower().lstrip("#")
    if color == "good":
        return True
    if not re.match(r"^[0-9a-f]{6}$", color):
        return False
    red, green, blue = (int(color[i : i + 2], 16) for i in (0, 2, 4))
    return green > red + 40 and green > blue + 20
