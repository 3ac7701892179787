"""Cards to `Draft`s: which parts of a message tell of one alert, and where the next one begins.

A message may hold one alert in several attachments, several alerts in one text, or a mixture of firing and resolved ones. A sender's module
then corrects what its sender does differently.
"""

import re
from dataclasses import replace

from bot.alerts.drafts import Draft, is_rule, take, take_heading, take_surroundings
from bot.alerts.flatten import Card, Message
from bot.alerts.heading import Heading, read_heading
from bot.alerts.markup import undecorate
from bot.alerts.model import Status
from bot.alerts.pairs import INLINE_BOLD, Entry, quoted_pairs, read
from bot.alerts.words import PLAIN_SEVERITIES, STATUSES, VALUE_FIELDS, field_of, fold, listed

MAX_ALERTS = 50
MAX_BARRED = 2_000  # characters of a first line that may be cut at bars

_STATUS_LINE = re.compile(
    r"^(?:alerts?\s+)?(?P<word>[^\W\d_][^\d(:]{1,30}?)(?:\s+alerts?)?\s*(?:[:(]?\s*\d{1,6}\)?)?\s*:?$"
)
_MARKED_LINE = re.compile(
    r"^\W{0,12}(?::[a-z0-9_+-]{1,40}:\s*){0,3}[*_`]{0,3}\[\s*(?:FIRING|RESOLVED|[Ff]iring|[Rr]esolved)\b"
)
_RULE_FIRST = re.compile(
    r"^\s*(?:[•·▪*>-]|\d{1,2}\W{1,4})?\s*(?:[*_`]{1,2}(?P<bold>[A-Z][a-z0-9]+[A-Z_]\w*?)[*_`]{1,2}(?=\W|$)"
    r"|(?P<plain>[A-Z][a-z0-9]+[A-Z_]\w*)\s*(?:[(\[:–—]|- ))"
)
_BAR = re.compile(r"\s+[|•·]\s+|;\s+")
# Fields whose second appearance opens the next alert.
_START = listed(
    "name status severity summary description labels namespace pod node service deployment container started"
)
_WEAK_LINES = listed("ok alert problem open up down active critical")


def read_message(message: Message) -> list[Draft]:
    """All alerts that ``message`` may hold, firing ones first; drafts without a name included."""
    groups = _groups(message.cards)
    read = [_read_group(group) for group in groups]
    drafts = [draft for one in read for draft in one]
    if len(read) > 1 and len(read[0]) == 1:
        drafts = _without_covers(drafts)
    return sorted(drafts, key=lambda d: d.status == "resolved")[:MAX_ALERTS]


def _groups(cards: tuple[Card, ...]) -> list[list[Card]]:
    """Cards that tell of one alert: each card with a heading of its own opens a group, the others add to the one before."""
    if len(cards) == 1:
        return [list(cards)]
    groups: list[list[Card]] = []
    loose: list[Card] = []
    for card in cards:
        heading = _heading_of(card)[0]
        if heading and (heading.strong or (card.title and not card.own and _says_alert(card))):
            groups.append([card, *loose])
            loose = []
        elif groups:
            groups[-1].append(card)
        else:
            loose.append(card)
    if not groups:
        return [loose] if loose else []
    return groups


def _says_alert(card: Card) -> bool:
    return any(e.kind == "pair" and e.field in ("name", "severity", "status") for e in read(card.text)) or bool(
        card.fields
    )


def _heading_of(card: Card) -> tuple[Heading | None, str]:
    """(the heading of a card, its body without the heading's line)."""
    if card.title:
        heading = read_heading(card.title)
        above = read_heading(card.pretext) if card.pretext and not heading.strong else Heading()
        if above.bracket in ("firing", "resolved", "alerting"):
            return above, f"{card.title}\n{card.text}"
        pieces = _pieces(card.title)
        return (heading, card.text) if not pieces else (read_heading(pieces[0]), "\n".join([*pieces[1:], card.text]))
    above = read_heading(card.pretext, prefixed=False) if card.pretext else Heading()
    if above.bracket in ("firing", "resolved", "alerting") and above.name:
        return above, card.text
    lines = card.text.strip("\n").split("\n")
    first = read(lines[0])
    if not lines[0].strip() or any(_status_line(e) for e in first):
        return None, card.text
    if any(e.field == "name" for e in first) and sum(e.field == "name" for e in read(card.text)) > 1:
        return None, card.text  # a list of alerts, each opening with its name
    pieces = _pieces(lines[0]) or [lines[0]]
    heading = read_heading(pieces[0], prefixed=False)
    led = heading.severity_word and heading.lead and any(c.isalpha() for c in heading.name)
    key = heading.name.partition(":")[0]
    led = led or (heading.severity_word and key[:1].isupper() and is_rule(key) and not field_of(key))
    if led or heading.strong or heading.status or heading.bracket or not any(e.kind == "pair" for e in read(pieces[0])):
        return heading, "\n".join([*pieces[1:], *lines[1:]])
    return None, card.text


