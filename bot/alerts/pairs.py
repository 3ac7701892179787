"""Names and values out of lines.

Templates write ``*Severity:* critical``, `` - pod = x``, ``pod="x", node="y"``, ``map[pod:x set:y]`` or put the value on the next line.
This module turns a body into `Entry`s in reading order, each a pair, a heading or prose; what they mean is decided elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bot.alerts.markup import undecorate
from bot.alerts.words import LINK_FIELDS, VALUE_FIELDS, field_of, fold

MAX_LINES = 600
MAX_LINE = 4_000
MAX_KEY = 60

Section = Literal["", "labels", "annotations"]


@dataclass(frozen=True, slots=True)
class Entry:
    """``kind`` pair: ``key`` as written, ``field`` its canonical name or ""; heading: ``key`` only; prose: ``value`` only."""

    kind: Literal["pair", "heading", "prose"]
    key: str = ""
    field: str = ""
    value: str = ""
    section: Section = ""
    bullet: bool = False


_BULLET = re.compile(r"^\s*(?:[•·▪‣◦►▸●○◆■–—>-]|\*(?=\s)|\d{1,3}[.)](?=\s))\s*")
_PAIR = re.compile(
    r"^[*_`\"'~\s]*(?P<key>[^\W\d_][^:=：*`\"\n|<>{}\[\]]{0,59}?)[*_`\"'~]*\s*(?P<sep>[:：=]|->|→)[*_`\"'~]*(?P<value>\s.*|(?<==).*|(?<=[*：`]).*|)$"
)
_TIGHT = re.compile(r"^[*_`\"'~\s]*(?P<key>[A-Za-z][A-Za-z0-9_.\- ]{0,59}?)[*_`\"'~]*:(?!//)(?P<value>[^\s:].*)$")
INLINE_BOLD = re.compile(r"(?<=[\w`\"'.,;:)%*\]])[ \t]+(?=\*[^*\n:]{1,40}:\*|\*[^*\n:]{1,40}\*:)")
_LOGFMT = re.compile(
    r"(?<![\w.\-/])([A-Za-z_][\w.\-/]{0,99})\s?=\s?\"((?:[^\"\\]|\\.){0,1000})\"|(?<![\w.\-/])([A-Za-z_][\w.\-/]{0,99})=([^\s,\"{}]{1,300})"
)
_MAP = re.compile(r"map\[([^\[\]]{0,3000})\]")
_MAP_PAIR = re.compile(r"([A-Za-z_][\w.\-/]{0,99}):(.*?)(?=\s+[A-Za-z_][\w.\-/]{0,99}:|$)")
_TAG = re.compile(r"(?:^|,)[\s`*]*([A-Za-z_][\w.\-/]{0,99})\s?[:=]\s?([^\s,`*:=][^\s,`*]{0,299})")
_SPLIT = re.compile(r"\s+[|•·⋅]\s+|\t+|\s*;\s+")
_COMMAS = re.compile(r",\s+(?=[A-Za-z][A-Za-z ]{1,20}:\s)")
_SIGNS = re.compile(r"^(?:\s*:[a-z0-9_+-]{1,60}:)+\s*|^[^\w*`\"'_\[(<@#$/]+", re.IGNORECASE)
_VERBS = frozenset(
    ["is", "was", "has", "have", "had", "are", "were", "will", "been", "the", "a", "an", "this", "that", "it", "there"]
)


def quoted_pairs(text: str) -> list[tuple[str, str]]:
    """All ``k="v"`` and ``k=v`` of a label set, in order; values unquoted."""
    out: list[tuple[str, str]] = []
    for match in _LOGFMT.finditer(text[:MAX_LINE]):
        key, value = (match[1], match[2]) if match[1] else (match[3], match[4].strip("`*'"))
        out.append((key, value.replace('\\"', '"').replace("\\\\", "\\")))
    return out


def read(text: str) -> list[Entry]:
    """The entries of a body, in order; at most `MAX_LINES` lines."""
    section: Section = ""
    entries: list[Entry] = []
    lines = [
        piece.rstrip(", ") for line in text.split("\n")[:MAX_LINES] for piece in INLINE_BOLD.split(line[:MAX_LINE])
    ]
    skip = -1
    for i, line in enumerate(lines):
        if i == skip or not line.strip():
            continue
        for entry in _line(line):
            if entry.kind == "pair" and not entry.value:
                if entry.field in ("labels", "annotations", "details"):
                    section = "annotations" if entry.field == "annotations" else "labels"
                    entries.append(Entry("heading", entry.key, entry.field, section=section))
                    continue
                value = _next(lines, i) if entry.field else ""
                if value:
                    skip = _following(lines, i)
                elif not entry.field:
                    entries.append(Entry("heading", entry.key))
                    continue
                entry = Entry("pair", entry.key, entry.field, value, section, entry.bullet)  # noqa: PLW2901
            elif section and entry.kind == "pair":
                if not entry.bullet and (section == "labels" or (entries and entries[-1].bullet)):
                    section = ""  # a list of labels has bullets; "Source:" below a list is no part of it
                entry = Entry("pair", entry.key, entry.field, entry.value, section, entry.bullet)  # noqa: PLW2901
            entries.append(entry)
    return entries


def _line(line: str) -> Iterator[Entry]:
    bullet = _BULLET.match(line)
    bare = line[bullet.end() :] if bullet else line
    dump = _MAP.search(bare)
    if dump:
        for item in _MAP_PAIR.finditer(dump[1]):
            yield Entry("pair", item[1], field_of(item[1]), item[2].strip(), "labels", True)
        return
    pieces = _SPLIT.split(bare)
    if len(pieces) == 1 and bare.count(":") > 1 and "," in bare:
        apart = [p.strip(" *_") for p in _COMMAS.split(bare)]  # "Cluster: `prod-eu`, Pod: `checkout-1`"
        pieces = apart if all((one := _pair(p, False)) and one.field and one.value for p in apart) else pieces
    if len(pieces) > 1:
        pairs = [p for p in (_pair(piece, bool(bullet)) for piece in pieces) if p and p.value]
        if len(pairs) >= 2 or (pairs and len(pairs) == len(pieces)):
            for piece in pieces:
                yield _pair(piece, bool(bullet)) or Entry("prose", value=piece.strip())
            return
    many = quoted_pairs(bare) if "=" in bare else []
    if len(many) >= 2 or (many and re.match(r"^\s*[\w.]*\{", bare)):
        for key, value in many:
            yield Entry("pair", key, field_of(key), value, "labels", True)
        return
    pair = _pair(bare, bool(bullet))
    listed = _TAG.findall(pair.value) if pair and pair.field == "labels" else []
    if listed:
        yield from (Entry("pair", key, field_of(key), value, "labels", True) for key, value in listed)
        return
    yield pair or Entry("prose", value=line.strip(), bullet=bool(bullet))


def _pair(text: str, bullet: bool) -> Entry | None:
    text = _SIGNS.sub("", text)
    match = _PAIR.match(text)
    if not match:
        # ``pod:x`` without a space: only keys that everybody knows, so that times, addresses and prose stay what they are.
        match = _TIGHT.match(text)
        if not match or not field_of(match["key"]):
            return None
    key = match["key"].strip(" *_`\"'~")
    words = key.split()
    if (
        not key
        or len(words) > 5
        or key.count("(") != key.count(")")
        or _VERBS.intersection(w.lower() for w in words[1:])
    ):
        return None
    field = field_of(key)
    value = match["value"].strip()
    known = field or fold(key) in LINK_FIELDS or fold(key) in VALUE_FIELDS
    if not known and not bullet and (len(words) > 3 or (len(words) > 1 and len(value.split()) > 8)):
        return None  # a sentence with a colon in it
    return Entry("pair", key, field, strip_value(value), bullet=bullet)


def strip_value(value: str) -> str:
    """A value without the quotes, code marks and emphasis around it."""
    value = value.strip()
    for _ in range(3):
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "`*\"'_~":
            value = value[1:-1].strip()
    if value.count("`") == 2 and value.startswith("`"):
        value = value.replace("`", "")
    return value.strip("*") if value.count("`") % 2 == 0 else value.strip("*`")


def _following(lines: list[str], i: int) -> int:
    """The index of the next line with text on it, or the end."""
    return next((j for j in range(i + 1, min(len(lines), i + 3)) if lines[j].strip()), len(lines))


def _next(lines: list[str], i: int) -> str:
    """The value on the line below a name, "" when what is there starts something else."""
    j = _following(lines, i)
    if j >= len(lines):
        return ""
    line = lines[j]
    if _BULLET.match(line) or any(entry.kind == "pair" for entry in _line(line)):
        return ""
    return strip_value(undecorate(line)) if len(line) <= 400 else ""
