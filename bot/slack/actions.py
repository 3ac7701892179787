"""What the buttons do. The value of a button is an investigation's id; everything else is read from the store, never from the message."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.incidents.model import InvestigationRecord
from bot.investigation.model import Report
from bot.runtime.contracts import Work
from bot.runtime.runtime import Runtime
from bot.slack import cards
from bot.slack.clients import Clients
from bot.slack.errors import AWAY, code_of
from bot.slack.escalation import Groups
from bot.slack.evidence_view import evidence_view, reason_view
from bot.slack.message import Message
from bot.slack.mrkdwn import mention, quiet
from bot.slack.posts import Posts
from mcp_servers.common.redaction import redact
from mcp_servers.common.untrusted import sanitise

log = structlog.get_logger(__name__)

OVER = "This investigation is already over."
UNKNOWN = "This investigation is not in the bot's history any more."


class Actions:
    """Stop, Show evidence, Re-run, Escalate, feedback."""

    def __init__(
        self,
        runtime: Runtime,
        posts: Posts,
        clients: Clients,
        *,
        team: str,
        allow_shared: bool,
        link_hosts: Sequence[str],
    ) -> None:
        self._runtime = runtime
        self._posts = posts
        self._clients = clients
        self._team = team
        self._allow_shared = allow_shared
        self._hosts = link_hosts
        self._groups = Groups(clients)

    async def pressed(self, body: dict[str, Any]) -> str:
        """Handles one ``block_actions`` payload; the text for the person who pressed, "" for none."""
        action = (body.get("actions") or [{}])[0]
        kind, value = str(action.get("action_id") or ""), str(action.get("value") or "")
        user = str((body.get("user") or {}).get("id") or "")
        if not self._may(body):
            return "Only members of the bot's own workspace can use these buttons."
        if kind == cards.FEEDBACK:
            return await self._vote(body, user, value)
        row = await self._mine(body, value)
        if row is None:
            return UNKNOWN
        if kind == cards.STOP:
            return "" if await self._runtime.cancel(row.id, user) else OVER
        if kind == cards.RERUN:
            return await self._rerun(body, row, user)
        report = await self._runtime.report(row.id)
        if report is None:
            return UNKNOWN
        if kind == cards.EVIDENCE:
            await self._open(body, evidence_view(report, 0, self._hosts))
            return ""
        if kind == cards.ESCALATE:
            return await self._escalate(row, report, user)
        return ""

    def _may(self, body: dict[str, Any]) -> bool:
        home = (body.get("user") or {}).get("team_id") or (body.get("team") or {}).get("id") or self._team
        return self._allow_shared or home == self._team

    async def _mine(self, body: dict[str, Any], investigation: str) -> InvestigationRecord | None:
        """The investigation, where it belongs to the channel in which the button was pressed."""
        row = await self._runtime.store.get(investigation)
        channel = (body.get("channel") or {}).get("id") or (body.get("container") or {}).get("channel_id")
        return row if row is not None and row.channel == channel else None

    async def _open(self, body: dict[str, Any], view: dict[str, Any]) -> None:
        try:
            await self._clients.quick.views_open(trigger_id=str(body["trigger_id"]), view=view)
        except SlackApiError as error:
            log.warning("view_not_opened", error=code_of(error), detail=str(error.response.get("response_metadata")))
            raise

    async def turn_page(self, body: dict[str, Any]) -> None:
        """Previous and Next in the evidence modal."""
        view = body["view"]
        report = await self._runtime.report(str(json.loads(view["private_metadata"])["investigation"]))
        if report is not None:
            page = int(body["actions"][0]["value"])
            await self._clients.quick.views_update(view_id=view["id"], view=evidence_view(report, page, self._hosts))

    async def _rerun(self, body: dict[str, Any], row: InvestigationRecord, user: str) -> str:
        here = await self._runtime.store.in_thread(row.channel, row.root)  # with the leader that this one joined
        if any(other.is_open and other.root == row.root for other in here):
            return "An investigation is already running in this thread."
        work = await self._runtime.work_of(row.id)
        if work is None or not work.alerts:
            return UNKNOWN
        again = Work(
            key=f"run:{body['trigger_id']}",
            kind="alert",
            team=work.team,
            channel=work.channel,
            ts=work.ts,
            thread_ts=work.thread_ts,
            user=user,
            text=work.text,
            playbook=work.playbook,
            inputs=work.inputs,
            alerts=work.alerts,
            received_at=datetime.now(UTC),
        )
        await self._runtime.accept(again)
        return ""

    async def _escalate(self, row: InvestigationRecord, report: Report, user: str) -> str:
        """Calls the group that the playbook names, once an investigation, in the thread."""
        if not report.mentions:
            return ""
        group = await self._groups.find(report.mentions[0])
        if not group:
            return f"There is no user group {quiet(report.mentions[0], 60)} in this workspace; correct the playbook's notify block."
        text = f"<!subteam^{group}> {mention(user)} asks for help: {quiet(report.headline, 250)}"
        try:
            _, new = await self._posts.once(row.id, "escalation", row.channel, row.root, Message(text))
        except (SlackApiError, *AWAY) as error:
            log.warning("escalation_not_posted", error=str(error))
            return "The group could not be called; Slack did not take the message. Try again in a moment."
        return "" if new else "The group was already called in this thread."

    async def _vote(self, body: dict[str, Any], user: str, value: str) -> str:
        vote, _, investigation = value.partition(":")
        row = await self._mine(body, investigation)
        if row is None or vote not in {"up", "down"}:
            return UNKNOWN
        await self._runtime.store.rate(row.id, user, "up" if vote == "up" else "down")
        if vote == "down":
            await self._open(body, reason_view(row.id))
            return ""
        return "Noted. Thank you."

    async def reason_given(self, body: dict[str, Any]) -> None:
        """The submission of the reason modal."""
        view = body["view"]
        investigation = str(json.loads(view["private_metadata"])["investigation"])
        value = view["state"]["values"].get("reason", {}).get("text", {}).get("value") or ""
        await self._runtime.store.rate(investigation, str(body["user"]["id"]), "down", redact(sanitise(str(value))))
