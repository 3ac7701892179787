"""A Slack message of any shape to one flat `Message`.

The same alert arrives as ``text``, as legacy attachments, as blocks, as blocks in attachments, inside an event envelope, or as the new
version of an edited message. Everything after this module sees `Card`s: one for the message's own body, one for each attachment, with
texts unescaped, in reading order and bounded. Nothing here raises, whatever JSON it is given.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bot.alerts.heading import read_heading
from bot.alerts.markup import MAX_TEXT, add_link, plain
from bot.alerts.model import Link
from bot.alerts.tables import unfold

MAX_ATTACHMENTS = 40
MAX_NODES = 1_000  # block elements that are looked at in one message
MAX_CHARACTERS = 48_000  # of text in one message
MAX_DEPTH = 12
MAX_FIELDS = 60

_COLOURS = {"a30200": "danger", "daa038": "warning", "2eb886": "good"}  # what Slack makes of its three names
_FIELD = re.compile(r"^\s*[*_]{0,2}([^\n*:：]{1,60}?)\s*[:：]?[*_]{0,2}\s*[:：]?[ \t]*\n+(.+)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Card:
    """The message's own body or one attachment. ``fields`` are (title, value); ``fallback`` is shown in notifications only."""

    title: str = ""
    pretext: str = ""
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    fallback: str = ""
    footer: str = ""
    author: str = ""
    color: str = ""
    title_link: str = ""
    ts: float | None = None
    links: tuple[Link, ...] = ()
    own: bool = False  # the message's own body, not an attachment
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.title or self.pretext or self.text or self.fields)


@dataclass(frozen=True)
class Message:
    """A message as the senders' modules see it. ``edited`` is true for the new version that a ``message_changed`` event carries."""

    cards: tuple[Card, ...] = ()
    user: str = ""
    username: str = ""
    bot_id: str = ""
    app_id: str = ""
    subtype: str = ""
    ts: str = ""
    thread_ts: str = ""
    metadata: str = ""
    streaming: str = ""
    edited: bool = False
    removed: bool = False
    is_bot: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """All that a reader sees, one part a line."""
        parts: list[str] = []
        for card in self.cards:
            parts += [card.pretext, card.title, card.text, *(f"{k}: {v}" for k, v in card.fields), card.footer]
        return "\n".join(p for p in parts if p)

    @cached_property
    def beginning(self) -> str:
        """The first 4,000 characters of `text`: enough to know a sender by its phrases."""
        return self.text[:4_000]

    @cached_property
    def addresses(self) -> str:
        """All links of the message, one a line."""
        return "\n".join(u for c in self.cards for u in (c.title_link, *(link.url for link in c.links)) if u)

    @cached_property
    def signed(self) -> tuple[str, ...]:
        """Under which names the message was sent: the bot's, and those that its first cards show."""
        names = (self.username, *(name for c in self.cards[:5] for name in (c.footer, c.author)))
        return tuple(name for name in names if name)


def flatten(message: Mapping[str, Any]) -> Message:
    """The `Message` in a Slack message, a message event or an Events API envelope."""
    edited = removed = False
    inner: Mapping[str, Any] = message
    for _ in range(3):
        event = inner.get("event") or (inner.get("payload") if "envelope_id" in inner else None)
        if not isinstance(event, Mapping):
            break
        inner = event
    removed = inner.get("subtype") == "message_deleted"
    if inner.get("subtype") in ("message_changed", "message_replied") and isinstance(inner.get("message"), Mapping):
        edited, inner = True, inner["message"]
    budget = _Budget()
    body = _Reader(budget).body(inner)
    parts = [a for a in _dicts(inner.get("attachments"))[:MAX_ATTACHMENTS] if not _shared(a)]
    attached = [_Reader(budget).attachment(a) for a in parts]
    cards = tuple(card for card in (body, *attached) if not card.empty or card.fallback)
    profile = inner.get("bot_profile")
    profile = profile if isinstance(profile, Mapping) else {}
    metadata = inner.get("metadata")
    return Message(
        cards=cards,
        user=_word(inner.get("user")),
        username=_word(inner.get("username")) or _word(profile.get("name")),
        bot_id=_word(inner.get("bot_id")) or _word(profile.get("id")),
        app_id=_word(inner.get("app_id")) or _word(profile.get("app_id")),
        subtype=_word(inner.get("subtype")),
        ts=_word(inner.get("ts")),
        thread_ts=_word(inner.get("thread_ts")),
        metadata=_word(metadata.get("event_type")) if isinstance(metadata, Mapping) else "",
        streaming=_word(inner.get("streaming_state")),
        edited=edited,
        removed=removed,
        is_bot=bool(inner.get("bot_id") or inner.get("app_id") or profile or inner.get("subtype") == "bot_message"),
        raw=inner,
    )


