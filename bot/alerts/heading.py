"""The one line that names an alert: ``[FIRING:1] KubePodCrashLooping shop (prod-eu checkout ... critical)`` and its many kin.

A heading may carry a status mark, a count, a severity, the alert's name, label pairs, or label values without names. `read_heading` takes
it apart from the outside in and leaves what it cannot tell: the values stay values.
"""

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

from bot.alerts.markup import undecorate
from bot.alerts.model import Status
from bot.alerts.pairs import quoted_pairs
from bot.alerts.states import read_state
from bot.alerts.words import ALERT_NOUNS, SEVERITIES, STATUSES, fold, listed

MAX_VALUES = 40


@dataclass(slots=True)
class Heading:
    """What one line says. ``strong`` is true where a machine's mark (``[FIRING:1]``, ``ALARM:``) says that this is an alert.

    ``firing`` and ``resolved`` are the counts in the mark, ``None`` where it has none. ``group`` are the bare values between name and
    parenthesis, ``values`` those inside. ``prefix`` stood before the mark.
    """

    text: str = ""
    name: str = ""
    status: Status | None = None
    severity_word: str = ""
    firing: int | None = None
    resolved: int | None = None
    labels: dict[str, str] = field(default_factory=dict)
    group: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    prefix: str = ""
    bracket: str = ""  # the first mark as written, folded
    strong: bool = False
    lead: str = ""  # ``alert`` in ``Alert: disk is full``
    tail: str = ""  # ``down`` in ``checkout is down``


