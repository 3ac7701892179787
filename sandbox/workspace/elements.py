"""Finding what a person pressed or filled in, and the shapes in which Slack reports it."""

import copy
from collections.abc import Iterator
from typing import Any

from sandbox.workspace.messages import Json

Value = str | list[str] | None  # what was pressed or chosen; a list for menus that take several

_CHILDREN = ("elements", "child_blocks", "actions", "tasks")


def interactive(blocks: list[Json]) -> Iterator[tuple[str, Json]]:
    """(block id, element) of everything that has an action id, in order, nested blocks included."""
    for block in blocks:
        if not isinstance(block, dict):
            continue
        block_id = str(block.get("block_id", ""))
        singles = [block.get("accessory"), block.get("element")]
        nested = [child for key in _CHILDREN for child in block.get(key) or [] if isinstance(child, dict)]
        for child in [*singles, *nested]:
            if not isinstance(child, dict):
                continue
            if "action_id" in child:
                yield block_id, child
            elif block.get("type") != "rich_text":
                yield from interactive([child])


def find(
    blocks: list[Json], action_id: str, *, block_id: str = "", value: Value = None, user: str = ""
) -> tuple[str, Json]:
    """The element to press and its block id. ``value`` chooses among several, and among a menu's options.

    Raises `LookupError` naming what there is.
    """
    seen = []
    for found_in, element in interactive(blocks):
        seen.append(element["action_id"])
        if element["action_id"] != action_id or (block_id and found_in != block_id):
            continue
        if value is not None and not set(value if isinstance(value, list) else [value]) <= set(_values(element)):
            continue
        if element.get("visible_to_user_ids") and user not in element["visible_to_user_ids"]:
            continue
        return found_in, element
    raise LookupError(
        f"nothing to press with action_id {action_id!r} and value {value!r}; there are {', '.join(seen) or 'none'}"
    )


def options(element: Json) -> list[Json]:
    groups = [group.get("options") or [] for group in element.get("option_groups") or []]
    return [*(element.get("options") or []), *(option for group in groups for option in group)]


def _values(element: Json) -> list[Any]:
    """The values that pressing the element could give."""
    sides = [element[key]["value"] for key in ("positive_button", "negative_button") if key in element]
    return sides or [option["value"] for option in options(element)] or [element.get("value", "")]


def action(block_id: str, element: Json, value: Value, ts: str) -> Json:
    """The entry in ``actions`` of a block_actions payload."""
    kind = element["type"]
    base: Json = {"type": kind, "action_id": element["action_id"], "block_id": block_id, "action_ts": ts}
    if kind == "feedback_buttons":
        sides = [element["positive_button"], element["negative_button"]]
        side = next((s for s in sides if s["value"] == value), sides[0])
        return {**base, "value": side["value"], "text": copy.deepcopy(side["text"])}
    if kind in ("button", "icon_button", "workflow_button"):
        return base | {key: copy.deepcopy(element[key]) for key in ("text", "value", "style", "url") if key in element}
    return {**base, **state(element, value)}


def state(element: Json, value: Any) -> Json:
    """What ``view.state.values`` holds for an input. ``value`` is Slack's own shape already, or a plain value (a list for those that
    take several)."""
    kind = element["type"]
    if isinstance(value, dict):
        return {"type": kind, **value}
    known = {option["value"]: copy.deepcopy(option) for option in options(element)}
    several = value if isinstance(value, list) else [value] if value else []
    match kind:
        case "static_select" | "radio_buttons" | "overflow" | "external_select":
            chosen = known.get(value) if isinstance(value, str) else None
            return {"type": kind, "selected_option": chosen}
        case "multi_static_select" | "checkboxes" | "multi_external_select":
            return {"type": kind, "selected_options": [known[entry] for entry in several if entry in known]}
        case "users_select" | "conversations_select" | "channels_select":
            return {"type": kind, f"selected_{kind.removesuffix('s_select')}": value or None}
        case "multi_users_select" | "multi_conversations_select" | "multi_channels_select":
            return {"type": kind, f"selected_{kind.removeprefix('multi_').removesuffix('_select')}": several}
        case "datepicker" | "timepicker":
            return {"type": kind, f"selected_{kind.removesuffix('picker')}": value or None}
        case "datetimepicker":
            return {"type": kind, "selected_date_time": value}
        case _:
            return {"type": kind, "value": value or None}


def initial(element: Json) -> Json:
    """The state of an input that nobody touched."""
    if "initial_option" in element:
        return {"type": element["type"], "selected_option": copy.deepcopy(element["initial_option"])}
    if "initial_options" in element:
        return {"type": element["type"], "selected_options": copy.deepcopy(element["initial_options"])}
    return state(element, element.get("initial_value"))


def is_empty(entry: Json) -> bool:
    """Nothing filled in."""
    return not any(value for key, value in entry.items() if key != "type")
