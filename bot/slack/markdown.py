"""Markdown to rich text: answers are written in Markdown, and nothing in them may become a mention or a link to an unknown host.

Tokens come from markdown-it; each becomes typed leaves. What rich text does not know (tables, HTML, images) is shown as its source.
"""

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.slack import rich
from bot.slack.mrkdwn import allowed
from mcp_servers.common.untrusted import sanitise

MAX_CHARS = 9_000
MAX_PARTS = 60

_PARSER = MarkdownIt("commonmark", {"html": False, "maxNesting": 12})


def to_rich(source: str, hosts: Sequence[str] = ()) -> list[rich.Part]:
    """``source`` as parts of one rich text block; links only to ``hosts``. Never empty; at most `MAX_PARTS` parts."""
    shown = sanitise(source)
    if len(shown) > MAX_CHARS:
        shown = shown[:MAX_CHARS].rsplit(" ", 1)[0] + " …"
    parts: list[rich.Part] = []
    items: list[list[rich.Leaf]] = []
    depth = 0
    heading = False
    for token in _PARSER.parse(shown):
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                depth += 1
            case "bullet_list_close" | "ordered_list_close":
                depth -= 1
                if depth == 0 and items:
                    parts.append(rich.bullets(items))
                    items = []
            case "heading_open":
                heading = True
            case "heading_close":
                heading = False
            case "inline":
                leaves = _leaves(token.children or [], hosts, bold=heading)
                if depth:
                    items.append(leaves)
                else:
                    parts.append(rich.section(leaves))
            case "fence" | "code_block" | "html_block":
                parts.append(rich.preformatted(token.content, 2500))
    if items:
        parts.append(rich.bullets(items))
    return parts[:MAX_PARTS] or [rich.section(rich.text("No answer."))]


def _leaves(tokens: list[Token], hosts: Sequence[str], *, bold: bool) -> list[rich.Leaf]:
    leaves: list[rich.Leaf] = []
    style: dict[str, Any] = {"bold": True} if bold else {}
    target = ""
    for token in tokens:
        match token.type:
            case "strong_open":
                style = {**style, "bold": True}
            case "strong_close":
                style = {k: v for k, v in style.items() if k != "bold" or bold}
            case "em_open":
                style = {**style, "italic": True}
            case "em_close":
                style = {k: v for k, v in style.items() if k != "italic"}
            case "link_open":
                target = str(token.attrGet("href") or "")
            case "link_close":
                target = ""
            case "softbreak":
                leaves.append({"type": "text", "text": " "})
            case "hardbreak":
                leaves.append({"type": "text", "text": "\n"})
            case "code_inline":
                leaves += (
                    [{"type": "text", "text": token.content, "style": {**style, "code": True}}] if token.content else []
                )
            case _:
                leaves += _word(token.content, style, target, hosts)
    return leaves


def _word(content: str, style: dict[str, Any], target: str, hosts: Sequence[str]) -> list[rich.Leaf]:
    if not content:
        return []
    dressed = {"style": dict(style)} if style else {}
    if target and allowed(target, hosts):
        return [{"type": "link", "url": target, "text": content, **dressed}]
    return [{"type": "text", "text": content, **dressed}]