_OPEN = {"[": "]", "【": "】", "(": ")", "「": "」", "{": "}"}
_MARK = re.compile(r"^([\[【(「])\s*([^\[\]【】()「」\n]{1,60}?)\s*[\]】)」]\s*[:：|–—-]?\s*")
_ADDRESS = re.compile(r"(?<=\w)\s\(\s?https?://")  # "Checkout ( https://... ) - Reason: ...": what is behind is no name
_SURE_MARK = re.compile(r"^(?:FIRING|RESOLVED|ALERTING|OK)(?::\d{1,6})?$")
_SEVERITY_FIRST = re.compile(r"^(critical|warning|info|error|page|p[0-5])\s+([A-Za-z]\w{2,99})\b", re.IGNORECASE)
_RANKED = re.compile(r"^(p[0-5]|sev-?[0-5])\s*[:：|–—]\s*(?=\S)", re.IGNORECASE)
_PLACE = re.compile(
    r"^\[[A-Za-z][\w .-]{1,23}\]\s*:?\s*(?=\[)|^\[[a-z][a-z0-9.-]{1,29}\]\s*(?=[A-Z][a-z]+[A-Z])"
    r"|^\[[a-z][\w.-]{1,40}/[\w.-]{1,40}\]\s+(?=[A-Z][^\]:]{2,30}:)"
)
_OVER = re.compile(r"^(resolved|recovered)\s+(?:in|after)\s+\d[\d dhms]{0,20}\s*:\s*(?=\S)", re.IGNORECASE)
_TICKET = re.compile(r"^#\d{1,9}\s*(?:[:|–—-]\s*(?=\S)|(?=\[)|(?=[A-Z][a-z]+[A-Z]))")
_COUNTED = re.compile(
    r"^(?P<n>\d{1,6})\s+(?:alerts?\s+|alert\(s\)\s+)?(?P<word>firing|resolved)(?:\s*[,;/&]?\s*(?P<m>\d{1,6})\s+(?:alerts?\s+)?resolved)?(?:\s+(?:in|on|for)\s+[\w.-]{1,40})?\W*$",
    re.IGNORECASE,
)
_VIA = re.compile(r"\s+via\s+[\w .-]{2,40}(?:\(.{0,80})?$")
_COUNT = re.compile(r"[\s:：(-]*(\d{1,6})\)?\s*$")
_BARE = re.compile(
    r"^(?:(FIRING|RESOLVED|ALARM|TRIGGERED|RECOVERED|(?:PROBLEM|RECOVERY)(?= (?:Host|Service)\b))[:\s(\[]*(\d{0,6})[)\]]?\s*[:|–—-]*\s+"
    r"|(ALERT)\s+(?=[A-Za-z_]\w{2,99}[\s{]+\w{1,60}\s?=)|(PROBLEM|RECOVERY|OK|CRITICAL|WARNING|INSUFFICIENT_DATA)\s*[:|–—-]+\s*)(?=\S)"
)
_LEAD = re.compile(
    r"^([^\W\d_][^\W\d]{0,24}(?:[ -][^\W\d_]{1,16}){0,2})(?:[:\s(#]+(\d{1,9})\)?)?\s*[:：|–—!•·]\s*(?=\S)"
)
# Who passes the alert on: no part of what it is called.
_RELAYED = re.compile(
    r"^(?:vm ?alert|prometheus|alertmanager|grafana|thanos|mimir|loki)(?: alerts?)?\s*[:|–—]\s*(?=\S)", re.IGNORECASE
)
_STRONG_ANYWHERE = re.compile(
    r"\[\s*(?:FIRING|RESOLVED)\s*(?::\s*\d{1,6})?(?:\s*,\s*(?:FIRING|RESOLVED)\s*(?::\s*\d{1,6})?)?\s*\]"
)
_TAIL = re.compile(
    r"^(?P<name>.{2,200}?)\s+(?:is|are|has been|has|was|is now|went|ist|est|está)\s+(?:now\s+|back\s+(?!to\b))?"
    r"(?P<word>[\w ]{2,20}?)[.!]?$",
    re.IGNORECASE,
)
_TAIL_DASH = re.compile(
    r"^(?P<name>.{2,200}?)\s*(?:[-–—|:·•]\s*|[(\[])(?P<word>[^\W\d_]{2,20}|[Pp][0-5]|[Ss][Ee][Vv]-?\d)[)\]]?$"
)
_NAGIOS = re.compile(
    r"^(?:Host|Service)\s+(?:Alert|Notification)?:?\s*(?P<object>[\w.\-]{1,120}(?:/[^/\n]{1,120}?)?)\s+is\s+(?P<word>[A-Z]{2,12})\b"
)
_TAIL_WORD = re.compile(
    r"^(?:(?P<name>\S{3,100})|(?P<said>.{3,150}?) (?:has |is )?just)\s+(?P<word>firing|resolved|alerting|triggered|recovered|fired)$",
    re.IGNORECASE,
)
_TRIGGERED_ON = re.compile(r"^\[?\s*(?P<word>[A-Za-z -]{4,20}?) on \{(?P<tags>[^{}\n]{0,500})\}\s*[\]:]{1,2}\s*")
_CHATBOT = re.compile(r"^CloudWatch Alarm\s*\|\s*(?P<name>[^|\n]{1,255}?)\s*\|.*$")
_CLOUDWATCH = re.compile(r'^"(?P<name>[^"\n]{1,255})"\s+in\s+\S.*$')
_COUNTS_ONLY = re.compile(r"^\d{1,5}\s+(?:[a-z]{2,10}\s+){0,2}alert(?:s|\(s\))?\b(?![:-])", re.IGNORECASE)
_UNSURE = frozenset({"open", "opened", "closed", "active", "new", "info"})
_CAPITALS = frozenset({"problem", "alert", "alarm", "firing", "triggered", "recovery", "resolved", "recovered"})
_CERTAIN = frozenset(["firing", "resolved", "alerting", "triggered", "recovered", "fired"])
_AZURE = re.compile(r"^(?P<word>Sev\s?\d)\s+Azure Monitor Alert\s+(?P<name>.+?)(?:\s+on\s+.*)?$", re.IGNORECASE)
_IDENTIFIER = re.compile(r"^[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*$")
_PREPOSITION = frozenset(["on", "for", "in", "at", "of", "by", "from"])
_PRODUCTS = listed(
    """mongodb clickhouse postgresql mysql rabbitmq haproxy dynamodb openai graphql github gitlab cockroachdb influxdb activemq
    nodejs scylladb mariadb couchdb timescaledb opensearch elasticsearch javascript pagerduty victoriametrics documentdb
    cloudfront cloudwatch openvpn wireguard opentelemetry signoz argocd fluxcd memcached coredns zookeeper kubernetes"""
)
_PROSE = listed(
    """is are was down up high low lag error errors usage too many not no slow latency memory cpu disk failed failing failure
    replication connections connection above below over under rate with on for in at of the a an by and or to from has have been
    out full missing unavailable unreachable exceeded limit pods pod node nodes queue requests response time timeout space
    restarts restarting"""
)


def read_heading(line: str, *, prefixed: bool = True) -> Heading:
    """Take one line apart. ``prefixed`` admits words before a ``[FIRING:1]`` mark, as titles have and prose must not."""
    if not line:
        return Heading()
    known = _read(line[:1_000], prefixed)
    return replace(known, labels=dict(known.labels), group=list(known.group), values=list(known.values))


