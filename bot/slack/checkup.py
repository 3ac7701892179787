"""What ``rca doctor`` says about Slack: tokens, scopes, Socket Mode, channels. Reads only; posts nothing."""

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.observe.checkup import Finding, Health
from bot.settings import SlackSettings

NEEDED = {
    "app_mentions:read": "questions in a thread",
    "channels:history": "alerts in public channels",
    "channels:read": "names of channels",
    "chat:write": "the card and the answers",
    "commands": "/rca",
    "files:write": "the report as a file",
    "groups:history": "alerts in private channels",
    "groups:read": "names of private channels",
    "reactions:write": "the seen and done marks",
    "users:read": "telling people from bots",
}
SETUP = "docs/slack-setup.md walks through it in five minutes"


async def check(settings: SlackSettings) -> list[Finding]:
    """All findings about Slack. Never raises for what Slack answers; an unreachable Slack is a finding."""
    found: list[Finding] = []
    bot, app = settings.bot_token, settings.app_token
    if bot is None:
        found.append(
            _("bot token", "not set", "SLACK_BOT_TOKEN is not set", f"copy the token that begins with xoxb-; {SETUP}")
        )
    else:
        found += await _bot(
            AsyncWebClient(token=bot.get_secret_value(), base_url=settings.api_url, timeout=10), settings
        )
    if app is None:
        found.append(
            _(
                "app token",
                "not set",
                "SLACK_APP_TOKEN is not set",
                f"make one with the scope connections:write; {SETUP}",
            )
        )
    else:
        found.append(await _socket(app.get_secret_value(), settings.api_url))
    return found


async def _bot(client: AsyncWebClient, settings: SlackSettings) -> list[Finding]:
    try:
        who = await client.auth_test()
    except SlackApiError as error:
        return [
            _(
                "bot token",
                "failed",
                f"Slack refuses it: {error.response['error']}",
                f"reinstall the app and copy the token again; {SETUP}",
            )
        ]
    except OSError as error:
        return [
            _(
                "bot token",
                "failed",
                f"Slack cannot be reached: {error}",
                "check the network, the proxy and SLACK_API_URL",
            )
        ]
    found = [_("bot token", "ok", f"is {who['user']} in {who['team']}")]
    granted = {s.strip() for s in str(who.headers.get("x-oauth-scopes", "")).split(",") if s.strip()}
    if granted:
        missing = {s: why for s, why in NEEDED.items() if s not in granted}
        if missing:
            names = ", ".join(f"{s} ({why})" for s, why in missing.items())
            found.append(
                _("scopes", "failed", f"missing: {names}", "add them under OAuth & Permissions, then reinstall the app")
            )
        else:
            found.append(_("scopes", "ok", f"all {len(NEEDED)} that are needed"))
    else:
        found.append(
            _(
                "scopes",
                "warning",
                "Slack did not say which scopes the token has",
                "compare with deploy/slack/manifest.yaml",
            )
        )
    return [*found, *await _channels(client, settings)]


async def _channels(client: AsyncWebClient, settings: SlackSettings) -> list[Finding]:
    try:
        seen: dict[str, dict[str, object]] = {}
        cursor = ""
        while True:
            page = await client.conversations_list(
                types="public_channel,private_channel", limit=200, cursor=cursor, exclude_archived=True
            )
            for channel in page["channels"]:
                seen[channel["id"]] = seen["#" + channel["name"]] = channel
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
    except SlackApiError as error:
        return [
            _(
                "channels",
                "failed",
                f"cannot be listed: {error.response['error']}",
                "check the scopes channels:read and groups:read",
            )
        ]
    if not settings.channels:
        member = sorted({str(c["name"]) for c in seen.values() if c.get("is_member")})
        if member:
            return [_("channels", "ok", "listens in " + ", ".join("#" + m for m in member))]
        return [_("channels", "failed", "the bot is in no channel", "invite it: /invite @rca in each alert channel")]
    found = []
    for wanted in settings.channels:
        channel = seen.get(wanted.channel)
        if channel is None:
            mend = "check the name in rca.yaml; a private channel shows only after /invite @rca"
            found.append(_(wanted.channel, "failed", "is not among the channels that the bot can see", mend))
        elif not channel.get("is_member"):
            found.append(
                _(wanted.channel, "failed", "the bot is not in it", f"type /invite @rca in #{channel['name']}")
            )
        else:
            found.append(_(wanted.channel, "ok", "the bot is in it"))
    return found


async def _socket(token: str, api_url: str) -> Finding:
    try:
        await AsyncWebClient(base_url=api_url, timeout=10).apps_connections_open(app_token=token)
    except SlackApiError as error:
        mend = f"it must begin with xapp- and have the scope connections:write; Socket Mode must be on; {SETUP}"
        return _("app token", "failed", f"Slack refuses it: {error.response['error']}", mend)
    except OSError as error:
        return _("app token", "failed", f"Slack cannot be reached: {error}", "check the network and the proxy")
    return _("app token", "ok", "Socket Mode connects")


def _(name: str, health: Health, what: str, mend: str = "") -> Finding:
    return Finding("Slack", name, health, what, mend)
