"""Which blocks the workspace takes and which it refuses, with the place of the fault."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models import blocks as kit

from sandbox.workspace.blocks.check import Refusal, check_blocks

Json = dict[str, Any]


def mrkdwn(text: str = "x") -> Json:
    return {"type": "mrkdwn", "text": text}


def plain(text: str = "x") -> Json:
    return {"type": "plain_text", "text": text}


def rich(*leaves: Json) -> Json:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(leaves)}]}


def button(action_id: str = "a", **more: Any) -> Json:
    return {"type": "button", "action_id": action_id, "text": plain(), **more}


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def task(task_id: str = "t", status: str = "complete") -> Json:
    return {"type": "task_card", "task_id": task_id, "title": "Look", "status": status}


def plan(*tasks: Json) -> Json:
    return {"type": "plan", "title": "Investigating", "tasks": list(tasks)}


def cell(text: str = "x") -> Json:
    return {"type": "raw_text", "text": text}


def chart(labels: list[str], categories: list[str] | None = None, **more: Any) -> Json:
    series = [{"name": "p99", "data": [{"label": label, "value": 1} for label in labels]}]
    axis = {"categories": labels if categories is None else categories}
    return {
        "type": "data_visualization",
        "title": "p99",
        "chart": {"type": "line", "series": series, "axis_config": axis},
        **more,
    }


FEEDBACK = {
    "type": "feedback_buttons",
    "action_id": "f",
    "positive_button": {"text": plain("Good"), "value": "up"},
    "negative_button": {"text": plain("Bad"), "value": "down"},
}

TAKEN: dict[str, list[Json]] = {
    "section": [{"type": "section", "text": mrkdwn("a" * 3000)}],
    "fields": [{"type": "section", "fields": [mrkdwn("a" * 2000)] * 10}],
    "accessory": [{"type": "section", "text": mrkdwn(), "accessory": button(style="danger", value="v" * 2000)}],
    "header": [{"type": "header", "text": plain("a" * 150)}],
    "divider": [{"type": "divider"}],
    "context": [{"type": "context", "elements": [mrkdwn()] * 10}],
    "actions": [actions(*(button(str(n)) for n in range(25)))],
    "feedback": [{"type": "context_actions", "elements": [FEEDBACK]}],
    "markdown": [{"type": "markdown", "text": "a" * 12_000}],
    "rich text": [
        rich({"type": "text", "text": "x", "style": {"bold": True}}, {"type": "link", "url": "https://x.example"})
    ],
    "plan": [plan(*(task(str(n), status) for n, status in enumerate(("pending", "in_progress", "complete", "error"))))],
    "plan of fifty": [plan(*(task(str(n)) for n in range(50)))],
    "task card": [task()],
    "task with output": [plan({**task(), "output": rich({"type": "text", "text": "done"})})],
    "table": [{"type": "table", "rows": [[cell(), {"type": "raw_number", "value": 3, "text": "3"}]] * 100}],
    "data_table": [{"type": "data_table", "caption": "c", "rows": [[cell()], [cell()]], "page_size": 10}],
    "chart": [chart(["10:00", "10:05"])],
    "pie": [
        {
            "type": "data_visualization",
            "title": "t",
            "chart": {"type": "pie", "segments": [{"label": "a", "value": 1}]},
        }
    ],
    "container": [
        {
            "type": "container",
            "title": plain("Evidence"),
            "is_collapsible": True,
            "default_collapsed": True,
            "child_blocks": [{"type": "section", "text": mrkdwn()}],
        }
    ],
    "card": [{"type": "card", "title": mrkdwn(), "actions": [button()]}],
    "carousel": [{"type": "carousel", "elements": [{"type": "card", "title": mrkdwn()}] * 10}],
    "fifty blocks": [{"type": "divider"}] * 50,
    "image": [{"type": "image", "image_url": "https://x.example/a.png", "alt_text": "a"}],
}

REFUSED: dict[str, tuple[list[Any], str]] = {
    "51 blocks": ([{"type": "divider"}] * 51, "/blocks"),
    "no object": (["divider"], "/blocks/0"),
    "no type": ([{}], "/blocks/0"),
    "unknown type": ([{"type": "blink"}], "/blocks/0/type"),
    "unknown field": ([{"type": "divider", "colour": "red"}], "/blocks/0"),
    "section text too long": ([{"type": "section", "text": mrkdwn("a" * 3001)}], "/blocks/0/text/text"),
    "empty text": ([{"type": "section", "text": mrkdwn("")}], "/blocks/0/text/text"),
    "section of nothing": ([{"type": "section"}], "/blocks/0"),
    "eleven fields": ([{"type": "section", "fields": [mrkdwn()] * 11}], "/blocks/0/fields"),
    "field too long": ([{"type": "section", "fields": [mrkdwn("a" * 2001)]}], "/blocks/0/fields/0/text"),
    "header too long": ([{"type": "header", "text": plain("a" * 151)}], "/blocks/0/text/text"),
    "mrkdwn header": ([{"type": "header", "text": mrkdwn()}], "/blocks/0/text/type"),
    "emoji on mrkdwn": ([{"type": "section", "text": {**mrkdwn(), "emoji": True}}], "/blocks/0/text"),
    "eleven in context": ([{"type": "context", "elements": [mrkdwn()] * 11}], "/blocks/0/elements"),
    "button in context": ([{"type": "context", "elements": [button()]}], "/blocks/0/elements/0"),
    "26 actions": ([actions(*(button(str(n)) for n in range(26)))], "/blocks/0/elements"),
    "no actions": ([actions()], "/blocks/0/elements"),
    "button text too long": ([actions({**button(), "text": plain("a" * 76)})], "/blocks/0/elements/0/text/text"),
    "button value too long": ([actions(button(value="a" * 2001))], "/blocks/0/elements/0/value"),
    "action_id too long": ([actions(button("a" * 256))], "/blocks/0/elements/0/action_id"),
    "action_id twice": ([actions(button("a"), button("a"))], "/blocks/0"),
    "button style": ([actions(button(style="warning"))], "/blocks/0/elements/0/style"),
    "button to javascript": ([actions(button(url="javascript:alert(1)"))], "/blocks/0/elements/0/url"),
    "block_id too long": ([{"type": "divider", "block_id": "a" * 256}], "/blocks/0/block_id"),
    "block_id twice": ([{"type": "divider", "block_id": "a"}] * 2, "/blocks"),
    "block_id twice, nested": ([{"type": "divider", "block_id": "a"}, plan({**task(), "block_id": "a"})], "/blocks"),
    "feedback in actions": ([actions(FEEDBACK)], "/blocks/0/elements/0/type"),
    "six context actions": (
        [{"type": "context_actions", "elements": [{**FEEDBACK, "action_id": str(n)} for n in range(6)]}],
        "/blocks/0/elements",
    ),
    "51 tasks": ([plan(*(task(str(n)) for n in range(51)))], "/blocks/0/tasks"),
    "task twice": ([plan(task("a"), task("a"))], "/blocks/0/tasks"),
    "task status": ([plan(task(status="done"))], "/blocks/0/tasks/0/status"),
    "pending card outside a plan": ([task(status="pending")], "/blocks/0/status"),
    "output as a string": ([plan({**task(), "output": "text"})], "/blocks/0/tasks/0/output"),
    "101 rows": ([{"type": "table", "rows": [[cell()]] * 101}], "/blocks/0/rows"),
    "21 columns": ([{"type": "table", "rows": [[cell()] * 21]}], "/blocks/0/rows/0"),
    "ragged rows": ([{"type": "table", "rows": [[cell()], [cell(), cell()]]}], "/blocks/0/rows"),
    "table too big": ([{"type": "table", "rows": [[cell("a" * 5001)]] * 2}], "/blocks/0/rows"),
    "two tables too big": ([{"type": "table", "rows": [[cell("a" * 6000)]]}] * 2, "/blocks"),
    "data_table without rows": ([{"type": "data_table", "caption": "c", "rows": [[cell()]]}], "/blocks/0/rows"),
    "three charts": ([chart(["a"])] * 3, "/blocks"),
    "chart labels": ([chart(["a", "b"], ["a", "c"])], "/blocks/0/chart/series/0/data"),
    "21 points": ([chart([str(n) for n in range(21)])], "/blocks/0/chart/series/0/data"),
    "label too long": ([chart(["a" * 21])], "/blocks/0/chart/series/0/data/0/label"),
    "plan in a container": (
        [{"type": "container", "title": plain(), "child_blocks": [plan()]}],
        "/blocks/0/child_blocks/0/type",
    ),
    "markdown in a container": (
        [{"type": "container", "title": plain(), "child_blocks": [{"type": "markdown", "text": "x"}]}],
        "/blocks/0/child_blocks/0/type",
    ),
    "container without title": ([{"type": "container", "child_blocks": [{"type": "divider"}]}], "/blocks/0"),
    "collapsed but not collapsible": (
        [{"type": "container", "title": plain(), "default_collapsed": True, "child_blocks": [{"type": "divider"}]}],
        "/blocks/0",
    ),
    "alert in a message": ([{"type": "alert", "text": mrkdwn()}], "/blocks/0/type"),
    "empty rich text leaf": ([rich({"type": "text", "text": ""})], "/blocks/0/elements/0/elements/0/text"),
    "rich text leaf without type": ([rich({"text": "x"})], "/blocks/0/elements/0/elements/0"),
    "image without address": ([{"type": "image", "alt_text": "a"}], "/blocks/0"),
    "eleven cards": (
        [{"type": "carousel", "elements": [{"type": "card", "title": mrkdwn()}] * 11}],
        "/blocks/0/elements",
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_good_blocks_are_taken(name: str) -> None:
    assert check_blocks(TAKEN[name]) is None


@pytest.mark.parametrize("name", REFUSED)
def test_bad_blocks_are_refused_where_the_fault_is(name: str) -> None:
    blocks, pointer = REFUSED[name]
    refusal = check_blocks(blocks)
    assert refusal is not None
    assert refusal.code == "invalid_blocks"
    assert any(message.endswith(f"[json-pointer:{pointer}]") for message in refusal.messages), refusal.messages


@pytest.mark.parametrize("blocks", [None, "[]", {}, 3])
def test_what_is_no_list_has_an_error_of_its_own(blocks: Any) -> None:
    assert check_blocks(blocks) == Refusal("invalid_blocks_format")


def test_markdown_is_counted_over_the_whole_message() -> None:
    two = [{"type": "markdown", "text": "a" * 6001}] * 2
    refusal = check_blocks(two)
    assert refusal is not None
    assert refusal.code == "msg_blocks_too_long"
    assert check_blocks([{"type": "markdown", "text": "a" * 6000}] * 2) is None


def test_surfaces_differ() -> None:
    alert = [{"type": "alert", "text": mrkdwn()}]
    assert check_blocks(alert, "modal") is None
    assert check_blocks(alert, "message") is not None
    assert check_blocks([plan()], "message") is None
    assert check_blocks([plan()], "modal") is not None
    assert check_blocks([{"type": "divider"}] * 100, "modal") is None


def test_an_image_waits_for_its_file_to_be_scanned() -> None:
    image = [{"type": "image", "slack_file": {"id": "F1"}, "alt_text": "a"}]
    assert check_blocks(image, file_ready=lambda _id: True) is None
    refusal = check_blocks(image, file_ready=lambda _id: False)
    assert refusal is not None
    assert refusal.messages == ("invalid slack file [json-pointer:/blocks/0/slack_file]",)


def test_what_the_sdk_builds_is_taken() -> None:
    text = kit.MarkdownTextObject(text="x")
    option = kit.Option(text=kit.PlainTextObject(text="One"), value="1")
    built = [
        kit.HeaderBlock(text="Title"),
        kit.SectionBlock(text=text, accessory=kit.ButtonElement(text="Go", action_id="go", value="1", style="primary")),
        kit.SectionBlock(
            fields=[text, text], accessory=kit.OverflowMenuElement(options=[option, option], action_id="o")
        ),
        kit.ContextBlock(elements=[text]),
        kit.DividerBlock(),
        kit.ActionsBlock(
            elements=[
                kit.StaticSelectElement(placeholder="Choose", options=[option], action_id="s"),
                kit.ButtonElement(
                    text="Sure",
                    action_id="c",
                    confirm=kit.ConfirmObject(title="Sure?", text="Really", confirm="Yes", deny="No"),
                ),
            ]
        ),
        kit.MarkdownBlock(text="# Title"),
        kit.RichTextBlock(
            elements=[
                kit.RichTextSectionElement(elements=[kit.RichTextElementParts.Text(text="bold", style={"bold": True})]),
                kit.RichTextListElement(
                    style="bullet",
                    indent=0,
                    elements=[kit.RichTextSectionElement(elements=[kit.RichTextElementParts.User(user_id="U1")])],
                ),
                kit.RichTextPreformattedElement(elements=[kit.RichTextElementParts.Text(text="log")]),
                kit.RichTextQuoteElement(elements=[kit.RichTextElementParts.Link(url="https://x.example")]),
            ]
        ),
        kit.PlanBlock(title="Plan", tasks=[kit.TaskCardBlock(task_id="1", title="Look", status="pending")]),
        kit.TableBlock(rows=[[kit.RawTextObject(text="a"), kit.RawNumberObject(value=1, text="1")]]),
        kit.ContainerBlock(title="More", is_collapsible=True, child_blocks=[kit.SectionBlock(text=text)]),
        kit.CardBlock(title="Card", body="Body", actions=[kit.ButtonElement(text="Go", action_id="g")]),
        kit.ImageBlock(image_url="https://x.example/a.png", alt_text="a", title="t"),
    ]
    refusal = check_blocks([block.to_dict() for block in built])
    assert refusal is None, refusal


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    [
        "type",
        "text",
        "elements",
        "fields",
        "tasks",
        "rows",
        "block_id",
        "child_blocks",
        "chart",
        "series",
        "axis_config",
        "accessory",
    ]
)
KINDS = st.sampled_from(
    [
        *TAKEN,
        "section",
        "plain_text",
        "mrkdwn",
        "raw_text",
        "line",
        "rich_text",
        "rich_text_section",
        "table",
        "data_table",
        "button",
    ]
)
NEARLY_BLOCKS = st.recursive(
    st.none() | st.integers() | st.text(max_size=8) | KINDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(lambda kind, rest: {**rest, "type": kind}, KINDS, st.dictionaries(KEYS, inner, max_size=4))
    ),
    max_leaves=25,
)


@given(
    blocks=ANY_JSON | st.lists(NEARLY_BLOCKS, max_size=5),
    surface=st.sampled_from(["message", "stream", "modal", "home"]),
)
@settings(max_examples=150, deadline=None)
def test_any_json_gets_an_answer(blocks: Any, surface: Any) -> None:
    refusal = check_blocks(blocks, surface)
    assert refusal is None or (
        refusal.code.startswith(("invalid_blocks", "msg_blocks")) and len(refusal.messages) <= 30
    )
