"""The loop guards: which message events may start anything at all. Pure; the order is from certain to likely."""

from collections.abc import Mapping
from typing import Any

from bot.settings import ChannelSettings
from bot.slack.clients import METADATA

_STARTING = {"", "bot_message", "file_share"}
Event = Mapping[str, Any]


def inner(event: Event) -> tuple[Event, bool]:
    """The message itself, and whether the event is an edit of it."""
    if event.get("subtype") == "message_changed":
        message = event.get("message")
        return (message if isinstance(message, Mapping) else {}), True
    return event, False


def closed(event: Event, *, bot_id: str, bot_user: str, app_id: str) -> str:
    """Why this message event starts nothing; "" when it may. Edits pass: they can say that an alert is over."""
    message, edited = inner(event)
    if not message.get("ts") or not event.get("channel"):
        return "no message"
    if _ours(message, bot_id, bot_user, app_id):
        return "our own message"
    if _part(message, "metadata").get("event_type") == METADATA:
        return "carries our metadata"
    if edited and not message.get("edited"):
        return "an unfurl, not an edit"
    if not edited and str(event.get("subtype") or "") not in _STARTING:
        return f"a message of kind {event.get('subtype')}"
    if message.get("thread_ts") and message["thread_ts"] != message["ts"]:
        return "a reply in a thread"
    if not (message.get("bot_id") or message.get("app_id") or message.get("subtype") == "bot_message"):
        return "written by a person"
    if message.get("streaming_state") == "in_progress":
        return "another agent is still writing it"
    return ""


def _ours(message: Event, bot_id: str, bot_user: str, app_id: str) -> bool:
    apps = (message.get("app_id"), _part(message, "bot_profile").get("app_id"))
    return bool(
        (bot_id and message.get("bot_id") == bot_id)
        or (bot_user and message.get("user") == bot_user)
        or (app_id and app_id in apps)
    )


def sender_allowed(message: Event, rules: ChannelSettings) -> bool:
    """Whether the message's app, bot or name is on the channel's list; an empty list admits every bot."""
    if not rules.senders:
        return True
    profile = _part(message, "bot_profile")
    names = [message.get(k) for k in ("app_id", "bot_id", "username", "user")]
    names += [profile.get(k) for k in ("app_id", "name")]
    return any(sender in names for sender in rules.senders)


def _part(message: Event, key: str) -> Event:
    value = message.get(key)
    return value if isinstance(value, Mapping) else {}
