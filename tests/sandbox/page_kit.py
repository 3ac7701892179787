"""Words of Block Kit, short enough to write a workspace by hand: texts, blocks, messages, at a fixed time."""

from typing import Any

NOW = 1_763_781_180  # 2025-11-22 03:13 UTC
ALERTS, GENERAL = "C0ALERTS", "C0GENERAL"
Json = dict[str, Any]


def ts(ago: float, n: int = 1) -> str:
    """The Slack timestamp of `ago` seconds before the fixture's now."""
    return f"{NOW - ago:.0f}.{n:06d}"


def text(value: str) -> Json:
    return {"type": "mrkdwn", "text": value}


def plain(value: str) -> Json:
    return {"type": "plain_text", "text": value, "emoji": True}


def section(value: str, **more: Any) -> Json:
    return {"type": "section", "text": text(value), **more}


def context(*values: str) -> Json:
    return {"type": "context", "elements": [text(value) for value in values]}


def button(label: str, action: str, **more: Any) -> Json:
    return {"type": "button", "text": plain(label), "action_id": action, "value": "run-1", **more}


def rich(*parts: str | Json) -> Json:
    leaves = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": leaves}]}


def code(value: str) -> Json:
    return {"type": "text", "text": value, "style": {"code": True}}


def task(task_id: str, title: str, status: str, output: Json | None = None, **more: Any) -> Json:
    card: Json = {"type": "task_card", "task_id": task_id, "title": title, "status": status, **more}
    if output:
        card["output"] = output
    return card


FEEDBACK = {
    "type": "context_actions",
    "elements": [
        {
            "type": "feedback_buttons",
            "action_id": "rca_feedback",
            "positive_button": {"text": plain("Good"), "accessibility_label": "This was the cause", "value": "up"},
            "negative_button": {"text": plain("Bad"), "accessibility_label": "This was not the cause", "value": "down"},
        }
    ],
}


def bot(when: str, thread: str, **more: Any) -> Json:
    return {
        "type": "message",
        "user": "U0RCA",
        "bot_id": "B0RCA",
        "app_id": "A0RCA",
        "bot_profile": {"name": "RCA"},
        "ts": when,
        "thread_ts": thread,
        **more,
    }


def person(user: str, when: str, words: str, **more: Any) -> Json:
    return {"type": "message", "user": user, "text": words, "ts": when, **more}


def alert(app: str, when: str, attachment: Json, reactions: list[str]) -> Json:
    found = [{"name": name, "users": ["U0RCA"], "count": 1} for name in reactions]
    return {
        "type": "message",
        "subtype": "bot_message",
        "bot_id": f"B0{app[:4].upper()}",
        "username": app,
        "text": "",
        "ts": when,
        "attachments": [attachment],
        "reactions": found,
    }


def actions(*more: Json) -> Json:
    return {
        "type": "actions",
        "elements": [button("Show evidence", "rca_evidence"), button("Re-run", "rca_rerun"), *more],
    }


CRASH, RUNNING, SLOW, MODEL = ts(70), ts(12), ts(1500), ts(3700)


CATEGORIES = ("02:34", "02:37", "02:40", "02:43", "02:46", "02:49", "02:52", "02:55")

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
