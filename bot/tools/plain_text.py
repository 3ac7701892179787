"""Structure in a foreign server's text: YAML that says it is YAML, and tables with a heading. All else stays text.

Only what is plainly meant so is read: prose that happens to parse ("error: no such host" is valid YAML) would become a structure that
nobody wrote.
"""

import re
from itertools import pairwise
from typing import Any, Final

import yaml

MAX_YAML: Final = 100_000
"""Longest text that is read as YAML, in characters; reading it is slow."""
MAX_ROWS: Final = 500
MAX_COLUMNS: Final = 40

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FENCE = re.compile(r"\A```(?:ya?ml)?[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)
_SAYS_YAML = re.compile(r"\A(?:#[^\n]*yaml[^\n]*\n|---\n|```ya?ml|(?:- )?apiVersion:)", re.IGNORECASE)
_HEADING = re.compile(r"[A-Z][A-Z0-9_()/%.-]*(?: [A-Z0-9_()/%.-]+)*")
_GAP = re.compile(r" {2,}|\t+")
_RULE = re.compile(r"\|?[ :|-]+\|[ :|-]*")


def structure(text: str) -> Any:
    """Lists and objects that ``text`` holds; ``None`` when it is prose."""
    text = text.strip()
    if not text:
        return None
    if len(text) <= MAX_YAML and _SAYS_YAML.match(text):
        found = _yaml(text)
        if found is not None:
            return found
    lines = text.splitlines()
    if len(lines) < 2:
        return None
    return _markdown(lines) if lines[0].lstrip().startswith("|") else _columns(lines)


def _yaml(text: str) -> Any:
    fenced = _FENCE.match(text)
    try:
        found = yaml.load(fenced[1] if fenced else text, Loader=_LOADER)  # noqa: S506 (a safe loader, in C where it is there)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError):
        return None
    return found if isinstance(found, list | dict) else None


def _columns(lines: list[str]) -> list[dict[str, str]] | None:
    """A table as command lines print it: a heading in capitals, and each column below its name."""
    heading = lines[0].rstrip()
    names = _GAP.split(heading.strip())
    if not 2 <= len(names) <= MAX_COLUMNS or not all(_HEADING.fullmatch(name) for name in names):
        return None
    starts: list[int] = []
    at = 0
    for name in names:
        at = heading.index(name, at)
        starts.append(at)
        at += len(name)
    spans = [*pairwise(starts), (starts[-1], None)]
    rows = [line for line in lines[1:] if line.strip()][:MAX_ROWS]
    # a word that runs over the edge of its column means that the columns are not where the heading says
    if any(
        start and len(line) > start and line[start] != " " and line[start - 1] not in " \t"
        for line in rows
        for start in starts
    ):
        return None
    return [{_key(name): line[a:b].strip() for name, (a, b) in zip(names, spans, strict=True)} for line in rows]


def _markdown(lines: list[str]) -> list[dict[str, str]] | None:
    if not _RULE.fullmatch(lines[1].strip()) or "-" not in lines[1]:
        return None
    names = _cells(lines[0])
    rows = [_cells(line) for line in lines[2:] if line.lstrip().startswith("|")][:MAX_ROWS]
    if not 1 <= len(names) <= MAX_COLUMNS or any(len(row) != len(names) for row in rows):
        return None
    return [dict(zip(map(_key, names), row, strict=True)) for row in rows]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _key(name: str) -> str:
    """A heading as a name that expressions can use: ``RESTART COUNT`` is ``restart_count``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "column"
