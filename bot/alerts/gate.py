"""What must start nothing.

An alert channel is full of things that look like alerts: people who quote one, replies, the bot's own cards, notices of deployments,
digests, dead man's switches. Each check gives its reason in words, for the log and for `rca parse`.
"""

import re
from collections.abc import Collection, Sequence

from bot.alerts.flatten import Message
from bot.alerts.heading import read_heading
from bot.alerts.model import Alert, Parsed

_NOISE = frozenset(
    [
        "channel_join",
        "channel_leave",
        "channel_topic",
        "channel_purpose",
        "channel_name",
        "channel_archive",
        "channel_unarchive",
        "group_join",
        "group_leave",
        "group_topic",
        "group_purpose",
        "group_name",
        "me_message",
        "bot_add",
        "bot_remove",
        "bot_enable",
        "bot_disable",
        "pinned_item",
        "unpinned_item",
        "reminder_add",
        "ekm_access_denied",
        "channel_posting_permissions",
        "channel_convert_to_private",
        "huddle_thread",
        "reply_broadcast",
        "thread_broadcast",
        "sh_room_created",
        "tombstone",
        "assistant_app_thread",
        "file_comment",
    ]
)
_DEPLOY = re.compile(
    r"(?i)\b(?:deployed|deploying|redeployed|deployment (?:of|to|for|started|succeeded|finished|completed?|done|successful)|rolled out"
    r"|rolling out|rollout (?:of|to|started|finished|completed?)|rollback (?:of|to|started|finished|completed?)|released? (?:v?\d|to)"
    r"|promoted to (?:prod|production|staging)|sync status|sync succeeded|synced (?:to|successfully)"
    r"|merge request|pull request|workflow run"
    r"|pipelines? (?:#?\d+|passed|failed|succeeded|finished|started)|builds? (?:#?\d+|passed|failed|succeeded|fixed)|changelog"
    r"|merged (?:by|into|pull)|migration (?:started|finished|completed?)|canary (?:started|finished|promoted))\b"
    r"|\bdéploiement (?:de|terminé)\b|\bdesplegado\b|发布完成|部署完成|デプロイ完了"
)
_DIGEST = re.compile(
    r"(?i)\b(?:daily|weekly|hourly|nightly|monthly|morning|evening|shift|on-?call)\b[^\n]{0,40}"
    r"\b(?:digest|summary|report|recap|overview|handover|handoff|review)\b"
    r"|\b(?:digest|recap|handover|post-?mortem|retrospective)\b|\balerts? (?:in|over|during) the (?:last|past)\b"
    r"|\b(?:last|past) (?:\d+ ?(?:h|hours?|days?|d)|day|week|month)\b[^\n]{0,40}\balerts?\b"
    r"|^\W{0,8}summary (?:of|for)\b|\btop \d* ?alerts\b|\balert (?:summary|statistics|stats|report)\b"
)
_REPORT = re.compile(
    r"(?i)^\W*(?:probable |likely |suspected )?(?:root[ -]cause|rca|investigation|analysis|diagnosis|findings|verdict|hypothesis)\b"
)
_UPDATE = re.compile(
    r"(?i)\b(?:acknowledged|ack(?:'|e)d|snoozed|silence (?:created|expired|expiring|added|removed)|silenced (?:by|until|for)"
    r"|(?:incident|alert|issue|ticket|problem)[^\n]{0,60} (?:assigned|reassigned|escalated) to|is now on[ -]call"
    r"|on-?call (?:shift|rotation|now)|added (?:a )?(?:note|comment|tag|responder)s?\b"
    r"|maintenance (?:window|started|finished|scheduled)|scheduled maintenance)\b"
)
_STAGE = re.compile(
    r"(?i)^\W{0,8}(?:#?inc-?\d{1,7}|incident #?\d{1,9})\W{1,4}(?:update|status|post-?incident|follow[ -]?up|debrief|summary)\b"
    r"|^\W{0,8}inc-?\d{1,7}\b[^\n]{0,120}\b(?:was|has been|is now) (?:closed|resolved|declined|cancelled|paused|merged|reopened)\b"
    r"|\b(?:incident|outage) (?:channel|bridge|room|call|page) (?:was |has been |is )?(?:created|opened|started|open)\b"
    r"|^\W{0,8}(?::\w{1,30}:\s*)?\W{0,4}update on inc|\binc-?\d{1,7}\b[^\n]{0,120}\b(?:moved to|is now|changed to)\b"
    r"|\b(?:joined|left|invited to|added a note to|commented on|changed the (?:status|severity|lead))\b[^\n]{0,80}\binc(?:ident)?\b"
)
_LIFE = re.compile(
    r"(?i)^\W{0,12}(?::\w{1,40}: ?)?(?:[a-z0-9.]{1,60}/)?v\d\w{0,8}/[a-z]{1,40} (?:created|updated|deleted)\b"
)
_OFFICE = re.compile(
    r"(?i)\b(?:stand-?up|meeting|survey|webinar|newsletter|lunch|birthday|congrat\w*|reminder|timesheets?"
    r"|licen[cs]es?|payroll|vacation|how (?:to|we|i|our))(?![\w-])"
    r"|\b(?:problems?|errors?|warnings?) in \S{1,120}\.(?:ya?ml|json|tf|py|go|ts|js)\b"
    r"|\b(?:runbook|playbook|dashboard|rule|documentation|docs?) (?:\S+ )?(?:has been|was|is) "
    r"(?:updated|edited|changed|created|added|moved)\b"
)
# Acts upon records and upon the alerting itself: somebody did something. An alert says how something is.
_ACT = re.compile(
    r"(?i)^\W{0,8}(?:created|updated|edited|changed|deleted|removed|added|enabled|disabled|silenced|unsilenced|muted|unmuted|assigned"
    r"|reassigned|escalated|merged|scheduled|renamed|approved|published|shared) "
    r"|\bmonitors?\b[^\n]{0,60}\b(?:created|edited|deleted|modified|renamed|enabled|disabled|muted|paused)\b"
    r"|\b(?:alert(?:ing)? rules?|thresholds?|tickets?|silences?|runbooks?|dashboards?|polls?|access requests?)\b[^\n]{0,60}"
    r"\b(?:created|edited|changed|updated|raised|lowered|deleted|modified|renamed|enabled|disabled|muted|closed)\b"
    r"|^\W{0,8}(?:new |updated )?(?:support )?(?:ticket|case|task|story|request|bug) #?[\w-]{0,12}\d"
)
_WORK = re.compile(  # what is built and tried out: its failures are for who builds it
    r"(?i)^(?![^\n]{0,60}\b(?:synthetics?|health|probes?|uptime)\b)"
    r"\W{0,8}(?:[\w.-]{1,40} ){0,3}(?:tests?|test suites?|e2e|lint|builds?|ci|terraform|scans?|quality gate|releases?"
    r"|deploys?)(?![\w-])[^\n]{0,40}\b(?:fail(?:ed|ing|s)?|passed|succeeded|finished|started|broken|green|red|queued|done)\b"
    r"|^\W{0,8}(?:[\w.-]{1,40} ){0,2}(?:retro|game ?day|drill)\b"
)
_STATUS_PAGE = re.compile(
    r"(?i)\bthis incident has been resolved\b|\ba fix has been implemented\b|\bwe are (?:currently |continuing to |still )?"
    r"(?:investigating (?:this|the|an?|reports|elevated|increased)|monitoring (?:the|for)|working on)\b"
)
_SCHEDULED = re.compile(r"\bscheduledChange\b|\bAWS_[A-Z0-9_]{3,60}(?:_SCHEDULED|_MAINTENANCE|_NOTIFICATION)\b")
_TOOLS = re.compile(
    r"(?i)^(?:argo ?cd|argo rollouts|github|gitlab|bitbucket|jenkins|circleci|travis|buildkite|teamcity|jira|linear|confluence|renovate"
    r"|dependabot|spinnaker|octopus|harness|drone|tekton|flux|fluxcd|google calendar|polly|geekbot|standup|donut|giphy|zoom|slackbot)\b"
)
_GITOPS = re.compile(
    r"(?i)^(?:argo ?cd|flux(?:cd)?)\b|(?:kustomize|helm|source|notification)-controller$|^(?:kustomization|helmrelease|gitrepository)/\S+$"
)
_GITOPS_SAID = re.compile(
    r"(?i)\bapplication \S{1,120} (?:has degraded|sync is 'unknown')|\bsync operation of application \S{1,120} has failed\b"
)
_GITOPS_FAILED = re.compile(
    r"(?i)\b(?:has|is)\W{1,3}degraded\b|\bsync operation of application [^\n]{1,120} has failed\b|\bfailed to sync\b|\bsync failed\b"
    r"|\bhealth check failed\b|\b(?:reconciliation|helm (?:install|upgrade)|dry-run|install|upgrade|kustomize build) failed\b"
)
# What an opening tells that is no alert; the second lot only where no failed synchronisation is reported.
_NEWS = (
    (_DIGEST, "a digest or a report"),
    (_REPORT, "an analysis of an alert, not an alert"),
    (_STAGE, "news of an incident that is known already"),
    (_LIFE, "a notice of a change in the cluster"),
    (_UPDATE, "a note about an alert's handling, not an alert"),
)
_DONE = ((_ACT, "a notice of what somebody did"), (_WORK, "a notice of a build, a test or a deployment"))
_IDLE = re.compile(
    r"(?i)^(?:watchdog|dead ?man'?s? ?s(?:witch|nitch)|always ?firing|alertmanager ?heartbeat|heartbeat|info ?inhibitor"
    r"|test[ _-]?(?:alert|notification)"
    r"|prometheusalertmanagere2edeadmanswitch)$"
)