@lru_cache(maxsize=64)  # the gate and the reader ask for the same few lines of one message
def _read(line: str, prefixed: bool) -> Heading:
    shown = undecorate(" ".join(line.split("\n", 1)[0].split()))
    shown = _ADDRESS.split(shown, 1)[0] or shown
    heading = Heading(text=shown)
    counted = _COUNTED.match(shown) if prefixed and shown[:1].isdigit() else None
    if counted and int(counted["n"]):
        _count(heading, counted)
        return heading
    rest = _TICKET.sub("", shown) if shown.startswith("#") else shown
    if rest != shown:
        rest = _VIA.sub("", rest)
    found = _STRONG_ANYWHERE.search(rest[:120])
    if found and found.start():
        before = rest[: found.start()].strip(" |:-–—")
        if prefixed or (len(before) <= 40 and len(before.split()) <= 2 and not re.search(r"[.:…]", before)):
            heading.prefix, rest = before, rest[found.start() :]
    for _ in range(4):
        shorter = _strip_mark(heading, rest)
        if shorter == rest:
            break
        rest = undecorate(shorter)
    if _nameless(heading, rest):
        return heading
    rest = _strip_tail(heading, rest)
    _name(heading, rest)
    return heading


def _nameless(heading: Heading, text: str) -> bool:
    """``Alert triggered``, ``Alerta disparada``, ``Issue opened``: it says that there is an alert; what is below names it."""
    words = [fold(w) for w in text.split()]
    if len(words) == 1 and text.isupper() and words[0] in _CAPITALS:
        heading.status, heading.lead = heading.status or STATUSES[words[0]], words[0]
        return True
    if not 1 < len(words) <= 4 or not all(w in STATUSES or w in ALERT_NOUNS or w in SEVERITIES for w in words):
        return False
    if words[0] in ("open", "active", "closed", "recent") and words[-1].endswith("s"):
        return False  # "Open incidents": a list that somebody asked for
    stated = next((STATUSES[w] for w in reversed(words) if w in STATUSES), None)
    if stated:
        heading.status = heading.status or stated
        heading.lead = heading.lead or " ".join(words)
        heading.severity_word = heading.severity_word or next(
            (w for w in words if w in SEVERITIES and w not in ALERT_NOUNS), ""
        )
    return stated is not None


def _count(heading: Heading, counted: "re.Match[str]") -> None:
    """``2 alerts firing, 1 resolved``: a mark that names nothing; the names stand below."""
    number, over = int(counted["n"]), counted["word"].lower() == "resolved"
    heading.status = "resolved" if over else "firing"
    heading.firing = 0 if over else number
    heading.resolved = number if over else int(counted["m"] or 0)
    heading.strong = True


def _strip_mark(heading: Heading, text: str) -> str:
    """``text`` after its leading mark, the mark noted in ``heading``; ``text`` itself where there is none."""
    tagged = _TRIGGERED_ON.match(text)
    if tagged and _note(heading, tagged["word"], bracket=True):
        heading.labels = dict(t.strip().split(":", 1) for t in tagged["tags"].split(",") if ":" in t)
        return text[tagged.end() :]
    mark = _MARK.match(text)
    if (
        mark
        and (mark[1] != "(" or heading.bracket or _SURE_MARK.match(mark[2]))
        and _note(heading, mark[2], bracket=True)
    ):
        return text[mark.end() :]
    bare = _BARE.match(text)
    word = (bare[1] or bare[3] or bare[4]) if bare else ""
    if bare and _note(heading, f"{word}:{bare[2]}" if bare[2] else word, bracket=False):
        heading.strong = True
        return text[bare.end() :]
    relayed = _RELAYED.match(text)
    if relayed:
        return text[relayed.end() :]
    lead = _LEAD.match(text)
    plain = _SEVERITY_FIRST.match(text)
    if plain and _identifier(plain[2]) and _note(heading, plain[1], bracket=False):
        return text[plain.start(2) :]
    ranked = _RANKED.match(text)
    if ranked and _note(heading, ranked[1], bracket=False):
        heading.lead = heading.lead or fold(ranked[1])
        return text[ranked.end() :]
    place = _PLACE.match(text)
    if place and not heading.prefix:  # [prod-eu] before what is said: where it comes from
        heading.prefix = place[0].strip("[] ")
        return text[place.end() :]
    over = _OVER.match(text)
    if over and _note(heading, over[1], bracket=False):
        heading.lead = heading.lead or fold(over[1])
        return text[over.end() :]
    if lead and _note(heading, lead[1], bracket=False):
        words = fold(lead[1]).split()
        # "Open issue: ..." is said of work, too: what is unsure in it stays so.
        heading.lead = heading.lead or next((w for w in words if w in _UNSURE), " ".join(words))
        return text[lead.end() :]
    return text


