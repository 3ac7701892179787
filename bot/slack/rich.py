"""Rich text: typed leaves that Slack never parses. A log line in here cannot mention, link or format anything.

The only markup that is honoured is our own: a pair of backticks makes a code span. A stranger's backticks get code font, no more.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bot.slack.mrkdwn import allowed, shorten, tidy
from mcp_servers.common.untrusted import sanitise

Leaf = dict[str, Any]
Part = dict[str, Any]

_CODE = re.compile(r"`([^`]{1,400})`")


def text(value: str, *, bold: bool = False, italic: bool = False) -> list[Leaf]:
    """Literal text; nothing for "" because Slack refuses empty leaves."""
    if not value:
        return []
    style = {k: True for k, on in (("bold", bold), ("italic", italic)) if on}
    return [{"type": "text", "text": value, **({"style": style} if style else {})}]


def code(value: str) -> list[Leaf]:
    return [{"type": "text", "text": value, "style": {"code": True}}] if value else []


def inline(value: str, limit: int = 300, *, bold: bool = False) -> list[Leaf]:
    """One line of our own wording with `` `names` `` in code font."""
    leaves: list[Leaf] = []
    for number, piece in enumerate(_CODE.split(tidy(value, limit))):
        if number % 2:
            leaves += [{"type": "text", "text": piece, "style": {"code": True, **({"bold": True} if bold else {})}}]
        else:
            leaves += text(piece, bold=bold)
    return leaves


def moment(stamp: str | datetime | None, now: datetime) -> list[Leaf]:
    """A time in the reader's own zone: the clock for today, with the day for other days. The report speaks UTC and says so.

    What is not a time is shown as it is.
    """
    if not stamp:
        return []
    try:
        at = stamp if isinstance(stamp, datetime) else datetime.fromisoformat(stamp)
    except ValueError:
        return text(tidy(str(stamp), 40))
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    same_day = abs((now - at).total_seconds()) < 12 * 3600
    pattern = "{time}" if same_day else "{date_short} {time}"
    fallback = f"{at:%H:%M} UTC" if same_day else f"{at:%Y-%m-%d %H:%M} UTC"
    return [{"type": "date", "timestamp": int(at.timestamp()), "format": pattern, "fallback": fallback}]


def link(url: str, title: str, hosts: Sequence[str]) -> list[Leaf]:
    """A link where its host is allowed, else its title only."""
    shown = tidy(title, 100)
    return [{"type": "link", "url": url, "text": shown or url}] if allowed(url, hosts) else text(shown)


def section(*leaves: list[Leaf]) -> Part:
    """One paragraph; a space stands in for nothing at all."""
    flat = [leaf for group in leaves for leaf in group]
    return {"type": "rich_text_section", "elements": flat or [{"type": "text", "text": " "}]}


def bullets(items: Sequence[list[Leaf]]) -> Part:
    return {"type": "rich_text_list", "style": "bullet", "elements": [section(i) for i in items]}


def block_of(*parts: Part) -> dict[str, Any]:
    return {"type": "rich_text", "elements": list(parts)}


def preformatted(value: str, limit: int = 1500) -> Part:
    """Verbatim text with its line breaks, cut at ``limit`` characters."""
    shown = shorten(sanitise(value).strip("\n"), limit)
    return {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": shown or " "}]}


def plain(parts: Sequence[Part]) -> str:
    """The words of rich text, for the simpler forms."""
    lines: list[str] = []
    for part in parts:
        if part["type"] == "rich_text_list":
            lines += [f"• {plain([item])}" for item in part["elements"]]
        else:
            lines.append("".join(leaf.get("text") or leaf.get("fallback") or "" for leaf in part["elements"]))
    return "\n".join(lines)
