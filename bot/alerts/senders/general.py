"""Everybody else: templates that teams wrote themselves, and monitoring systems without a module of their own.

Conservative: a message is an alert only where it says that something is wrong now with something that runs: by a mark, by a rule's name, or
by a severity or a state beside what is ill. What only might be an alert is left alone, because an investigation nobody asked for is noise
in an incident. Tickets, vulnerabilities and test runs have severities and states too: they are told apart by what they are about.
"""

import re

from bot.alerts.build import build
from bot.alerts.drafts import Draft, is_rule
from bot.alerts.flatten import Message
from bot.alerts.heading import read_heading
from bot.alerts.markup import undecorate
from bot.alerts.model import Alert
from bot.alerts.sentences import read_sentences
from bot.alerts.shapes import is_trouble
from bot.alerts.subject import normal
from bot.alerts.words import field_of, fold, level_of, listed

# Status words that also open or end sentences about other things: no evidence on their own.
_WEAK = listed(
    "incident open opened closed ok up normal active activated cleared inactive healthy error info active restored"
)
# Signs that people put before what is wrong, and before little else; they count only beside a rule's name or what is ill.
_ALARM = re.compile(
    r"^[\s*_`#]{0,6}(?::(?:rotating_light|red_circle|fire|alert|alarm|bangbang|no_entry|sos|siren):|[🚨🔴🔥🆘⛔])"
)
_LONG = re.compile(r"^(?:[A-Z]+[a-z0-9]+){3,}$")  # of three words: two may be a product
_CALM = re.compile(r"^[\s*_`#]{0,6}(?::(?:large_)?green_circle:|:(?:white|heavy)_check_mark:|[✅🟢✔])")
_WARNS = re.compile(r"^[\s*_`#]{0,6}(?::(?:warning|exclamation|rotating_light|red_circle|fire|x):|[⚠🚨🔴🔥❗❌])")
_TAILS = listed("offline alarm down unhealthy failing critical firing alerting triggered")
_STATED = listed(
    "offline down unhealthy failing critical firing alerting triggered alarm unreachable degraded warning problem"
)
# What is measured: a sign and trouble beside it are about something that runs.
_METERED = re.compile(
    r"(?i)\b(?:certificate|queue|backlog|disk|cpu|memory|heap|swap|inodes?|latency|response time|error rate|http [45]\d\d|5xx|replication"
    r"|(?:consumer|replica\w*) lag|connection pool|health ?checks?|probe|heartbeat|load average|filesystem)\b"
    r"|\d ?% (?:full|used)\b|\d ?[GMT]i?B (?:left|free)\b"
)
_ALERT_OF = re.compile(r"(?i)\b(?:alert|alarm)\s*:")
_SUBJECT = re.compile(
    r"^\W{0,12}(?::\w{1,40}:\s*)?[*`](?=[^*`\n]*[a-z])(?=[^*`\n]*[\d-])[\w./-]{3,80}[*`] (?:is|has|was)\b"
)
_OVER = listed("up healthy online recovered")
# A thing by its kind and a name that no word of a language is: "service billing-api", "host db3".
_NAMED = re.compile(
    r"(?i)\b(?:service|host|instance|server|database|cluster|queue|topic|task|node|volume|replica|endpoint|job|app|consumer|worker|table) "
    r"(?:[`'\"*][\w][\w./-]{1,80}[`'\"*]|(?=[\w.]*[\d-])[a-z0-9][\w.-]{2,80})"
)
_QUOTED = re.compile(r"^[“\"'«„](?P<name>[^“”\"«»]{2,150})[”\"'»“]\s+is\b", re.IGNORECASE)
# What runs, by the names of labels; the Kubernetes ones and their translations are known as fields.
_RUNS = listed(
    """pod namespace node container deployment statefulset daemonset host hostname instance server service service_name application app
    endpoint url database db queue topic cluster device machine vm resource ingress broker shard replica replicaset job_name cronjob
    entity component subsystem impacted_entities affected_resource affected_host object source_host
    k8s_pod_name k8s_namespace_name k8s_deployment_name k8s_node_name kube_namespace pod_name target datacenter interface"""
)
_VALUES = frozenset({"value", "current value", "actual value", "metric value", "actual", "current", "measured"})
_FIELDS = listed("namespace pod container node cluster service deployment")
# What only a record of somebody's work has: a ticket, a pull request, a test run, an advisory.
_RECORD = listed(
    """requester reporter assignee branch commit committer author pull_request repository repo suite test_suite triggered_by sprint due
    assigned_to caller caller_id opened_by ticket ticket_id
    due_date attendees cve cvss result customer build type_of_change approver vendor advisory"""
)
_KEYED = re.compile(r"^\W{0,4}(?!INC\b)[A-Z][A-Z0-9]{1,9}-\d{1,7}(?:-\d{1,7})?\b")  # OPS-12, CVE-2026-1234
_TROUBLE = re.compile(
    r"(?i)\b(?:down|unavailable|unreachable|exhausted|exceed\w*|above|below|too (?:low|many|few|long)|high|full|lag\w*|behind|slow"
    r"|crash\w*|restart\w*|fail(?:s|ing|ed|ures?)|errors?|timeouts?|timed out|latency|saturat\w*|oom\w*|evict\w*|stuck|not ready|missing"
    r"|degraded|unhealthy|outage|refused|dropped|throttl\w*|expir\w*|leak\w*|spikes?|loss|burn\w*|5xx|4xx|deadlock\w*"
    r"|overload\w*)\b|[<>]=? ?\d"
    r"|\b0 ?/ ?[1-9]\d{0,3} (?:\w+ )?(?:available|ready|replicas|pods|healthy)\b"
    r"|\b(?:violat\w*|breach\w*|erroneous|unresponsive|not responding|notready|killed|threshold"
    r"|detect(?:ed|ion)|not running|stopped|anomal\w*|declin\w*|rejects?)\b"
)
_CALLED_ALERT = re.compile(r"(?i)^\W*(?:[\w-]{1,20} ){0,2}(?:alert|alarm|warnung|alerta|alerte|incident)s?\W*$")
# An exception's class, as trackers of errors head their messages; a test's assertion is none.
_EXCEPTION = re.compile(
    r"^(?:\[[^\[\]\n]{1,60}\]\s*)?(?:[a-z]{2,20} )?(?P<name>(?!\w*Assert)(?:[A-Za-z_$][\w$]*(?:\.|::|\\\\)){0,8}[A-Z][\w$]{2,60}"
    r"(?:Error|Exception|Fault|Panic))(?::\s|\s*$)"
)
_ALARM_COLOURS = ("danger", "#ff0000", "#d63232", "#e01e5a", "#a30200")


