"""rich_text: sections, lists, quotes and preformatted text made of typed leaves."""

from sandbox.workspace.blocks.objects import ID
from sandbox.workspace.blocks.rules import Rule, anything, array, boolean, by_type, integer, one_of, record, string, url

MOST_PARTS = 1000

TYPE = string(60, 1)
STYLE = record(
    optional={
        "bold": boolean,
        "italic": boolean,
        "strike": boolean,
        "code": boolean,
        "underline": boolean,
        "highlight": boolean,
        "client_highlight": boolean,
        "unlink": boolean,
    }
)


def _leaf(required: dict[str, Rule], optional: dict[str, Rule] | None = None) -> Rule:
    return record({"type": TYPE, **required}, {"style": STYLE, **(optional or {})})


LEAVES: dict[str, Rule] = {
    # An empty text leaf is refused by Slack: a section that is made of nothing but "" is a common own goal.
    "text": _leaf({"text": string(least=1)}),
    "link": _leaf({"url": url()}, {"text": string(), "unsafe": boolean}),
    "user": _leaf({"user_id": string(60, 1)}),
    "usergroup": _leaf({"usergroup_id": string(60, 1)}),
    "channel": _leaf({"channel_id": string(60, 1)}),
    "broadcast": _leaf({"range": one_of("here", "channel", "everyone")}),
    "emoji": _leaf({"name": string(100, 1)}, {"unicode": string(100), "skin_tone": integer(1, 6)}),
    "date": _leaf({"timestamp": anything, "format": string(500, 1)}, {"url": url(), "fallback": string(500)}),
    "color": _leaf({"value": string(20, 1)}),
    "team": _leaf({"team_id": string(60, 1)}),
}
IN_SECTION = by_type(LEAVES, "not an element of rich text")
IN_PREFORMATTED = by_type({"text": LEAVES["text"], "link": LEAVES["link"]}, "not an element of preformatted text")
BORDER = integer(0, 1)

SECTION = record({"type": TYPE, "elements": array(IN_SECTION, MOST_PARTS, 0)})
PARTS: dict[str, Rule] = {
    "rich_text_section": SECTION,
    "rich_text_list": record(
        {
            "type": TYPE,
            "style": one_of("bullet", "ordered"),
            "elements": array(by_type({"rich_text_section": SECTION}, "not an item of a list"), MOST_PARTS, 0),
        },
        {"indent": integer(0, 8), "offset": integer(0, 1_000_000), "border": BORDER},
    ),
    "rich_text_preformatted": record(
        {"type": TYPE, "elements": array(IN_PREFORMATTED, MOST_PARTS, 0)}, {"border": BORDER, "language": string(60)}
    ),
    "rich_text_quote": record({"type": TYPE, "elements": array(IN_SECTION, MOST_PARTS, 0)}, {"border": BORDER}),
}
RICH_TEXT = record(
    {"type": one_of("rich_text"), "elements": array(by_type(PARTS, "not a part of rich_text"), MOST_PARTS)},
    {"block_id": ID},
)