def closed(message: Message, own_bot_ids: Collection[str] = (), own_app_id: str = "") -> str:
    """Why a message must start nothing, whatever it says: who wrote it and where; "" when nothing speaks against it."""
    if message.removed:
        return "the message was deleted"
    if message.metadata.startswith("rca_") or (message.bot_id and message.bot_id in own_bot_ids):
        return "the bot's own message"
    if own_app_id and message.app_id == own_app_id:
        return "a message of the bot's own app"
    if message.thread_ts and message.thread_ts != message.ts:
        return "a reply in a thread"
    if message.subtype in _NOISE:
        return f"a notice of the channel ({message.subtype})"
    if message.user == "USLACKBOT":
        return "a message of Slackbot"
    if message.user and not message.is_bot:
        return "a person wrote it"
    if message.streaming == "in_progress":
        return "an unfinished message of another agent"
    if not message.cards:
        return "the message has no text"
    return ""


def notice(message: Message) -> str:
    """Why a bot's message is a notice about something else than trouble; "" when it does not read like one.

    A machine's mark (``[FIRING:1]``) at the very start of the message or of a title overrules all of it: alerts speak of deployments too.
    """
    cards = message.cards[:4]
    openings = [t for c in cards for t in (c.title, c.pretext, c.text.strip("\n").split("\n", 1)[0]) if t][:8]
    if _STATUS_PAGE.search(message.beginning) and not any(_counted(t) for t in openings):
        return "news of a status page"
    if any(_marked(c.title, True) or _marked(c.pretext, True) or _marked(c.text.strip("\n"), False) for c in cards):
        return ""
    if _one_sentence(message):
        if any(opening.rstrip(" *_`").endswith("?") for opening in openings):
            return "a question"
        if any(_OFFICE.search(opening[:300]) for opening in openings):
            return "a notice among people"
    if _SCHEDULED.search(message.beginning):
        return "a change that was announced"
    about = _first(_NEWS, openings)
    if about:
        return about
    if _GITOPS_SAID.search(message.beginning) or (
        _GITOPS_FAILED.search(message.beginning) and any(_GITOPS.search(name) for name in message.signed)
    ):
        return ""
    about = _first(_DONE, openings)
    if about:
        return about
    fields = " ".join(title for c in message.cards for title, _ in c.fields)
    if _TOOLS.search(message.username) or any(_DEPLOY.search(text[:300]) for text in [*openings, fields]):
        return "a notice of a deployment or another tool"
    return ""


