"""Tables that are written as text: ``NAMESPACE POD REASON`` above its rows, or cells between bars.

Scripts paste what ``kubectl`` prints, Markdown has tables of its own. A table becomes one ``key: value`` a line and a row after the other,
as every other list of alerts is read. Blanks are folded already where a text arrives here, so columns without bars are words, and what
stands behind the first cell of several words is left out.
"""

import re
from collections.abc import Iterator

from bot.alerts.shapes import pod_owner
from bot.alerts.words import field_of, fold

MAX_ROWS = 50

_COLUMN = re.compile(r"(?:^|[ _])(?:ready|status|reason|restarts|age|state|message|phase|count|type|object|kind)$")
_HEAD = re.compile(r"^[\s`]*[A-Z][A-Z_-]{2,20}(?:\s+[A-Z][A-Z_-]{1,20}){1,9}\s*$")
_RULE = re.compile(r"^[\s|:+-]*-{2,}[\s|:+-]*$")


def unfold(text: str) -> str:
    """``text`` with its tables as lines of keys and values; ``text`` itself where it has none."""
    if "|" not in text and not any(_HEAD.match(line) for line in text.split("\n", 8)[:8]):
        return text
    out: list[str] = []
    head: list[str] = []
    rows = 0
    for line in text.split("\n"):
        cells = _cells(line)
        if head and _RULE.match(line):
            continue
        if head and cells and rows < MAX_ROWS and _barred(line) == _barred(head[0]):
            rows += 1
            out += _row(head[1:], cells)
            continue
        head = [line, *cells] if _is_head(line, cells) else []
        rows = 0
        if not head:
            out.append(line)
    return "\n".join(out)


def _barred(line: str) -> bool:
    return line.count("|") >= 2


def _cells(line: str) -> list[str]:
    bare = line.strip().strip("`")
    if _barred(bare):
        return [cell.strip() for cell in bare.strip("|").split("|")]
    return bare.split()


def _is_head(line: str, cells: list[str]) -> bool:
    """Whether a line names columns: at least two that everybody knows, and no cell that says more than a name."""
    if not (_barred(line) or _HEAD.match(line)) or any(":" in cell or len(cell) > 40 for cell in cells):
        return False
    return sum(bool(field_of(cell)) or bool(_COLUMN.search(fold(cell))) for cell in cells) >= 2


def _row(head: list[str], cells: list[str]) -> Iterator[str]:
    for key, value in zip(head, cells, strict=False):
        if key and value:
            yield f"{'pod' if fold(key) == 'name' and pod_owner(value) else key}: {value}"
