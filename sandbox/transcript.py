"""A thread as plain text: what ``rca demo --once`` prints, and what tests compare with what a person would read."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

TASK_MARKS = {"pending": "▢", "in_progress": "◐", "complete": "✓", "error": "✗"}
EMOJI = {
    "eyes": "👀",
    "white_check_mark": "✅",
    "warning": "⚠️",
    "x": "❌",
    "link": "🔗",
    "octagonal_sign": "🛑",
    "grey_question": "❔",
}
LINK = re.compile(r"<(https?://[^|>]+)\|([^>]+)>")


def thread(messages: Iterable[Mapping[str, Any]], names: Mapping[str, str] | None = None) -> str:
    """The messages of one thread, oldest first. ``names`` maps user and bot ids to names."""
    return "\n\n".join(_message(m, names or {}) for m in messages)


def _message(message: Mapping[str, Any], names: Mapping[str, str]) -> str:
    who = message.get("username") or (message.get("bot_profile") or {}).get("name")
    who = who or names.get(str(message.get("user")), str(message.get("user") or "app"))
    app = "  APP" if message.get("bot_id") else ""
    at = datetime.fromtimestamp(float(message["ts"]), UTC).astimezone()
    marks = " ".join(EMOJI.get(r["name"], f":{r['name']}:") for r in message.get("reactions") or [])
    edited = "  (edited)" if message.get("edited") else ""
    lines = [f"{who}{app}  {at:%H:%M}{edited}{'  ' + marks if marks else ''}"]
    body = list(_blocks(message.get("blocks") or []))
    if not body:
        body = [_plain(str(message.get("text") or ""))] if message.get("text") else []
    for attachment in message.get("attachments") or []:
        body += [t for t in (attachment.get("pretext"), attachment.get("title"), attachment.get("text")) if t]
    body += [f"📎 {f.get('name') or f.get('title')}" for f in message.get("files") or []]
    return "\n".join([*lines, *("  " + line for part in body for line in str(part).split("\n"))])


def _blocks(blocks: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for block in blocks:
        render = RENDER.get(str(block.get("type")))
        if render is not None and (text := render(block)):
            yield text


def _plain(text: str) -> str:
    text = LINK.sub(r"\2", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _text(value: Any) -> str:
    return _plain(str(value.get("text", ""))) if isinstance(value, Mapping) else _plain(str(value or ""))


def _section(block: Mapping[str, Any]) -> str:
    parts = [_text(block["text"])] if block.get("text") else []
    return "\n".join([*parts, *(_text(f) for f in block.get("fields") or [])])


def _context(block: Mapping[str, Any]) -> str:
    return " ".join(_text(e) for e in block.get("elements") or [] if e.get("type") != "image")


def _actions(block: Mapping[str, Any]) -> str:
    return " ".join(f"[{_text(e.get('text'))}]" for e in block.get("elements") or [])


def _context_actions(block: Mapping[str, Any]) -> str:
    kinds = {"feedback_buttons": "👍 👎", "icon_button": "🗑"}
    return " ".join(kinds.get(str(e.get("type")), "") for e in block.get("elements") or [])


def _rich(block: Mapping[str, Any]) -> str:
    return "\n".join(filter(None, (_rich_part(e) for e in block.get("elements") or [])))


def _rich_part(part: Mapping[str, Any]) -> str:
    if part.get("type") == "rich_text_list":
        return "\n".join("• " + _rich_part(e) for e in part.get("elements") or [])
    return "".join(_leaf(e) for e in part.get("elements") or [])


def _leaf(leaf: Mapping[str, Any]) -> str:
    kind = leaf.get("type")
    if kind == "emoji":
        return EMOJI.get(str(leaf.get("name")), f":{leaf.get('name')}:")
    if kind == "user":
        return f"@{leaf.get('user_id')}"
    if kind == "date":
        return _date(leaf)
    text = str(leaf.get("text") or leaf.get("url") or "")
    return f"`{text}`" if (leaf.get("style") or {}).get("code") else text


def _date(leaf: Mapping[str, Any]) -> str:
    """The time as the reader's clock shows it; the sender's fall-back where the format is another."""
    if str(leaf.get("format") or "").strip() == "{time}":
        return f"{datetime.fromtimestamp(int(leaf.get('timestamp') or 0), UTC).astimezone():%H:%M}"
    return str(leaf.get("fallback") or "")


def _plan(block: Mapping[str, Any]) -> str:
    lines = [str(block.get("title") or "")]
    for task in block.get("tasks") or []:
        note = _rich(task["output"]) if task.get("output") else _rich(task["details"]) if task.get("details") else ""
        lines.append(f"  {TASK_MARKS.get(str(task.get('status')), '?')} {task.get('title')!s:28} {note}".rstrip())
    return "\n".join(lines)


def _table(block: Mapping[str, Any]) -> str:
    def cell(value: Mapping[str, Any]) -> str:
        return _rich(value) if value.get("type") == "rich_text" else str(value.get("text", ""))

    return "\n".join(" | ".join(cell(c) for c in row) for row in block.get("rows") or [])


def _container(block: Mapping[str, Any]) -> str:
    return "\n".join([f"▸ {_text(block.get('title'))}", *("  " + t for t in _blocks(block.get("child_blocks") or []))])


RENDER: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "header": lambda b: _text(b.get("text")),
    "section": _section,
    "markdown": lambda b: str(b.get("text") or ""),
    "rich_text": _rich,
    "context": _context,
    "actions": _actions,
    "context_actions": _context_actions,
    "plan": _plan,
    "table": _table,
    "data_table": _table,
    "container": _container,
    "divider": lambda b: "―" * 8,
}