def _first(checks: Sequence[tuple["re.Pattern[str]", str]], openings: Sequence[str]) -> str:
    """The reason of the first check that one of ``openings`` meets, "" where none does."""
    return next((why for pattern, why in checks if any(pattern.search(opening[:300]) for opening in openings)), "")


def _one_sentence(message: Message) -> bool:
    """Whether a message is one line without a machine's mark or fields: what a person's words look like. More than that may be an alert."""
    text = message.text.strip()
    return (
        "\n" not in text and not any(c.fields for c in message.cards) and not read_heading(text, prefixed=False).bracket
    )


def _marked(text: str, prefixed: bool) -> bool:
    heading = read_heading(text, prefixed=prefixed)
    return heading.bracket in ("firing", "resolved", "alerting") or heading.firing is not None


def _counted(text: str) -> bool:
    return read_heading(text).firing is not None


def idle(alert: Alert) -> str:
    """Why nobody should investigate a firing alert: a dead man's switch, a test; "" when somebody should."""
    if _IDLE.match(alert.name.strip()):
        return f"{alert.name} only proves that alerting works"
    if alert.labels.get("testalert", "").lower() == "true":
        return "a test notification"
    return ""


def startable(parsed: Parsed) -> tuple[Alert, ...]:
    """The alerts that an investigation may be started for: firing, of a message that may start one, and worth it."""
    if not parsed.is_alert:
        return ()
    return tuple(a for a in parsed.alerts if a.status == "firing" and not idle(a))