def _note(heading: Heading, mark: str, *, bracket: bool) -> bool:
    """Read ``FIRING:2, RESOLVED:1``, ``Alerting``, ``P1`` or ``critical`` into ``heading``; false when a part is none of them."""
    parts = [p for p in re.split(r"\s*[,/|;]\s*|\s[-–—]\s", mark) if p]
    seen: list[tuple[str, int | None]] = []
    for part in parts:
        count = _COUNT.search(part) if not re.match(r"^(?:[psPS]|sev|SEV|Sev)[ -]?\d$", part) else None
        word = fold(part[: count.start()] if count else part).replace("sev-", "sev").replace("sev ", "sev")
        if word.startswith("insufficient"):
            word = "no data"
        several = [] if word in STATUSES or word in SEVERITIES else word.split()
        if 1 < len(several) <= 3 and all(w in STATUSES or w in SEVERITIES or w in ALERT_NOUNS for w in several):
            # "alerta disparada", "critical violation": a noun, and what became of it or how bad it is
            told = [w for w in several if w not in ALERT_NOUNS and (w in STATUSES or w in SEVERITIES)]
            word = next(iter(told[::-1]), next((w for w in several if w in STATUSES), word))
        if word not in STATUSES and word not in SEVERITIES:
            return False
        seen.append((word, int(count[1]) if count else None))
    for word, number in seen:
        status = STATUSES.get(word)
        severity = word in SEVERITIES and word not in ("alert", "alarm", "ok", "normal")
        if status:
            if heading.status is None or (status == "firing" and number):
                heading.status = status
            if status == "firing" and number is not None:
                heading.firing = number
            if status == "resolved" and number is not None:
                heading.resolved = number
        if severity and (not heading.severity_word or (_is_rank(heading.severity_word) and not _is_rank(word))):
            heading.severity_word = word  # "[P3] Warn": the word says how bad it is now, the rank whom it concerns
        if bracket and (status or severity):
            heading.strong = heading.strong or bool(status) or SEVERITIES.get(word) != "info"
            heading.bracket = heading.bracket or word
    return bool(seen)


def _is_rank(word: str) -> bool:
    return bool(re.match(r"^(?:p|s|sev)\d$", word))


def _strip_tail(heading: Heading, text: str) -> str:
    """``X is firing``, ``X - critical``, ``X (warning)``, Nagios, CloudWatch and Azure forms: the name alone."""
    nagios = _NAGIOS.match(text)
    if nagios:
        heading.strong = True
        word = fold(nagios["word"])
        if word in SEVERITIES and word != "ok":
            heading.severity_word = heading.severity_word or word
        heading.status = heading.status or STATUSES.get(word)
        host, _, service = nagios["object"].partition("/")
        heading.labels.setdefault("host", host)
        return service or host
    for special in (_CLOUDWATCH, _AZURE, _CHATBOT):
        match = special.match(text)
        if match:
            heading.strong = True
            if "word" in match.groupdict():
                heading.severity_word = heading.severity_word or fold(match["word"])
            return match["name"]
    told = read_state(text) if not heading.lead else None
    if told and _note(heading, told.word, bracket=False):
        heading.tail = told.word if told.word in STATUSES else "triggered"
        heading.status = heading.status or "firing"
        heading.strong = heading.strong or told.sure
        return told.name
    tail = _TAIL_WORD.match(text) or _TAIL.match(text)
    if tail and fold(tail["word"]) in STATUSES:
        word = heading.tail = fold(tail["word"])
        if heading.status is None:
            heading.status = STATUSES[word]
        name = str(tail["name"] or tail["said"]) if "said" in tail.re.groupindex else str(tail["name"])
        if word in (*_CERTAIN, "back to normal"):
            heading.strong = True
            return name
        if word in SEVERITIES and word not in ("ok", "normal"):
            heading.severity_word = heading.severity_word or word
        return name if heading.bracket or heading.strong else text
    if heading.lead and _note(heading, text, bracket=False):
        return ""  # "Monitor alert: Critical": a severity where a name could stand
    dash = _TAIL_DASH.match(text)
    if dash and not re.search(r"\([^)]*\s[^)]*\)$", text):
        word = fold(dash["word"])
        if word in SEVERITIES and word not in (
            "ok",
            "normal",
            "alert",
            "alarm",
            "high",
            "low",
            "error",
            "major",
            "minor",
        ):
            heading.severity_word = heading.severity_word or word
            return dash["name"].strip()
        if word in STATUSES and word not in ("down", "up", "open", "active"):
            heading.status = heading.status or STATUSES[word]
            heading.strong = heading.strong or word in _CERTAIN
            return dash["name"].strip()
    return text


