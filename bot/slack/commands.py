"""``/rca run | status | help``: the words are understood here (pure), the work is done by the runtime, the answers are for one person."""

import difflib
import re
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from slack_sdk.errors import SlackApiError

from bot.alerts.model import Alert
from bot.incidents.ids import investigation_id
from bot.incidents.model import InvestigationRecord
from bot.runtime.contracts import Work
from bot.runtime.runtime import NotAccepting, Runtime
from bot.slack.channels import Channels
from bot.slack.clients import Clients
from bot.slack.errors import AWAY, as_delivery
from bot.slack.identity import Identity
from bot.slack.message import Message
from bot.slack.mrkdwn import code, is_user, mention, quiet, tidy
from bot.slack.people import People
from mcp_servers.common.redaction import redact, redact_tree
from mcp_servers.common.untrusted import sanitise

log = structlog.get_logger(__name__)

USAGE = (
    "*`/rca run <playbook or alert text> [key=value …]`*  investigate now, in a new thread of this channel. "
    "Keys: namespace, pod, workload, service, node, container, cluster, or any label\n"
    "*`/rca status`*  what is running and what was found lately\n"
    "*`/rca help`*  this text\n"
    "In the thread of an investigation, mention the bot to ask about its evidence."
)
OUTSIDER = "Only full members of the bot's own workspace can start an investigation; guests and partners cannot."
SUBCOMMANDS = ("run", "status", "help")
ABOUT = ("namespace", "pod", "container", "workload", "service", "node", "cluster")
_PAIR = re.compile(r"^([A-Za-z_][A-Za-z0-9_.\-]{0,60})=(.{0,300})$", re.DOTALL)
_ID = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$")
_ESCAPED = re.compile(r"<(?:[@#!])?([^|>]*)(?:\|([^>]*))?>")
MAX_PAIRS = 20

Respond = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Command:
    """What was typed. ``trouble`` is what is wrong with it, in words."""

    name: Literal["run", "status", "help"]
    playbook: str = ""
    text: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    trouble: str = ""


def read(text: str, playbooks: Sequence[str]) -> Command:
    """``text`` after ``/rca``. Never raises; a playbook is known by its id in ``playbooks``."""
    plain = (
        _ESCAPED.sub(lambda m: m.group(2) or m.group(1), text)
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
    )
    # What cannot be seen must not hide a secret's shape, and taking the line apart must not either.
    words = _words(redact(sanitise(plain[:3000])))
    if not words or words[0].lower() in {"help", "-h", "--help", "?"}:
        return Command("help")
    name = words[0].lower()
    if name == "status":
        return Command("status")
    if name != "run":
        close = difflib.get_close_matches(name, SUBCOMMANDS, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]}?" if close else ""
        return Command("help", trouble=f"{tidy(words[0], 40)} is no command of /rca.{hint}")
    return _run(words[1:], playbooks)


def _run(words: list[str], playbooks: Sequence[str]) -> Command:
    pairs = redact_tree({m.group(1): m.group(2) for w in words if (m := _PAIR.match(w))})
    inputs = {key: tidy(str(value), 200) for key, value in pairs.items()}
    rest = [w for w in words if not _PAIR.match(w)]
    if not rest:
        return Command("help", trouble="run needs a playbook or the text of an alert.")
    if len(inputs) > MAX_PAIRS:
        return Command("help", trouble=f"run takes at most {MAX_PAIRS} key=value pairs, these are {len(inputs)}.")
    first = rest[0].lower()
    if first in playbooks:
        return Command("run", playbook=first, text=tidy(redact(" ".join(rest[1:])), 500), inputs=inputs)
    if len(rest) == 1 and _ID.match(first):
        close = difflib.get_close_matches(first, list(playbooks), n=1, cutoff=0.6)
        if close:
            return Command("help", trouble=f"There is no playbook {tidy(first, 60)}. Did you mean {close[0]}?")
    return Command("run", text=tidy(redact(" ".join(rest)), 500), inputs=inputs)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an open quote: people write apostrophes
        return text.split()


def alert_of(command: Command, title: str) -> Alert:
    """The alert that a person described by hand."""
    about = {k: v for k, v in command.inputs.items() if k in ABOUT}
    name = command.text.split(" ", 1)[0] if command.text else command.playbook
    return Alert(
        source="manual",
        name=tidy(title or name, 120),
        summary=command.text,
        labels={"alertname": tidy(title or name, 120), **command.inputs},
        **about,
    )


