"""What a sender hands over becomes a message as Slack keeps it: ids on blocks, attachments normalised, links marked up."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

from sandbox.workspace.blocks.check import check_blocks
from sandbox.workspace.clock import Clock
from sandbox.workspace.errors import SlackError

MOST_ATTACHMENTS = 100
MOST_TEXT = 40_000
MOST_METADATA = 16_000
COLORS = {"good": "2eb886", "warning": "daa038", "danger": "a30200"}

_URL = re.compile(r"https?://[^\s<>|`]+[^\s<>|`.,;:!?)\]}'\"]")
_KEEP = re.compile(r"<[^<>\n]*>|```.*?```|`[^`\n]*`", re.DOTALL)  # what is marked up or code already
_SPECIAL = re.compile(r"<([^<>\n|]+)(?:\|([^<>\n]*))?>")


def link_up(text: str) -> str:
    """Mark bare URLs as ``<url>``, except in code and in what is marked up already."""
    parts, at = [], 0
    for kept in _KEEP.finditer(text):
        parts += [_URL.sub(r"<\g<0>>", text[at : kept.start()]), kept.group()]
        at = kept.end()
    return "".join([*parts, _URL.sub(r"<\g<0>>", text[at:])])


def escape(text: str) -> str:
    """What a person typed, as Slack keeps it: & < > are entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def typed_blocks(text: str, clock: Clock) -> list[dict[str, Any]]:
    """The rich_text block that Slack's clients send beside the ``text`` of a person's message."""
    parts: list[dict[str, Any]] = []
    at = 0
    for mark in _SPECIAL.finditer(text):
        if before := unescape(text[at : mark.start()]):
            parts.append({"type": "text", "text": before})
        parts.append(_special(mark.group(1), mark.group(2)))
        at = mark.end()
    if rest := unescape(text[at:]):
        parts.append({"type": "text", "text": rest})
    section = {"type": "rich_text_section", "elements": parts}
    return [{"type": "rich_text", "block_id": clock.id("b", 5), "elements": [section]}]


def _special(target: str, label: str | None) -> dict[str, Any]:
    if target.startswith("@"):
        return {"type": "user", "user_id": target[1:]}
    if target.startswith("#"):
        return {"type": "channel", "channel_id": target[1:]}
    if target.startswith("!subteam^"):
        return {"type": "usergroup", "usergroup_id": target.removeprefix("!subteam^")}
    if target in ("!here", "!channel", "!everyone"):
        return {"type": "broadcast", "range": target[1:]}
    return {"type": "link", "url": target, **({"text": unescape(label)} if label else {})}


def checked_blocks(
    blocks: Any, clock: Clock, file_ready: Callable[[str], bool] | None, *, root: str = "/blocks"
) -> list[dict[str, Any]]:
    """``blocks`` of a message with the ids that Slack fills in. Raises what Slack answers to bad ones."""
    refusal = check_blocks(blocks, "message", root=root, file_ready=file_ready)
    if refusal is not None:
        raise SlackError(refusal.code, refusal.messages)
    kept: list[dict[str, Any]] = copy.deepcopy(blocks)
    return with_ids(kept, clock)


def with_ids(blocks: list[dict[str, Any]], clock: Clock) -> list[dict[str, Any]]:
    """Fill in block and action ids, in place."""
    for block in blocks:
        block.setdefault("block_id", clock.id("b", 5))
        for key in ("elements", "actions", "child_blocks", "tasks"):
            for child in block.get(key) or []:
                if not isinstance(child, dict):
                    continue
                if key in ("child_blocks", "tasks") or child.get("type") == "card":
                    with_ids([child], clock)
                elif block.get("type") != "rich_text" and child.get("type") not in ("image", "plain_text", "mrkdwn"):
                    child.setdefault("action_id", clock.id("a", 5))
        for key in ("accessory", "element"):
            child = block.get(key)
            if isinstance(child, dict) and child.get("type") != "image":
                child.setdefault("action_id", clock.id("a", 5))
    return blocks


def checked_attachments(
    attachments: Any, clock: Clock, file_ready: Callable[[str], bool] | None
) -> list[dict[str, Any]]:
    """Legacy attachments as Slack keeps them: numbered, colours as hex, empty fields gone. Raises invalid_attachments, invalid_blocks."""
    if not isinstance(attachments, list) or len(attachments) > MOST_ATTACHMENTS:
        raise SlackError("invalid_attachments")
    kept = []
    for number, attachment in enumerate(attachments, 1):
        if not isinstance(attachment, dict):
            raise SlackError("invalid_attachments")
        shape = {key: copy.deepcopy(value) for key, value in attachment.items() if value not in ("", None, [])}
        color = shape.get("color")
        if isinstance(color, str):
            shape["color"] = COLORS.get(color, color.removeprefix("#"))
        if "blocks" in shape:
            root = f"/attachments/{number - 1}/blocks"
            shape["blocks"] = checked_blocks(shape["blocks"], clock, file_ready, root=root)
        shape.setdefault("fallback", "[no preview available]")
        kept.append({"id": number, **shape})
    return kept


def checked_metadata(metadata: Any) -> dict[str, Any]:
    """Message metadata: an event_type and a flat enough event_payload. Raises invalid_metadata_format, metadata_too_large."""
    if not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    kind, payload = metadata.get("event_type"), metadata.get("event_payload")
    if not isinstance(kind, str) or not kind or not isinstance(payload, dict):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(payload)) > MOST_METADATA:
        raise SlackError("metadata_too_large")
    return {"event_type": kind, "event_payload": copy.deepcopy(payload)}