def _name(heading: Heading, text: str) -> None:
    """The alert's name, and the labels or values around it."""
    told = quoted_pairs(text) if "=" in text and "(" not in text else []
    if told:
        heading.labels.update(told[:60])
        text = (
            re.split(r"\s*[{,]?\s*(?<![\w.\-/])[A-Za-z_][\w.\-/]{0,99}\s?=", text, maxsplit=1)[0].strip(" :,|-") or text
        )
    marked = heading.firing is not None or heading.resolved is not None or heading.bracket in ("firing", "resolved")
    aside = re.match(r"^\([^()]{1,40}\)\s+(?=[A-Z])", text) if marked else None
    text = text[aside.end() :] if aside else text  # "[FIRING:1] (repeat) KubePodNotReady"
    group, inner = text, ""
    at = text.find(" (") if not text.startswith("(") else 0
    if at >= 0 and (marked or '="' in text[at:]):
        group, inner = text[:at].strip(), text[at:].strip(" (")
        inner = (
            inner[:-1] if inner.endswith(")") else inner.rsplit(" ", 1)[0]
        )  # cut off: the last value is half a value
    pairs = quoted_pairs(inner) if '="' in inner else []
    if pairs:
        heading.labels.update(pairs[:60])
        group = re.sub(r"\s+for(\s+\S+)?$", "", group)
        heading.name = heading.labels.get("alertname") or group
        return
    heading.values = inner.split()[:MAX_VALUES]
    if marked and _COUNTS_ONLY.match(group):
        return
    words = group.split()
    if (
        1 < len(words) <= 4
        and _identifier(words[-1])
        and all(fold(w) in STATUSES or fold(w) in ALERT_NOUNS for w in words[:-1])
    ):
        heading.status = heading.status or next((STATUSES[fold(w)] for w in words[:-1] if fold(w) in STATUSES), None)
        heading.lead = heading.lead or " ".join(map(fold, words[:-1]))
        heading.name = words[-1]
        return
    first = words[0].rstrip(":,") if words else ""
    if not marked:
        apart = len(words) > 1 and (words[0].endswith(":") or not any(c.isalnum() for c in words[1]))
        apart = apart or (len(words) > 1 and words[1].startswith("(") and bool(heading.lead or heading.status))
        heading.name = text
        if apart and _identifier(first):
            heading.name, heading.group = first, [w for w in words[1:] if "/" in w or "-" in w[1:]][:MAX_VALUES]
        return
    if _identifier(first) and (
        len(words) == 1
        or words[0] != first
        or words[1].lower() in _PREPOSITION
        or not any(c.isalnum() for c in words[1])
        or not _PROSE.intersection(w.lower() for w in words[1:])
    ):
        heading.name, heading.group = (
            first,
            [w for w in words[1:] if w.lower() not in _PREPOSITION and any(c.isalnum() for c in w)][:MAX_VALUES],
        )
    elif heading.values and _identifier(heading.values[0]) and not any(w[:1].isupper() for w in words):
        # Grouped by something else than the name: the name is the first of the other labels.
        heading.name, heading.group, heading.values = heading.values[0], words[:MAX_VALUES], heading.values[1:]
    else:
        heading.name = group


def _identifier(word: str) -> bool:
    """Whether ``word`` is written as rules are named: ``KubePodCrashLooping``, ``high_error_rate``; no product, no acronym."""
    if not _IDENTIFIER.match(word) or word.lower() in _PRODUCTS:
        return False
    humps = sum(1 for a, b in pairwise(word) if b.isupper() and not a.isupper()) + word[0].isupper()
    return ("_" in word and len(word) > 4) or (humps >= 2 and any(c.islower() for c in word)) or word in ("Watchdog",)