def _pieces(line: str) -> list[str]:
    """``HighErrorRate | Severity: critical | Namespace: shop`` in parts; empty where the parts after the first are not fields."""
    if len(line) > MAX_BARRED:
        return []  # no heading is that long, and a run of blanks would be looked at from each of its places
    pieces = [piece for part in _BAR.split(line) for piece in (INLINE_BOLD.split(part) if "*" in part else (part,))]
    if pieces and not undecorate(pieces[0]):
        pieces = _BAR.split(line)  # an emoji before the first name is no part of its own
    if len(pieces) < 2 or not any(e.kind == "pair" for piece in pieces[1:] for e in read(piece)):
        return []
    return [pieces[0], *(f"severity: {p}" if fold(undecorate(p)) in PLAIN_SEVERITIES else p for p in pieces[1:])]


def _read_group(cards: list[Card]) -> list[Draft]:
    card = cards[0]
    heading, body = _heading_of(card)
    rest = [body, *("\n".join(t for t in (c.title, c.text) if t) for c in cards[1:])]
    whole = replace(
        card,
        pretext="\n".join(c.pretext for c in cards if c.pretext),
        fields=tuple(f for c in cards for f in c.fields),
        links=tuple(link for c in cards for link in c.links),
        color=next((c.color for c in cards if c.color), ""),
    )
    common = Draft(heading=heading or Heading(), card=whole, links=whole.links)
    apart = common.copy()  # for lines in the body that open with a mark of their own
    take_heading(common, common.heading)
    if card.title:
        apart = common.copy()
    for title, value in whole.fields:
        if "{" in title:  # a series and its value, as legacy Grafana writes them
            common.annotations.setdefault(title[:100], value)
            continue
        for entry in read(f"{title}: {value}" if title else value):
            take(common, entry)
    body = "\n".join(t for t in rest if t)
    listed = common.heading.firing is not None and not common.heading.name and not common.alertname
    chunks = _named_lines(body) if listed else []
    chunks = chunks or _chunks(body, None if card.title else heading)
    drafts: list[Draft] = []
    for mark, text in chunks:
        base = (common if mark is None else apart).copy()
        if mark is not None:
            if listed and not mark.bracket:  # a line that only names: the title's mark is its own
                mark.bracket, mark.strong = common.heading.bracket, True
            base.heading, base.status, base.severity_word, base.values = mark, None, "", []
            take_heading(base, mark)
            base.status = base.status or common.status
            base.severity_word = base.severity_word or common.severity_word * bool(card.title)
        drafts += _read_body(base, text)
    for draft in drafts:
        take_surroundings(draft, whole)
    return _lead(drafts, common.heading)


def _chunks(text: str, first: Heading | None) -> list[tuple[Heading | None, str]]:
    """A body cut where lines open with a status mark of their own.

    ``first`` is the heading that was the body's first line: what follows it up to the next mark is its own. Below a title, what stands
    before the first mark belongs to all.
    """
    lines = text.split("\n")
    at = [i for i, line in enumerate(lines) if _MARKED_LINE.match(line)]
    if not at:
        return [(None, text)]
    before = "\n".join(lines[: at[0]])
    out: list[tuple[Heading | None, str]] = []
    if first is not None and first.strong:
        out, before = [(None, before)], ""
    for start, end in zip(at, [*at[1:], len(lines)], strict=True):
        out.append(
            (read_heading(lines[start], prefixed=False), "\n".join([before, *lines[start + 1 : end]]).strip("\n"))
        )
    return out


def _named_lines(text: str) -> list[tuple[Heading | None, str]]:
    """A body below a title that only counts, cut at the lines that are nothing but a rule's name; empty where there are none.

    Templates that print labels name the alert there: such bodies are left whole.
    """
    lines = text.split("\n")
    at = [i for i, line in enumerate(lines) if is_rule(undecorate(line[:200])) or _RULE_FIRST.match(line[:200])]
    if not at or any(e.field == "name" or fold(e.key) == "alertname" for e in read(text)):
        return []
    return [
        (_named_line(lines[start]), "\n".join(lines[start + 1 : end]).strip("\n"))
        for start, end in zip(at, [*at[1:], len(lines)], strict=True)
    ]


def _named_line(line: str) -> Heading:
    """``KubePodCrashLooping``, or ``• *KubePodCrashLooping* (critical): checkout-7d9f8c6b5-x8k2p`` with what stands behind it."""
    first = _RULE_FIRST.match(line[:200])
    if not first:
        return read_heading(line, prefixed=False)
    kind = "bold" if first["bold"] else "plain"
    rest = line[first.end() :][:1_000]
    labels = dict(quoted_pairs(rest)) if "=" in rest else {}
    said = [
        w
        for w in re.split(r"[\s():–—|·•,*_`\[\]]+", undecorate(first[0][first.end(kind) :] + rest))
        if w and "=" not in w
    ]
    word = labels.get("severity") or next((w for w in [*said[:2], *said[-1:]] if fold(w) in PLAIN_SEVERITIES), "")
    places = [w for w in said if "/" in w or "-" in w]
    return Heading(text=line, name=first[kind], severity_word=word, values=places[:40], labels=labels)


