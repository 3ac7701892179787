"""Interactive elements and inputs, and the sets of them that each block admits."""

from typing import Any

from sandbox.workspace.blocks.objects import CONFIRM, ID, IMAGE_ELEMENT, OPTION, OPTION_GROUP, text
from sandbox.workspace.blocks.rules import (
    Problems,
    Rule,
    anything,
    array,
    boolean,
    by_type,
    integer,
    number,
    one_of,
    record,
    string,
    url,
)

TYPE = string(60, 1)
PLACEHOLDER = text(150, plain=True)
STYLE = one_of("primary", "danger")
USER_IDS = array(string(255, 1), 100)


def interactive(required: dict[str, Rule] | None = None, optional: dict[str, Rule] | None = None, **extra: Any) -> Rule:
    """An element with ``action_id``, ``confirm`` and ``focus_on_load`` beside its own fields."""
    return record(
        {"type": TYPE, **(required or {})},
        {"action_id": ID, "confirm": CONFIRM, "focus_on_load": boolean, "alt_text": string(2000), **(optional or {})},
        **extra,
    )


BUTTON = interactive(
    {"text": text(75, plain=True)},
    {
        "url": url(),
        "value": string(2000),
        "style": STYLE,
        "accessibility_label": string(75),
        "agent_prompt": string(4000),
        "agent_prompt_display": anything,
        "visible_to_user_ids": USER_IDS,
    },
)
WORKFLOW_BUTTON = interactive(
    {"text": text(75, plain=True), "workflow": anything}, {"style": STYLE, "accessibility_label": string(75)}
)
OVERFLOW = interactive({"options": array(OPTION, 5, 1)})
FEEDBACK_SIDE = record(
    {"text": text(75, plain=True), "value": string(2000)},
    {"accessibility_label": string(75)},
)
FEEDBACK_BUTTONS = interactive({"positive_button": FEEDBACK_SIDE, "negative_button": FEEDBACK_SIDE})
ICON_BUTTON = interactive(
    {"icon": one_of("trash"), "text": text(75, plain=True)},
    {"value": string(2000), "accessibility_label": string(75), "visible_to_user_ids": USER_IDS},
)


def _select_source(value: dict[str, Any], pointer: str, problems: Problems) -> None:
    if value.get("options") is not None and value.get("option_groups") is not None:
        problems.add(pointer, "only one of options and option_groups is allowed")


def select(optional: dict[str, Rule] | None = None, *, many: bool = False, static: bool = False) -> Rule:
    """A select menu; ``many``: several may be chosen; ``static``: it carries its own options."""
    fields: dict[str, Rule] = {"placeholder": PLACEHOLDER, **(optional or {})}
    if many:
        fields["max_selected_items"] = integer(1, 1000)
    if static:
        fields |= {"options": array(OPTION, 100), "option_groups": array(OPTION_GROUP, 100)}
        return interactive(optional=fields, any_of=("options", "option_groups"), also=_select_source)
    return interactive(optional=fields)


STATIC_SELECT = select({"initial_option": OPTION}, static=True)
SELECTS: dict[str, Rule] = {
    "static_select": STATIC_SELECT,
    "external_select": select({"initial_option": OPTION, "min_query_length": integer(0, 1000)}),
    "users_select": select({"initial_user": string(255)}),
    "conversations_select": select(
        {
            "initial_conversation": string(255),
            "default_to_current_conversation": boolean,
            "response_url_enabled": boolean,
            "filter": anything,
        }
    ),
    "channels_select": select({"initial_channel": string(255), "response_url_enabled": boolean}),
}
MULTI_SELECTS: dict[str, Rule] = {
    "multi_static_select": select({"initial_options": array(OPTION, 100)}, many=True, static=True),
    "multi_external_select": select(
        {"initial_options": array(OPTION, 100), "min_query_length": integer(0, 1000)}, many=True
    ),
    "multi_users_select": select({"initial_users": anything}, many=True),
    "multi_conversations_select": select(
        {"initial_conversations": anything, "default_to_current_conversation": boolean, "filter": anything}, many=True
    ),
    "multi_channels_select": select({"initial_channels": anything}, many=True),
}
PICKERS: dict[str, Rule] = {
    "datepicker": interactive(optional={"initial_date": string(10), "placeholder": PLACEHOLDER}),
    "timepicker": interactive(
        optional={"initial_time": string(5), "timezone": string(100), "placeholder": PLACEHOLDER}
    ),
    "datetimepicker": interactive(optional={"initial_date_time": integer(0, 9_999_999_999)}),
}
CHOICES: dict[str, Rule] = {
    "checkboxes": interactive({"options": array(OPTION, 10)}, {"initial_options": array(OPTION, 10)}),
    "radio_buttons": interactive({"options": array(OPTION, 10)}, {"initial_option": OPTION}),
}
TEXT_INPUT: dict[str, Rule] = {
    "initial_value": string(3000),
    "placeholder": PLACEHOLDER,
    "dispatch_action_config": anything,
}
INPUTS: dict[str, Rule] = {
    "plain_text_input": interactive(
        optional={
            **TEXT_INPUT,
            "multiline": boolean,
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
        }
    ),
    "email_text_input": interactive(optional=TEXT_INPUT),
    "url_text_input": interactive(optional=TEXT_INPUT),
    "number_input": interactive(
        {"is_decimal_allowed": boolean}, {**TEXT_INPUT, "min_value": anything, "max_value": anything}
    ),
    "rich_text_input": interactive(
        optional={**TEXT_INPUT, "initial_value": anything, "min_lines": number, "max_lines": number}
    ),
    "file_input": interactive(optional={"filetypes": anything, "max_files": integer(1, 10)}),
}
BUTTONS: dict[str, Rule] = {"button": BUTTON, "workflow_button": WORKFLOW_BUTTON, "overflow": OVERFLOW}

IN_ACTIONS = by_type(
    {**BUTTONS, **SELECTS, **MULTI_SELECTS, **PICKERS, **CHOICES, "rich_text_input": INPUTS["rich_text_input"]},
    "not an element of an actions block",
)
IN_CONTEXT_ACTIONS = by_type(
    {"feedback_buttons": FEEDBACK_BUTTONS, "icon_button": ICON_BUTTON}, "not an element of a context_actions block"
)
IN_ACCESSORY = by_type(
    {
        **BUTTONS,
        **SELECTS,
        **MULTI_SELECTS,
        **{kind: PICKERS[kind] for kind in ("datepicker", "timepicker")},
        **CHOICES,
        "image": IMAGE_ELEMENT,
    },
    "not an accessory of a section",
)
IN_INPUT = by_type({**SELECTS, **MULTI_SELECTS, **PICKERS, **CHOICES, **INPUTS}, "not an element of an input block")
IN_CARD = by_type({"button": BUTTON, "icon_button": ICON_BUTTON}, "not an action of a card")
