"""Slack's error codes, sorted by what can be done about them, with a mend in words where a person can help."""

import asyncio
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

from bot.runtime.contracts import DeliveryError

MENDS = {
    "not_in_channel": "the bot is not a member of the channel: type /invite @rca there",
    "channel_not_found": "the channel does not exist for the bot: if it is private, type /invite @rca there",
    "is_archived": "the channel is archived: unarchive it or route the alerts elsewhere",
    "restricted_action": "the workspace does not let the bot post there: ask an administrator for posting permission",
    "restricted_action_read_only_channel": "the channel is read-only for the bot: ask its managers for posting permission",
    "restricted_action_thread_locked": "the thread is locked",
    "missing_scope": "the app lacks a permission: reinstall it with the shipped manifest",
    "invalid_auth": "the bot token is not valid: check SLACK_BOT_TOKEN",
    "not_authed": "no bot token was sent: set SLACK_BOT_TOKEN",
    "account_inactive": "the app was removed from the workspace: install it again",
    "token_revoked": "the bot token was revoked: install the app again and set SLACK_BOT_TOKEN",
    "token_expired": "the bot token expired: install the app again and set SLACK_BOT_TOKEN",
    "ekm_access_denied": "the workspace's administrators suspended posting",
    "thread_not_found": "the alert's message was deleted",
}
BLOCKS = frozenset(
    {
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_arguments",
        "msg_blocks_too_long",
        "msg_blocks_too_many",
        "msg_too_long",
        "block_mismatch",
        "internal_error",
        "no_text",
    }
)
GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "streaming_state_conflict"})
AWAY = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
"""Errors of the way to Slack: the request may or may not have arrived."""


def code_of(error: SlackApiError) -> str:
    """Slack's word for what went wrong; ``http_503`` where there is none."""
    response: Any = error.response
    word = response.get("error") if hasattr(response, "get") else None
    return str(word) if word else f"http_{getattr(response, 'status_code', 0)}"


def retry_after(error: SlackApiError) -> float | None:
    """Seconds to wait where Slack limits the rate, else ``None``."""
    response: Any = error.response
    if code_of(error) != "ratelimited" and getattr(response, "status_code", 200) != 429:
        return None
    headers = {str(k).lower(): v for k, v in (getattr(response, "headers", None) or {}).items()}
    value = headers.get("retry-after", 1)
    try:
        return max(0.1, float(value[0] if isinstance(value, list) else value))
    except ValueError:
        return 1.0


def uncertain(error: Exception) -> bool:
    """Whether the call may have been carried out although it failed."""
    if isinstance(error, SlackApiError):
        return int(getattr(error.response, "status_code", 200)) >= 500
    return isinstance(error, AWAY)


def as_delivery(error: Exception, channel: str, *, doing: str) -> DeliveryError:
    """The same for the runtime: what failed, where, what to do, and whether trying again can help."""
    if isinstance(error, SlackApiError):
        word = code_of(error)
        mend = MENDS.get(word)
        if mend is not None:
            return DeliveryError(f"{doing} in {channel} failed ({word}): {mend}", permanent=True)
        permanent = word in BLOCKS
        return DeliveryError(f"{doing} in {channel} failed: Slack answered {word}", permanent=permanent)
    return DeliveryError(
        f"{doing} in {channel} failed: Slack could not be reached ({type(error).__name__})", permanent=False
    )