class Commands:
    """Answers ``/rca``. ``playbooks`` gives the ids that can be named, fresh each time."""

    def __init__(
        self,
        runtime: Runtime,
        clients: Clients,
        channels: Channels,
        identity: Identity,
        playbooks: Callable[[], Sequence[str]],
    ) -> None:
        self._runtime = runtime
        self._clients = clients
        self._channels = channels
        self._me = identity
        self._playbooks = playbooks
        self._people = People(clients)

    async def answer(self, body: dict[str, Any]) -> tuple[str, Command]:
        """The text that answers at once (ephemeral), and the command. For ``run`` the text is "" and `start` comes next."""
        command = read(str(body.get("text") or ""), self._playbooks())
        if command.name == "status":
            return await self._status(), command
        if command.name == "help":
            trouble = f"{quiet(command.trouble)}\n" if command.trouble else ""
            known = ", ".join(code(p) for p in list(self._playbooks())[:30])
            return f"{trouble}{USAGE}" + (f"\nPlaybooks: {known}" if known else ""), command
        team = self._me.team
        if not await self._people.member(str(body.get("user_id") or ""), str(body.get("team_id") or team), team):
            return OUTSIDER, command
        channel = str(body.get("channel_id") or "")
        refusal = self._channels.refusal(await self._channels.facts(channel), named=True)
        return (f"Nothing is investigated in this channel: it is {quiet(refusal)}." if refusal else ""), command

    async def start(self, body: dict[str, Any], command: Command) -> str:
        """Posts the root message and hands the work over; "" or what went wrong, for the person who asked."""
        channel, user = str(body["channel_id"]), str(body["user_id"])
        team = str(body.get("team_id") or self._me.team)
        key = f"run:{body.get('trigger_id') or datetime.now(UTC).timestamp()}"
        alert = alert_of(command, command.text or command.playbook)
        pairs = " ".join(_pair(k, v) for k, v in command.inputs.items())
        what = quiet(command.text) or code(command.playbook)
        who = mention(user) if is_user(user) else "Somebody"
        text = " ".join(p for p in (f"{who} started an investigation:", f"*{what}*", pairs) if p)
        try:
            ts = await self._clients.post(channel, "", Message(text), run=investigation_id(key), kind="root")
        except (SlackApiError, *AWAY) as error:
            return f"The investigation was not started. {quiet(str(as_delivery(error, channel, doing='Posting')), 400)}"
        work = Work(
            key=key,
            kind="alert",
            team=team,
            channel=channel,
            ts=ts,
            user=user,
            text=command.text,
            playbook=command.playbook,
            inputs=command.inputs,
            alerts=(alert,),
            received_at=datetime.now(UTC),
        )
        try:
            await self._runtime.accept(work)
        except NotAccepting as error:
            return quiet(str(error), 400)
        return ""

    async def _status(self) -> str:
        lines = [
            f"• {quiet(r.work.alerts[0].name, 80)} in {_where(r.work.channel)}, since {_ago(r.since)}"
            for r in self._runtime.running()
        ]
        running = "*Running now*\n" + "\n".join(lines) if lines else "Nothing is running now."
        recent = [_line(r) for r in await self._runtime.recent(8) if not r.is_open]
        return running + ("\n*Lately*\n" + "\n".join(recent) if recent else "")


def _pair(key: str, value: str) -> str:
    """An input as the root message shows it; an address loses its life, in code font too."""
    shown = f"{key}={value}"
    return quiet(shown) if "://" in shown or "www." in shown else code(shown)


def _line(row: InvestigationRecord) -> str:
    said = row.headline or row.trouble or row.state
    word = row.verdict if row.state == "done" else row.state
    at = _ago(row.finished_at or row.accepted_at)
    return f"• {quiet(row.name, 80)} in {_where(row.channel)}, {at}: {word}. {quiet(said, 160)}"


def _where(channel: str) -> str:
    return f"<#{channel}>" if re.fullmatch(r"[CGD][A-Z0-9]{2,20}", channel) else quiet(channel, 40)


def _ago(at: datetime) -> str:
    minutes = int((datetime.now(UTC) - at).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"