def _read_body(common: Draft, text: str) -> list[Draft]:
    """The alerts in one body: cut at its status lines and where the first telling field comes again."""
    parts: list[tuple[Status | None, list[Entry]]] = [(None, [])]
    for entry in read(text):
        status = _status_line(entry)
        if status:
            parts.append((status, []))
        else:
            parts[-1][1].append(entry)
    before = parts[0][1] if len(parts) > 1 else []
    if any(_names(e) for e in before) and any(_names(e) for _, entries in parts[1:] for e in entries):
        before = []  # alerts of their own, above the first status line
    elif len(parts) > 1:
        parts = parts[1:]
    drafts: list[Draft] = []
    for status, entries in parts:
        if status and entries and all(e.kind == "prose" and _RULE_FIRST.match(e.value) for e in entries):
            drafts += [_of_line(common, status, e.value) for e in entries]
            continue
        shared, segments = split(entries)
        for segment in segments:
            draft = common.copy()
            if status:
                draft.status = status
            for entry in [*segment, *shared, *before]:
                take(draft, entry)
            drafts.append(draft)
    return drafts


def _of_line(common: Draft, status: Status, line: str) -> Draft:
    """One line of a list below ``Firing (2)``."""
    draft = common.copy()
    draft.heading, draft.status = _named_line(line), status
    draft.heading.bracket, draft.heading.strong = status, True
    take_heading(draft, draft.heading)
    return draft


def _names(entry: Entry) -> bool:
    return entry.field in ("name", "labels") or fold(entry.key) == "alertname"


def _status_line(entry: Entry) -> Status | None:
    """The status that a line says and nothing else: ``**Firing**``, ``Alerts Resolved:``, ``Firing (2)``."""
    text = entry.value if entry.kind == "prose" else entry.key if entry.kind == "heading" else ""
    if not text or len(text) > 60:
        return None
    match = _STATUS_LINE.match(fold(undecorate(text)))
    word = match["word"].strip() if match else ""
    return STATUSES.get(word) if word not in _WEAK_LINES else None


def split(entries: list[Entry]) -> tuple[list[Entry], list[list[Entry]]]:
    """(entries that all alerts share, entries of each alert): cut where the first telling field comes a second time.

    A field that repeats with the same value is said twice, not two alerts, unless it is the name or a list of labels.
    """
    seen: dict[tuple[str, str, bool], list[int]] = {}
    for i, entry in enumerate(entries):
        telling = entry.field in _START or fold(entry.key) in VALUE_FIELDS or entry.key in ("instance", "host")
        if entry.kind != "prose" and entry.section != "annotations" and telling:
            section = entry.section if entry.kind == "pair" else ""
            seen.setdefault((section, fold(entry.key), entry.bullet), []).append(i)
    cuts: list[int] = []
    for (_, key, _), places in seen.items():
        opens = entries[places[0]].field in ("name", "labels") or key in VALUE_FIELDS
        if len(places) > 1 and (opens or len({entries[i].value for i in places}) > 1):
            cuts = places
            break
    if not cuts:
        return [], [entries]
    shared, segments = entries[: cuts[0]], [entries[a:b] for a, b in zip(cuts, [*cuts[1:], len(entries)], strict=True)]
    lead_in = _trailing_prose(shared)
    if lead_in and all(_trailing_prose(s) for s in segments[:-1]):
        # Each alert opens with a sentence above its fields: hand the sentences down.
        moved = [lead_in, *(_trailing_prose(s) for s in segments[:-1])]
        shared = shared[: len(shared) - len(lead_in)]
        segments = [
            [*opening, *(s[: len(s) - len(_trailing_prose(s))] if s is not segments[-1] else s)]
            for opening, s in zip(moved, segments, strict=True)
        ]
    return shared, segments


def _trailing_prose(entries: list[Entry]) -> list[Entry]:
    count = 0
    for entry in reversed(entries):
        if entry.kind != "prose":
            break
        count += 1
    return entries[len(entries) - count :] if count else []


def _lead(drafts: list[Draft], heading: Heading) -> list[Draft]:
    """Order where the heading counts fewer firing alerts than are listed and nothing says which.

    All stay firing, since an alert must not be lost. Senders list by time or by labels: by time, what is listed last began last and is the
    likeliest to be still on; by labels, any order is as good. So the last ones lead.
    """
    open_ended = [d for d in drafts if d.status != "resolved"]
    if heading.firing and len(open_ended) == len(drafts) and len(drafts) > heading.firing:
        return [*drafts[-heading.firing :], *drafts[: -heading.firing]]
    return drafts


def _without_covers(drafts: list[Draft]) -> list[Draft]:
    """Drop a draft that only announces the others: a title above one attachment an alert, or a text that says the same as they do."""
    first, rest = drafts[0], drafts[1:]
    announces = not first.labels and not first.named and not first.prose
    told = all(d.alertname or (d.name and d.labels) for d in rest)
    same = any(d.name == first.name for d in rest if d.name)
    if (announces or first.card.own) and (same or not first.name or told) and any(d.name for d in rest):
        for draft in rest:
            draft.status = draft.status or first.status
            draft.severity_word = draft.severity_word or first.severity_word
        return rest
    return drafts