def parse(_message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that says it is one; ``None`` for all others."""
    return build((_named(draft) for draft in drafts if evidence(draft)), "general") or None


def _named(draft: Draft) -> Draft:
    """``draft`` with the rule alone as its name where a sentence follows it, and with a name where only fields tell what is wrong."""
    first, space, _ = draft.heading.name.partition(" ")
    quoted = _QUOTED.match(draft.heading.text) or _EXCEPTION.match(draft.heading.text)
    if quoted and not draft.alertname:
        draft.alertname = quoted["name"]
    elif (
        space
        and not draft.heading.strong
        and not draft.alertname
        and is_rule(first)
        and (_signed(draft) or _CALM.match(draft.card.text))
    ):
        draft.alertname = first
    elif not draft.name:
        where = next(
            (draft.labels[k] for k in ("check", "service", "host", "pod_name", "pod") if draft.labels.get(k)), ""
        )
        draft.alertname = (
            _headline(draft)
            or _ill(draft)
            or (f"{where} is {draft.stated}" if where and draft.stated else draft.summary[:200] or _opening(draft))
        )
    if quoted or space or not draft.heading.text:
        draft.summary = draft.summary or _shown(draft)
    return draft


def evidence(draft: Draft) -> str:
    """Why ``draft`` is an alert, in a few words; "" when nothing says so."""
    if draft.alertname:
        return "it names a rule"
    if draft.heading.strong:
        return "it opens with an alert's mark"
    if _record(draft):
        return ""
    if _EXCEPTION.match(draft.heading.text) and (draft.card.title or draft.card.color or draft.prose):
        return "it opens with an exception"
    return _by_severity(draft) or _by_state(draft) or _by_sign(draft)


def _by_severity(draft: Draft) -> str:
    level = level_of(draft.severity_word) if draft.severity_word else None
    if not level:
        return ""
    heading = draft.heading
    told = bool(draft.status and draft.stated not in _WEAK and heading.lead not in _WEAK)
    called = bool(_ALERT_OF.search(_first_line(draft)))
    concrete = told or called or _runs(draft) or _rule(draft) or _signed(draft) or _measured(draft)
    if draft.named and (draft.labels or draft.status) and (concrete or "severity" in draft.labels):
        return "it gives a name and a severity"
    if told:
        return "it gives a status and a severity"
    # Plans and requests have priorities and name services too; a severity is given to what is ill.
    concrete = (
        told
        or called
        or _rule(draft)
        or _signed(draft)
        or _measured(draft)
        or (_runs(draft) and ("severity" in draft.labels or _trouble(draft)))
    )
    given = any(k in draft.labels for k in ("severity", "level", "priority"))
    more = bool(heading.text or draft.summary or draft.description or len(draft.labels) > 1)
    if given and more and (concrete or (level != "info" and _trouble(draft))):
        return "it gives a severity beside what is ill"
    opens = heading.severity_word and level != "info" and heading.name != heading.text
    if opens and (heading.bracket or heading.lead or concrete or _trouble(draft)):
        return "it opens with a severity"
    return ""


def _by_state(draft: Draft) -> str:
    heading = draft.heading
    if draft.status and draft.named and (draft.stated not in _WEAK or _runs(draft) or _rule(draft)):
        return "it gives a name and a status"
    if heading.lead and heading.status and heading.lead not in _WEAK:
        return "it opens with a status"
    over = heading.tail in _OVER and (_QUOTED.match(heading.text) or _CALM.match(draft.card.title or draft.card.text))
    addressed = "://" in heading.text and not _WARNS.match(_first_line(draft))  # a link and a sentence of somebody
    if (heading.tail in _TAILS and not addressed) or (over and not heading.text.lower().startswith("all ")):
        return "it ends with a status"
    if draft.stated in _STATED and (_runs(draft) or draft.heading.name):
        return "a field says what state it is in"
    opens = _shown(draft).split(" ", 1)[0].rstrip(":")
    if (_ill(draft) and _runs(draft)) or (is_trouble(opens) and _told(draft)):
        return "it gives the reason of a failure and what failed"
    above = read_heading(draft.card.pretext)
    tracked = "issue" in above.lead and not (_runs(draft) or draft.severity_word)  # what trackers of work say, too
    if (
        above.status
        and (above.strong or (above.lead and above.lead not in _WEAK))
        and draft.heading.name
        and not tracked
    ):
        return "the line above it says what became of it"
    return ""


def _by_sign(draft: Draft) -> str:
    title = undecorate(draft.card.title)
    if is_rule(title) and (
        _WARNS.match(draft.card.title) or (_LONG.match(title) and draft.card.color.lower() in _ALARM_COLOURS)
    ):
        return "its title is the name of a rule, with an alarm's sign or colour"
    if is_rule(draft.named) and (
        _CALLED_ALERT.match(title) or (_runs(draft) and draft.card.color.lower() in _ALARM_COLOURS)
    ):
        return "a field names a rule, below a title that calls it an alert or in an alarm's colour"
    if (
        draft.named
        and _trouble(draft)
        and draft.card.color.lower() in _ALARM_COLOURS
        and draft.heading.text.startswith(draft.named)
    ):
        return "a field names what the title says is ill, in an alarm's colour"
    if _rule(draft) and (
        _signed(draft) or (draft.status == "resolved" and _CALM.match(draft.card.title or draft.card.text))
    ):
        return "it opens with an alarm's sign and the name of a rule"
    if _signed(draft) and _runs(draft) and _trouble(draft):
        return "it opens with an alarm's sign and says what is ill"
    if _WARNS.match(draft.card.title or draft.card.text) and _trouble(draft) and _told(draft):
        return "it opens with a sign and says in words what is ill"
    if (
        _CALLED_ALERT.match(draft.card.pretext[:100])
        and draft.card.color.lower() in _ALARM_COLOURS
        and draft.heading.name
    ):
        return "it is called an alert and has an alarm's colour"
    return ""


def _told(draft: Draft) -> bool:
    """Whether a sentence names a pod or a workload that is ill."""
    said = read_sentences([_shown(draft), *draft.prose[:4]])
    shown, first = _shown(draft), _first_line(draft)
    return bool(
        said.pod
        or said.workload
        or said.node
        or _NAMED.search(first)
        or _METERED.search(shown)
        or _SUBJECT.match(first)
    )


def _signed(draft: Draft) -> bool:
    return bool(_ALARM.match(draft.card.title or draft.card.text))


def _rule(draft: Draft) -> bool:
    return is_rule(draft.named) or is_rule(draft.heading.name.split(" ", 1)[0].rstrip(":"))


def _runs(draft: Draft) -> bool:
    return any(normal(key) in _RUNS or field_of(key) in _FIELDS for key in draft.labels)


def _record(draft: Draft) -> bool:
    return bool(_KEYED.match(draft.heading.text)) or any(normal(key) in _RECORD for key in draft.labels)


def _first_line(draft: Draft) -> str:
    """What a reader sees first, with its emphasis."""
    return (draft.card.title or draft.card.text.lstrip("\n"))[:300].partition("\n")[0]


def _shown(draft: Draft) -> str:
    """The heading, or the first line where that was read as a field: ``db3: /var 97% full``."""
    return draft.heading.text or undecorate(draft.card.text.lstrip("\n").partition("\n")[0][:300])


def _trouble(draft: Draft) -> bool:
    if any(is_trouble(word) for word in _shown(draft).split()):
        return True
    return bool(_TROUBLE.search("\n".join((_shown(draft), draft.summary, *draft.prose[:4]))[:600]))


def _opening(draft: Draft) -> str:
    """The first line of a text whose other lines are fields, where it is none of the fields that everybody has."""
    shown = draft.card.text.lstrip("\n")[:1_000].split("\n")
    below = undecorate(shown[1][:300]) if len(shown) > 1 else ""
    if draft.heading.lead and not draft.heading.name and below and not field_of(below.partition(":")[0].strip()):
        return below[:200]  # the first line only says that there is an alert
    line = undecorate(shown[0][:300])
    return "" if field_of(line.partition(":")[0].strip()) else line[:200]


def _ill(draft: Draft) -> str:
    """The state that a Kubernetes object is in when it is ill (``CrashLoopBackOff``), where a field, a title or a short line gives one."""
    given = [draft.labels[k] for k in ("reason", "status", "state", "pod_status", "phase") if draft.labels.get(k)]
    short = [line for line in draft.prose[:4] if len(line) <= 80]
    words = [w for said in given for w in undecorate(said).split()[:1]]
    words += [draft.heading.name, *(w for line in [draft.heading.text[:80], *short] for w in undecorate(line).split())]
    return next((word for word in words if is_trouble(word)), "")


def _measured(draft: Draft) -> bool:
    """Whether a value is told beside the limit that it broke."""
    told = {fold(k).replace("_", " ") for k in (*draft.annotations, *draft.labels)}
    return "threshold" in told and bool(told & _VALUES)


def _headline(draft: Draft) -> str:
    """The first line below a title that names nothing, where it is written as a name: in bold, or as a link."""
    if draft.heading.name or not (draft.heading.text and draft.prose):
        return ""
    first = draft.prose[0].strip()
    bold = re.match(r"^[*_]{1,2}([^*_\n]{2,150})[*_]{1,2}$", first)
    linked = any(link.title == undecorate(first) for link in draft.card.links)
    return undecorate(first) if bold or linked else ""
