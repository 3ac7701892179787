"""The blocks themselves, and which of them may stand on which surface."""

from typing import Any, Literal

from sandbox.workspace.blocks.data import DATA
from sandbox.workspace.blocks.elements import (
    IN_ACCESSORY,
    IN_ACTIONS,
    IN_CARD,
    IN_CONTEXT_ACTIONS,
    IN_INPUT,
)
from sandbox.workspace.blocks.objects import ID, IMAGE_ELEMENT, SLACK_FILE, image_source, text
from sandbox.workspace.blocks.rich import RICH_TEXT
from sandbox.workspace.blocks.rules import (
    Problems,
    Rule,
    anything,
    array,
    boolean,
    by_type,
    one_of,
    record,
    string,
    url,
)

Surface = Literal["message", "stream", "modal", "home"]

STATUSES = ("pending", "in_progress", "complete", "error")
MOST_TASKS = 50


def block(kind: str, required: dict[str, Rule], optional: dict[str, Rule] | None = None, **extra: Any) -> Rule:
    return record({"type": one_of(kind), **required}, {"block_id": ID, **(optional or {})}, **extra)


def _text_in_context(value: Any, pointer: str, problems: Problems) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "image":
        IMAGE_ELEMENT(value, pointer, problems)
    elif kind in ("plain_text", "mrkdwn"):
        text(2000)(value, pointer, problems)
    else:
        problems.add(pointer, "unsupported type (a context block holds text objects and images)")


SOURCE = record({"type": one_of("url"), "url": url()}, {"text": string(255)})


def task_card(*statuses: str) -> Rule:
    return block(
        "task_card",
        {"task_id": string(1000, 1), "title": string(40_000, 1), "status": one_of(*statuses)},
        {"details": RICH_TEXT, "output": RICH_TEXT, "sources": array(SOURCE, 50, 0)},
    )


def _unique_tasks(value: dict[str, Any], pointer: str, problems: Problems) -> None:
    tasks = value.get("tasks")
    ids = [task.get("task_id") for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
    named = [task_id for task_id in ids if isinstance(task_id, str)]
    if len(named) != len(set(named)):
        problems.add(f"{pointer}/tasks", "task_id must be unique in a plan")


def _container(value: dict[str, Any], pointer: str, problems: Problems) -> None:
    if value.get("default_collapsed") is True and value.get("is_collapsible") is not True:
        problems.add(pointer, "default_collapsed requires is_collapsible")
    if value.get("has_header_divider") is True and value.get("is_collapsible") is True:
        problems.add(pointer, "has_header_divider is not allowed when is_collapsible is true")


IMAGE = block(
    "image",
    {"alt_text": string(2000, 1)},
    {
        "image_url": url(),
        "slack_file": SLACK_FILE,
        "title": text(2000, plain=True),
        **dict.fromkeys(("image_width", "image_height", "image_bytes", "is_animated", "fallback"), anything),
    },
    any_of=("image_url", "slack_file"),
    also=image_source,
)
CARD = block(
    "card",
    {},
    {
        "hero_image": IMAGE_ELEMENT,
        "icon": IMAGE_ELEMENT,
        "title": text(150),
        "subtitle": text(150),
        "body": text(200),
        "actions": array(IN_CARD, 5),
    },
    any_of=("hero_image", "title", "actions", "body"),
)
BASIC: dict[str, Rule] = {
    "actions": block("actions", {"elements": array(IN_ACTIONS, 25)}),
    "context": block("context", {"elements": array(_text_in_context, 10)}),
    "divider": block("divider", {}),
    "file": block("file", {"external_id": string(255, 1), "source": one_of("remote")}, {"file_id": string(60)}),
    "header": block("header", {"text": text(150, plain=True)}),
    "image": IMAGE,
    "input": block(
        "input",
        {"label": text(2000, plain=True), "element": IN_INPUT},
        {"hint": text(2000, plain=True), "optional": boolean, "dispatch_action": boolean},
    ),
    "rich_text": RICH_TEXT,
    "section": block(
        "section",
        {},
        {"text": text(3000), "fields": array(text(2000), 10), "accessory": IN_ACCESSORY, "expand": boolean},
        any_of=("text", "fields"),
    ),
    "video": block(
        "video",
        {
            "alt_text": string(2000, 1),
            "title": text(200, plain=True),
            "thumbnail_url": url(),
            "video_url": url(),
        },
        {
            "title_url": url(),
            "description": text(200, plain=True),
            "author_name": string(50),
            "provider_name": string(255),
            "provider_icon_url": url(),
        },
    ),
}
CHILDREN = by_type(
    {
        kind: {**BASIC, **DATA}[kind]
        for kind in (
            "actions",
            "context",
            "divider",
            "file",
            "header",
            "image",
            "input",
            "rich_text",
            "section",
            "table",
        )
    }
    | {"video": BASIC["video"]},
    "not a child of a container",
)
EVERYWHERE: dict[str, Rule] = {
    **BASIC,
    "container": block(
        "container",
        {"child_blocks": array(CHILDREN, 10)},
        {
            "title": text(150, plain=True),
            "rich_text_title": RICH_TEXT,
            "subtitle": text(150),
            "width": one_of("narrow", "standard", "wide", "full"),
            "icon": IMAGE_ELEMENT,
            "is_collapsible": boolean,
            "default_collapsed": boolean,
            "has_header_divider": boolean,
        },
        any_of=("title", "rich_text_title"),
        also=_container,
    ),
    "markdown": block("markdown", {"text": string(12_000, 1)}),
}
IN_MESSAGES: dict[str, Rule] = {
    **EVERYWHERE,
    **DATA,
    "call": block("call", {"call_id": string(255, 1)}, {"api_decoration_available": boolean, "call": anything}),
    "card": CARD,
    "carousel": block("carousel", {"elements": array(by_type({"card": CARD}, "not a card"), 10)}),
    "context_actions": block("context_actions", {"elements": array(IN_CONTEXT_ACTIONS, 5)}),
    "plan": block(
        "plan",
        {"title": string(40_000, 1)},
        {"tasks": array(by_type({"task_card": task_card(*STATUSES)}, "not a task"), MOST_TASKS, 0)},
        also=_unique_tasks,
    ),
    # Standing alone a task card has begun; only inside a plan may one be pending.
    "task_card": task_card(*STATUSES[1:]),
}
ALERT = block("alert", {"text": text(200)}, {"level": one_of("default", "info", "success", "warning", "error")})

SURFACES: dict[Surface, Rule] = {
    "message": by_type(IN_MESSAGES, "not a block of messages"),
    "stream": by_type(IN_MESSAGES, "not a block of messages"),
    "modal": by_type({**EVERYWHERE, "alert": ALERT, "table": DATA["table"]}, "not a block of modals"),
    "home": by_type({**EVERYWHERE, "table": DATA["table"]}, "not a block of the App Home"),
}
