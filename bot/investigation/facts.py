"""The checkable facts of a sentence: quantities, clock times, names, quotations. What is none of these is prose and is not checked."""

import re
from dataclasses import dataclass
from typing import Final

from bot.investigation.quantities import Quantity, claimed, unit


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KINDS: Final = _words(
    """
    pod deployment replicaset statefulset daemonset job cronjob service ingress configmap secret node namespace
    persistentvolumeclaim persistentvolume pvc pv storageclass serviceaccount networkpolicy resourcequota limitrange
    horizontalpodautoscaler hpa poddisruptionbudget pdb endpoints endpointslice container image volume host database collection
    table index queue topic revision workload
    """
)
_PROSE_PARTS: Final = _words(
    """
    a and as at back based by down end ever facing first for free from full high i in known last level like long low max min more
    most multi near new non not of off old on one only open or other out over per post pre re read ready related run same scale
    self short side single so specific still term than the time to too two under up user well wide with write x zero crash loop
    start early late hard soft cold warm rate limit limits memory cpu disk error errors request requests root cause step fast
    slow per-second
    """
)
_TECH: Final = _words(
    """
    mongodb clickhouse postgresql mysql javascript typescript github gitlab signoz grafana alertmanager openai
    """
)

_EVIDENCE_ID = re.compile(r"\s*[\[(](?:\s*E\d+(?:\.\d+)?\s*[,;]?)+[\])]")
_QUOTED = re.compile(r"“([^”]{2,300})”|\"([^\"]{2,300})\"|`([^`]{1,300})`|(?<!\w)'([^']{2,300})'(?!\w)")
_TIMESTAMP = re.compile(r"\b(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?\b")
_CLOCK = re.compile(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?![\d:])")
_TOKEN = re.compile(r"[A-Za-z0-9][\w./:@-]*[A-Za-z0-9]|[A-Za-z]")
_CAMEL = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z]+[a-z0-9]*)+|[A-Z]{2,}[a-z]{2,}\w*")
_ABBREVIATIONS: Final = frozenset(
    {"e.g", "i.e", "and/or", "n/a", "i/o", "tcp/ip", "read/write", "w/o", "24/7", "a.m", "p.m"}
)


@dataclass(frozen=True)
class Facts:
    """What a sentence states. ``times`` are ``HH:MM`` or ``HH:MM:SS`` (UTC), ``dates`` ``YYYY-MM-DD``."""

    quantities: tuple[Quantity, ...] = ()
    times: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.quantities or self.times or self.dates or self.names or self.quotes)


def without_ids(text: str) -> str:
    """``text`` without bracketed evidence ids, which the renderers add themselves."""
    return _EVIDENCE_ID.sub("", text).strip()


def facts(sentence: str) -> Facts:
    """The facts of ``sentence``; bounded work for any text."""
    rest = without_ids(sentence[:2_000])
    quotes: list[str] = []
    names: list[str] = []
    for match in _QUOTED.finditer(rest):
        inner = next(group for group in match.groups() if group is not None).strip(" .,;:")
        if inner:
            (quotes if " " in inner else names).append(inner)
    rest = _QUOTED.sub(" ", rest)
    dates = [m[1] for m in _TIMESTAMP.finditer(rest)]
    times = [m[2] for m in _TIMESTAMP.finditer(rest) if m[2]]
    rest = _TIMESTAMP.sub(" ", rest)
    times += [f"{int(m[1]):02d}:{m[2]}" + (f":{m[3]}" if m[3] else "") for m in _CLOCK.finditer(rest)]
    rest = _CLOCK.sub(" ", rest)
    before = ""
    for match in _TOKEN.finditer(rest):
        token = match[0]
        if _is_name(token, before):
            names.append(token)
            rest = f"{rest[: match.start()]}{' ' * len(token)}{rest[match.end() :]}"
        before = token.lower()
    return Facts(tuple(claimed(rest)), tuple(times), tuple(dates), tuple(dict.fromkeys(names)), tuple(quotes))


def _is_name(token: str, before: str) -> bool:
    """Whether a word is the name of a thing rather than English: by its shape, and by the kind that stands before it."""
    low = token.lower()
    if low in _ABBREVIATIONS or low in KINDS or low in _TECH or re.fullmatch(r"[\d.,]+[A-Za-zµ%]{0,3}", token):
        return bool(re.fullmatch(r"\d+\.\d+\.\d[\d.]*", token))  # a version of three parts is a name
    if unit(token)[0]:
        return False
    if re.fullmatch(r"[A-Za-z]+", token):
        return bool(_CAMEL.fullmatch(token)) and low not in KINDS
    if any(sign in token for sign in "_/@:"):
        return True
    if "." in token and re.search(r"[A-Za-z]", token):
        return True
    if "-" in token:
        if any(c.isdigit() for c in token):
            return not re.fullmatch(r"\d+-[a-z]+", low)  # "5-minute" is English
        parts = low.split("-")
        prose = any(p in _PROSE_PARTS or p.endswith(("ing", "ed", "ly", "less", "able")) for p in parts)
        return before.rstrip("s") in KINDS or not prose
    return bool(re.fullmatch(r"[A-Za-z]+\d+[A-Za-z0-9]*", token)) and len(token) >= 5 and low not in KINDS