class _Budget:
    """How many elements and characters of one message may still be looked at."""

    def __init__(self) -> None:
        self.nodes = MAX_NODES
        self.characters = MAX_CHARACTERS

    def take(self) -> bool:
        self.nodes -= 1
        return self.nodes >= 0

    def cut(self, text: str) -> str:
        text = text[: max(0, min(MAX_TEXT, self.characters))]
        self.characters -= len(text)
        return text


class _Reader:
    """Reads one card; collects its links on the way."""

    def __init__(self, budget: _Budget) -> None:
        self.budget = budget
        self.links: list[Link] = []

    def body(self, message: Mapping[str, Any]) -> Card:
        title, text, fields = self.blocks(message.get("blocks"))
        said = self.text(message.get("text"))
        if not (title or text or fields):
            text, said = said, ""
        return Card(
            title=title, text=unfold(text), fields=fields, fallback=said, links=tuple(self.links), own=True, raw=message
        )

    def attachment(self, attachment: Mapping[str, Any]) -> Card:
        title_link = _word(attachment.get("title_link") or attachment.get("from_url"), 2000)
        title = _one_line(self.text(attachment.get("title")))
        add_link(self.links, "Alert", title_link)
        pretext = self.text(attachment.get("pretext"))
        header, body, block_fields = self.blocks(attachment.get("blocks"))
        text = self.text(attachment.get("text"))
        fields = [
            (self.text(f.get("title"))[:200], self.text(f.get("value")))
            for f in _dicts(attachment.get("fields"))[:MAX_FIELDS]
            if self.budget.take()
        ]
        for action in _dicts(attachment.get("actions"))[:10]:
            add_link(self.links, _word(action.get("text")), _word(action.get("url"), 2000))
        author = self.text(attachment.get("author_name"))
        fallback = self.text(attachment.get("fallback"))
        if not (title or header or text or body or fields or block_fields or pretext):
            title, fallback = fallback.partition(" | http")[0], ""  # nothing else to show: what a notification shows
        return Card(
            title=title or header or ("" if text else author),
            pretext=pretext,
            text=unfold("\n".join(t for t in (header if title else "", text, body) if t)[:MAX_TEXT]),
            fields=tuple([*fields, *block_fields][:MAX_FIELDS]),
            fallback=fallback,
            footer=self.text(attachment.get("footer"))[:300],
            author=author[:300],
            color=_colour(attachment.get("color")),
            title_link=title_link,
            ts=_number(attachment.get("ts")),
            links=tuple(self.links),
            raw=attachment,
        )

    def blocks(self, blocks: Any) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """(the first header, the text, the fields) of a list of blocks."""
        title = ""
        lines: list[str] = []
        fields: list[tuple[str, str]] = []
        for block in _dicts(blocks)[:100]:
            if not self.budget.take():
                break
            kind = block.get("type")
            if kind == "header" and not title and not lines:
                title = self.text(block.get("text"))
                continue
            for item in _dicts(block.get("fields"))[:20]:
                shown = self.text(item)
                pair = _FIELD.match(shown)
                if pair:
                    fields.append((pair[1].strip(), pair[2].strip()))
                else:
                    lines.append(shown)
            if kind == "table":
                lines += self.table(block)
            elif kind == "rich_text":
                lines += self.rich(block)
            else:
                lines += self.loose(block)
        return title, "\n".join(line for line in lines if line.strip())[:MAX_TEXT], tuple(fields[:MAX_FIELDS])

    def loose(self, block: Mapping[str, Any]) -> Iterator[str]:
        """Text of sections, headers, contexts, markdown and of blocks that do not exist yet."""
        yield self.text(block.get("text"))
        for element in [*_dicts(block.get("elements")), *_dicts([block.get("accessory")])][:40]:
            if not self.budget.take():
                return
            if element.get("type") in ("button", "workflow_button", "overflow") or "url" in element:
                add_link(self.links, self.text(element.get("text")), _word(element.get("url"), 2000))
            elif element.get("type") != "image":
                yield self.text(element.get("text"))

    def rich(self, block: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
        """One line for each section or list item of a rich_text block."""
        for element in _dicts(block.get("elements")):
            if depth > MAX_DEPTH or not self.budget.take():
                return
            if element.get("type") == "rich_text_list":
                for item in _dicts(element.get("elements")):
                    yield f"• {self.leaves(item)}"
            elif any("elements" in inner for inner in _dicts(element.get("elements"))):
                yield from self.rich(element, depth + 1)
            else:
                yield self.leaves(element)

    def leaves(self, element: Mapping[str, Any]) -> str:
        out: list[str] = []
        for leaf in _dicts(element.get("elements")):
            if not self.budget.take():
                break
            kind = leaf.get("type")
            shown = self.text(leaf.get("text"), strip=False)
            if kind == "link":
                url = _word(leaf.get("url"), 2000)
                add_link(self.links, shown, url)
                shown = shown or url
            elif kind == "emoji":
                shown = f":{_word(leaf.get('name'))}:"
            elif kind == "user":
                shown = f"@{_word(leaf.get('user_id'))}"
            style = leaf.get("style")
            if isinstance(style, Mapping) and style.get("bold") and shown.strip() and "\n" not in shown:
                # Back to Slack's own emphasis: a bold name in rich text means the same as in mrkdwn.
                bare = shown.strip()
                shown = shown.replace(bare, f"*{bare}*", 1)
            out.append(shown)
        return "".join(out)

    def table(self, block: Mapping[str, Any]) -> Iterator[str]:
        """Two columns are keys and values; more are a head row and one alert a row."""
        rows: list[list[str]] = []
        for row in _list(block.get("rows"))[:100]:
            cells = []
            for cell in _dicts(row)[:20]:
                if not self.budget.take():
                    break
                lines = self.rich(cell) if cell.get("type") == "rich_text" else self.loose(cell)
                cells.append(" ".join(line for line in lines if line))
            if cells:
                rows.append(cells)
        if all(len(row) == 2 for row in rows):
            yield from (f"{key}: {value}" for key, value in rows)
        elif rows:
            for row in rows[1:]:
                yield from (f"{key}: {value}" for key, value in zip(rows[0], row, strict=False))

    def text(self, value: Any, depth: int = 0, *, strip: bool = True) -> str:
        """A text in any of Slack's wrappings: a string, ``{"text": ...}``, nested once more."""
        if isinstance(value, str):
            shown = plain(self.budget.cut(value), self.links)
            return shown.strip("\n") if strip else shown
        if isinstance(value, Mapping) and depth < 3:
            return self.text(value.get("text"), depth + 1, strip=strip)
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
        return str(value) if number else ""


def _colour(value: Any) -> str:
    """``danger`` and its kin, or ``#rrggbb``. Slack's events give neither the names nor the sign that senders wrote."""
    color = _word(value, 20).lower().lstrip("#")
    return _COLOURS.get(color) or (f"#{color}" if re.match(r"^[0-9a-f]{6}$", color) else color)


def _shared(attachment: Mapping[str, Any]) -> bool:
    """Whether an attachment is another message that somebody passed on, or a link that Slack unfolded: said elsewhere already."""
    return any(attachment.get(key) is True for key in ("is_share", "is_msg_unfurl", "is_reply_unfurl", "is_app_unfurl"))


def _one_line(title: str) -> str:
    """A title whose first line is a mark or a sign alone, as templates with line breaks leave it, in one line."""
    lines = [line.strip() for line in title.split("\n") if line.strip()]
    if len(lines) > 1 and not read_heading(lines[0]).name:
        return " ".join(lines)
    return title


def _word(value: Any, limit: int = 200) -> str:
    return plain(value[: limit * 2])[:limit].strip() if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in _list(value)[:MAX_NODES] if isinstance(item, Mapping)]
