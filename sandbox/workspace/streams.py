"""Streaming messages: what chat.startStream, appendStream and stopStream build up, and the limits that end a stream.

A stream is locked to the shape of its first content (chunks or markdown_text), lives about five minutes in all, and takes about eleven
kilobytes; after that every call is refused and only chat.update can still change the message.
"""

import copy
from dataclasses import dataclass, field
from typing import Any

from sandbox.workspace.blocks.check import check_blocks
from sandbox.workspace.blocks.kinds import STATUSES
from sandbox.workspace.errors import SlackError
from sandbox.workspace.messages import Message

MOST_BYTES = 11_000
MOST_CALL_CHARACTERS = 12_000
MOST_BLOCKS = 50
MOST_FIELD = 40_000
MODES = ("timeline", "plan")


def rich_text(text: str) -> dict[str, Any]:
    """A rich_text block of one plain section, as Slack turns the strings of a task chunk into."""
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}],
    }


@dataclass
class Task:
    id: str
    title: str
    status: str
    details: str = ""
    output: str = ""
    sources: list[Any] = field(default_factory=list)

    def card(self) -> dict[str, Any]:
        return {
            "type": "task_card",
            "task_id": self.id,
            "title": self.title,
            "status": self.status,
            **({"details": rich_text(self.details)} if self.details else {}),
            **({"output": rich_text(self.output)} if self.output else {}),
            **({"sources": copy.deepcopy(self.sources)} if self.sources else {}),
        }


Part = str | Task | dict[str, Any]  # markdown text, a task card, a block


@dataclass
class Stream:
    """One streaming message. ``started`` in epoch seconds; ``size`` in UTF-8 bytes of everything that was sent."""

    message: Message
    started: float
    display: str = "timeline"
    mode: str = ""  # chunks or markdown_text, once the first content has come
    parts: list[Part] = field(default_factory=list)
    plan_title: str = ""
    size: int = 0
    full: bool = False
    blocks: int = 0

    def take(self, markdown_text: object, chunks: object) -> None:
        """Add content. Nothing is added when anything of it is refused."""
        if markdown_text is not None and chunks is not None:
            raise SlackError("invalid_arguments", ["only one of markdown_text and chunks is allowed"])
        if markdown_text is None and chunks is None:
            return
        mode = "chunks" if chunks is not None else "markdown_text"
        if self.mode and mode != self.mode:
            raise SlackError("streaming_mode_mismatch")
        if self.full:
            raise SlackError("msg_too_long")
        new = chunks if chunks is not None else [{"type": "markdown_text", "text": markdown_text}]
        if not isinstance(new, list):
            raise SlackError("invalid_chunks")
        for chunk in new:
            _check(chunk)
        more_blocks = sum(len(chunk["blocks"]) for chunk in new if chunk["type"] == "blocks")
        if self.blocks + more_blocks > MOST_BLOCKS:
            raise SlackError("msg_blocks_too_many")
        size = sum(_size(chunk) for chunk in new)
        if self.size + size > MOST_BYTES:
            self.full = True
            raise SlackError("msg_too_long")
        self.mode = mode
        self.size += size
        self.blocks += more_blocks
        for chunk in new:
            self._add(chunk)

    def _add(self, chunk: dict[str, Any]) -> None:
        kind = chunk["type"]
        if kind == "markdown_text":
            if self.parts and isinstance(self.parts[-1], str):
                self.parts[-1] += chunk["text"]
            elif chunk["text"]:
                self.parts.append(chunk["text"])
        elif kind == "plan_update":
            self.plan_title = chunk["title"]
        elif kind == "blocks":
            self.parts.extend(copy.deepcopy(chunk["blocks"]))
        else:
            self._add_task(chunk)

    def _add_task(self, chunk: dict[str, Any]) -> None:
        known = next((part for part in self.parts if isinstance(part, Task) and part.id == chunk["id"]), None)
        if known is None:
            known = Task(chunk["id"], chunk["title"], chunk["status"])
            self.parts.append(known)
        known.title, known.status = chunk["title"], chunk["status"]
        # A later update adds to what a task has said before; it does not replace it.
        known.details = "\n".join(filter(None, (known.details, chunk.get("details"))))
        known.output = "\n".join(filter(None, (known.output, chunk.get("output"))))
        known.sources.extend(chunk.get("sources") or [])

    @property
    def text(self) -> str:
        return "".join(part for part in self.parts if isinstance(part, str))

    def render(self) -> list[dict[str, Any]]:
        """The message's blocks: text, cards and blocks in order; in plan mode all tasks in one plan where the first came."""
        blocks: list[dict[str, Any]] = []
        tasks: list[dict[str, Any]] = []
        for part in self.parts:
            if isinstance(part, str):
                blocks.append({"type": "markdown", "text": part})
            elif isinstance(part, dict):
                blocks.append(copy.deepcopy(part))
            elif self.display != "plan":
                blocks.append(part.card())
            else:
                if not tasks:
                    blocks.append({"type": "plan", "title": self.plan_title or "Plan", "tasks": tasks})
                tasks.append(part.card())
        if self.display == "plan" and self.plan_title and not tasks:
            blocks.insert(0, {"type": "plan", "title": self.plan_title, "tasks": []})
        return blocks


def _check(chunk: Any) -> None:
    """Raises what Slack answers to a chunk that it does not take."""
    kind = chunk.get("type") if isinstance(chunk, dict) else None
    match kind:
        case "markdown_text":
            _string(chunk, "text")
            if len(chunk["text"]) > MOST_CALL_CHARACTERS:
                raise SlackError("msg_too_long")
        case "plan_update":
            _string(chunk, "title", least=1)
        case "task_update":
            _string(chunk, "id", least=1)
            _string(chunk, "title", least=1)
            if chunk.get("status") not in STATUSES:
                raise SlackError("invalid_chunks", [f"status must be one of: {', '.join(STATUSES)}"])
            for key in ("details", "output"):
                if chunk.get(key) is not None:
                    _string(chunk, key)
            if not isinstance(chunk.get("sources") or [], list):
                raise SlackError("invalid_chunks", ["sources must be an array"])
        case "blocks":
            blocks = chunk.get("blocks")
            if isinstance(blocks, list) and any(isinstance(b, dict) and b.get("type") == "file" for b in blocks):
                raise SlackError("internal_error")
            refusal = check_blocks(blocks, "stream")
            if refusal is not None:
                raise SlackError(refusal.code, refusal.messages)
        case _:
            raise SlackError("invalid_chunks", ["unknown chunk type"])


def _string(chunk: dict[str, Any], key: str, least: int = 0) -> None:
    value = chunk.get(key)
    if not isinstance(value, str) or not least <= len(value) <= MOST_FIELD:
        raise SlackError(
            "invalid_chunks", [f"{chunk['type']}: {key} must be a string of {least} to {MOST_FIELD} characters"]
        )


def _size(chunk: dict[str, Any]) -> int:
    return sum(len(value.encode()) for key, value in chunk.items() if key != "type" and isinstance(value, str))
