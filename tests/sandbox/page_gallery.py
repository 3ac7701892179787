"""One message of each kind of block, and a form: what the page must be able to draw beyond the threads of page_fixture.py."""

from page_kit import (
    CATEGORIES,
    DAYS,
    FEEDBACK,
    Json,
    bot,
    button,
    code,
    context,
    person,
    plain,
    rich,
    section,
    text,
    ts,
)


def gallery() -> list[Json]:
    """One message of #general for each kind of block that the threads above do not show."""
    table = {
        "type": "table",
        "column_settings": [{"is_wrapped": True}, {"align": "right"}, {"align": "right"}],
        "rows": [
            [
                {"type": "raw_text", "text": "Deploy"},
                {"type": "raw_text", "text": "Errors"},
                {"type": "raw_text", "text": "p99"},
            ],
            [
                rich({"type": "link", "url": "https://argo.example/v42", "text": "checkout v42"}),
                {"type": "raw_number", "value": 118, "text": "118"},
                {"type": "raw_text", "text": "2.1 s"},
            ],
            [
                rich(code("cart"), " v17"),
                {"type": "raw_number", "value": 3, "text": "3"},
                {"type": "raw_text", "text": "0.2 s"},
            ],
        ],
    }
    data = {
        "type": "data_table",
        "caption": "Top error sources",
        "page_size": 4,
        "row_header_column_index": 0,
        "rows": [[{"type": "raw_text", "text": "Service"}, {"type": "raw_text", "text": "5xx"}]]
        + [
            [
                {"type": "raw_text", "text": f"service-{n}"},
                {"type": "raw_number", "value": (n * 37) % 101, "text": str((n * 37) % 101)},
            ]
            for n in range(1, 10)
        ],
    }
    bar = {
        "type": "bar",
        "series": [
            {"name": name, "data": [{"label": day, "value": (k * 13 + n * 29) % 60 + 5} for n, day in enumerate(DAYS)]}
            for k, name in enumerate(("critical", "warning"))
        ],
        "axis_config": {"categories": list(DAYS), "y_label": "alerts"},
    }
    area = {
        "type": "area",
        "series": [{"name": "memory", "data": [{"label": c, "value": 120 + n * 17} for n, c in enumerate(CATEGORIES)]}],
        "axis_config": {"categories": list(CATEGORIES), "y_label": "MiB"},
    }
    pie = {
        "type": "pie",
        "segments": [
            {"label": "checkout", "value": 118},
            {"label": "cart", "value": 42},
            {"label": "payments", "value": 17},
        ],
    }
    card = {
        "type": "card",
        "title": text("Roll back v42"),
        "subtitle": text("low risk"),
        "body": text("5xx began 40 s after the deploy of `checkout`."),
        "actions": [button("Open", "rca_open", style="primary", url="https://argo.example/v42")],
    }
    lists = {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [
                    {"type": "text", "text": "cause ", "style": {"bold": True}},
                    {"type": "user", "user_id": "U0DANA"},
                    {"type": "text", "text": " "},
                    {"type": "emoji", "name": "fire"},
                ],
            },
            {
                "type": "rich_text_list",
                "style": "bullet",
                "indent": 0,
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "a"}]}],
            },
            {
                "type": "rich_text_list",
                "style": "bullet",
                "indent": 1,
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "b"}]}],
            },
            {
                "type": "rich_text_list",
                "style": "ordered",
                "elements": [
                    {"type": "rich_text_section", "elements": [{"type": "text", "text": "one"}]},
                    {"type": "rich_text_section", "elements": [{"type": "text", "text": "two"}]},
                ],
            },
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "a quoted log line"}]},
            {
                "type": "rich_text_preformatted",
                "elements": [{"type": "text", "text": "panic: nil map\n  at main.go:12"}],
            },
        ],
    }
    option = {"text": plain("Split one off"), "value": "split"}
    controls = {
        "type": "actions",
        "elements": [
            button(
                "Approve",
                "rca_approve",
                style="primary",
                confirm={
                    "title": plain("Approve this?"),
                    "text": text("The bot only *reads*."),
                    "confirm": plain("Approve"),
                    "deny": plain("Cancel"),
                },
            ),
            {
                "type": "static_select",
                "action_id": "rca_cause",
                "placeholder": plain("What was it?"),
                "options": [
                    {"text": plain("missing ConfigMap key"), "value": "config"},
                    {"text": plain("something else"), "value": "other"},
                ],
            },
            {
                "type": "overflow",
                "action_id": "rca_more",
                "options": [option, {"text": plain("Mute for an hour"), "value": "mute"}],
            },
        ],
    }
    fields = {
        "type": "section",
        "fields": [
            text("*Service*\ncheckout"),
            text("*Since*\n03:01"),
            text("*Owner*\n<!subteam^S0PAY>"),
            text("*Cluster*\nprod-eu"),
        ],
        "accessory": button("Open", "rca_open_2"),
    }
    evidence = {
        "type": "container",
        "title": plain("Evidence (2 items)"),
        "subtitle": plain("raw answers of the tools"),
        "is_collapsible": True,
        "default_collapsed": False,
        "child_blocks": [section("E1 `get_pod_status`"), context("0.4 s")],
    }
    groups: list[list[Json]] = [
        [{"type": "header", "text": plain("Every kind of block")}, fields, {"type": "divider"}, lists],
        [table, data],
        [
            {"type": "data_visualization", "title": "Alerts a day", "chart": bar},
            {"type": "data_visualization", "title": "Working set of payments", "chart": area},
        ],
        [{"type": "data_visualization", "title": "5xx by service", "chart": pie}],
        [
            evidence,
            {
                "type": "carousel",
                "elements": [card, {**card, "title": text("Add the key")}, {**card, "title": text("Scale cart")}],
            },
        ],
        [
            controls,
            {
                "type": "context_actions",
                "elements": [
                    *FEEDBACK["elements"],
                    {"type": "icon_button", "action_id": "rca_delete", "icon": "trash", "text": plain("Delete")},
                ],
            },
        ],
        [{"type": "something_new"}],
    ]
    made = [bot(ts(600 - n * 20), "", blocks=blocks, text="") for n, blocks in enumerate(groups)]
    for message in made:
        del message["thread_ts"]
    talk = [
        person(
            "U0OMAR",
            ts(900),
            "*bold* _italic_ ~gone~ `code` and *bold with `code` inside*, 2*3*4 stays\n"
            "> quoted\n• first\n• second\n```\nkubectl get pods\n```\n"
            "https://status.example/now. <!here> <#C0ALERTS> :unknown_name: &lt;tag&gt;",
            edited={"user": "U0OMAR", "ts": ts(880)},
        ),
        person("U0OMAR", ts(890), "At <!date^1763780000^{date_short_pretty} at {time}|some time>"),
    ]
    streaming = bot(ts(5), "", text="Looking at the last two hours of `cart`", streaming=True)
    del streaming["thread_ts"]
    return [*talk, *made, streaming]


MODAL: Json = {
    "id": "V0FORM",
    "user": "U0DANA",
    "view": {
        "type": "modal",
        "title": plain("What was wrong?"),
        "submit": plain("Send"),
        "close": plain("Cancel"),
        "blocks": [
            {"type": "alert", "level": "warning", "text": text("The answer is kept with the investigation.")},
            section("The verdict was *checkout crashes because a key is missing*."),
            {
                "type": "input",
                "block_id": "kind",
                "label": plain("What was it?"),
                "element": {
                    "type": "radio_buttons",
                    "action_id": "kind",
                    "options": [
                        {"text": plain("Another cause"), "value": "other"},
                        {"text": plain("Right cause, wrong advice"), "value": "advice"},
                    ],
                },
            },
            {
                "type": "input",
                "block_id": "words",
                "label": plain("In your words"),
                "hint": plain("One line is enough."),
                "element": {"type": "plain_text_input", "action_id": "words", "multiline": True},
            },
            {
                "type": "input",
                "block_id": "team",
                "optional": True,
                "label": plain("Team"),
                "element": {
                    "type": "static_select",
                    "action_id": "team",
                    "options": [{"text": plain("checkout"), "value": "checkout"}],
                },
            },
        ],
    },
}
