"""The intake: runs as Bolt middleware, before the event is acknowledged.

Bolt acknowledges before listeners run, so what is not durable by now is lost with the process. An error in here leaves the event
unacknowledged, and Slack delivers it again. People, replies, our own posts, edits and other bots' chatter end here.
"""

import json
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from slack_bolt import BoltResponse

from bot.alerts.gate import startable
from bot.alerts.model import Alert, Parsed
from bot.alerts.parse import parse
from bot.observe.metrics import Metrics
from bot.runtime.contracts import Work
from bot.runtime.runtime import Runtime
from bot.settings import ChannelSettings
from bot.slack import guards
from bot.slack.channels import Channels
from bot.slack.identity import Identity
from bot.slack.mentions import Mentions
from mcp_servers.common.redaction import redact_tree
from mcp_servers.common.untrusted import sanitise_tree

log = structlog.get_logger(__name__)

MAX_EVENT = 64_000
KEEP = ("text", "attachments", "blocks", "username", "bot_id", "app_id", "ts")
HOUR_S = 3600.0
LAST_MOMENT = 1e11  # no message is from the year 5138


@dataclass(frozen=True)
class Found:
    """Says that a message was read from the channel's history, not heard as an event; ``note`` when that was late."""

    note: str = ""


class Intake:
    """Turns message events into `Work`. Knows no alert format: `bot.alerts` reads the message."""

    def __init__(
        self,
        runtime: Runtime,
        channels: Channels,
        mentions: Mentions,
        identity: Identity,
        *,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runtime = runtime
        self._channels = channels
        self._mentions = mentions
        self._me = identity
        self._metrics = metrics
        self._clock = clock
        self._started: defaultdict[str, deque[float]] = defaultdict(deque)
        self._met: set[str] = set()

    async def middleware(self, body: dict[str, Any], next: Callable[[], Awaitable[BoltResponse]]) -> BoltResponse:
        """Bolt calls this for everything that comes in; only events are ours."""
        event = body.get("event")
        if isinstance(event, dict):
            if event.get("type") == "message":
                await self.message(body, event)
            elif event.get("type") == "app_mention":
                await self._mentions.receive(body, event)
            elif event.get("type") == "member_joined_channel" and event.get("user") == self._me.user:
                await self._joined(event)
        return await next()

    async def message(self, body: Mapping[str, Any], event: Mapping[str, Any], found: Found | None = None) -> str:
        """What became of it.

        started (late, when it was found too late), folded, resolved, idle, ignored, unparsed, repeated or over_budget.
        """
        reason = guards.closed(
            event, bot_id=self._me.bot_id, bot_user=self._me.user, app_id=str(body.get("api_app_id") or "")
        )
        if reason:
            if event.get("channel_type") == "im":
                await self._mentions.direct(body, event)
            log.debug("message_ignored", reason=reason)
            return "ignored"
        message, edited = guards.inner(event)
        channel = str(event["channel"])
        rules = await self._channels.rules(channel)
        if isinstance(rules, str):
            log.info("message_ignored", channel=channel, reason=rules)
            return "ignored"
        if not guards.sender_allowed(message, rules):
            line = log.info if found is None else log.debug  # a history is read more than once
            line("message_ignored", channel=channel, reason="the sender is not on the channel's list")
            return "ignored"
        if found is None:
            await self._meet(channel, event)
        parsed = parse(event, own_bot_ids={self._me.bot_id}, own_app_id=str(body.get("api_app_id") or ""))
        note = found.note if found is not None else ""
        outcome = await self._take(body, message, channel, parsed, rules, edited=edited, note=note)
        if found is not None and outcome in {"ignored", "idle", "repeated"}:
            return outcome  # it was counted when its event came
        self._metrics.alerts_received.labels(outcome=outcome).inc()
        log.info(
            "message_taken",
            channel=channel,
            ts=message["ts"],
            outcome=outcome,
            reason=parsed.reason,
            alerts=len(parsed.alerts),
        )
        return outcome

    async def _take(
        self,
        body: Mapping[str, Any],
        message: Mapping[str, Any],
        channel: str,
        parsed: Parsed,
        rules: ChannelSettings,
        *,
        edited: bool,
        note: str,
    ) -> str:
        team = str(body.get("team_id") or self._me.team)
        over = bool(parsed.alerts) and all(a.status == "resolved" for a in parsed.alerts)
        if edited and not over:
            return "ignored"
        if not parsed.is_alert and not (edited and over):
            return "ignored"
        if over:
            new = await self._runtime.accept(_work(team, channel, message, parsed.alerts))
            return "resolved" if new else "repeated"
        if not parsed.alerts:
            trouble = (
                f"It looks like an alert, but it cannot be read: {parsed.reason}. Start one by hand with /rca run."
            )
            return await self._accept(_work(team, channel, message, (), trouble=trouble), "unparsed")
        worth = startable(parsed)
        if not worth:
            return "idle"
        others = tuple(a for a in parsed.alerts if a not in worth)
        work = _work(team, channel, message, (*worth, *others), note=note)
        outcome = await self._runtime.receive(work, may_start=lambda: self._spend(channel, rules.max_per_hour))
        if outcome == "refused":
            return await self._over_budget(team, channel, message, parsed, rules)
        return "late" if outcome == "started" and note else outcome

    async def _meet(self, channel: str, event: Mapping[str, Any]) -> None:
        """From the first message that is heard in a channel on, its history is ours to look through; what was before is not."""
        if channel in self._met:
            return
        at = moment(event.get("ts"))  # of the event, not of the message: an edit may be of something old
        if at is not None:
            await self._runtime.store.met(channel, at - 1e-6)
            self._met.add(channel)

    async def _joined(self, event: Mapping[str, Any]) -> None:
        """What was said in a channel before we were invited (again) is none of ours."""
        at, channel = moment(event.get("event_ts")), str(event.get("channel") or "")
        if at is not None and channel:
            await self._runtime.store.read_to(channel, at)

    async def _accept(self, work: Work, outcome: str) -> str:
        return outcome if await self._runtime.accept(work) else "repeated"

    def _spend(self, channel: str, most: int) -> bool:
        """One of the hour's investigations, if one is left. What joins another costs none."""
        started = self._started[channel]
        while started and self._clock() - started[0] > HOUR_S:
            started.popleft()
        if len(started) >= most:
            return False
        started.append(self._clock())
        return True

    async def _over_budget(
        self, team: str, channel: str, message: Mapping[str, Any], parsed: Parsed, rules: ChannelSettings
    ) -> str:
        """The first one beyond the hour's budget is told so in its thread; the rest of that hour only in the log."""
        hour = int(time.time() // HOUR_S)
        first = await self._runtime.store.mark_seen(f"budget:{team}:{channel}:{hour}")
        if first:
            trouble = (
                f"{rules.max_per_hour} investigations were started in this channel within an hour, which is its limit "
                "(max_per_hour). This alert and further ones in this hour are not investigated; start one by hand with /rca run."
            )
            await self._runtime.accept(_work(team, channel, message, (), trouble=trouble))
        else:  # decided for good: reading the channel's history later must not start it after all
            await self._runtime.store.mark_seen(alert_key(team, channel, str(message["ts"])))
        log.warning("over_budget", channel=channel, alert=parsed.alerts[0].name)
        return "over_budget"


def alert_key(team: str, channel: str, ts: str) -> str:
    """What a message is known by: its twin events and its place in the history collapse into one."""
    return f"alert:{team}:{channel}:{ts}"


def moment(ts: object) -> float | None:
    """Epoch seconds of a message's ``ts``; ``None`` for what is none."""
    try:
        at = float(str(ts))
    except ValueError:
        return None
    return at if 0 < at < LAST_MOMENT else None


def _work(
    team: str,
    channel: str,
    message: Mapping[str, Any],
    alerts: tuple[Alert, ...],
    *,
    trouble: str = "",
    note: str = "",
) -> Work:
    ts = str(message["ts"])
    kept = redact_tree(sanitise_tree({k: message[k] for k in KEEP if k in message}))
    if len(json.dumps(kept, ensure_ascii=False, default=str)) > MAX_EVENT:
        kept = {"ts": ts, "note": f"the message was larger than {MAX_EVENT} characters and is not kept"}
    return Work(
        key=alert_key(team, channel, ts),
        kind="alert",
        team=team,
        channel=channel,
        ts=ts,
        alerts=alerts,
        trouble=trouble,
        note=note,
        event=kept,
        received_at=datetime.now(UTC),
    )
