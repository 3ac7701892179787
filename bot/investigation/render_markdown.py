"""`Report` as Markdown: the file in the thread, and ``rca investigate --output md``.

Text from the cluster is shown in code spans or fences and never as markup: a log line cannot draw a heading or a link.
"""

import json
import re

from bot.investigation import wording
from bot.investigation.model import ChangeLine, Cited, Report
from bot.tools.evidence import Evidence
from mcp_servers.common.untrusted import sanitise

MARKUP = re.compile(r"([\\`*_{}\[\]<>#|!~])")
BARE_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)")
CELL_END = re.compile(r"(?<!\\)\|")
BAR = r"\\|"
MAX_EVIDENCE_CHARS = 6_000
SAME_KIND = 3  # changes of one kind that are told one by one; a whole namespace that was rolled out is one line more


def render(report: Report) -> str:
    """The whole report, verdict first, evidence last. Ends with one newline."""
    blocks = [
        f"# {escape(report.headline)}",
        escape(wording.certainty(report)),
        _alert(report),
        escape(report.summary) if report.summary and report.summary != report.headline else "",
        _cited("Why", report.why),
        _cited("What is known", report.known),
        _cited("Explanation", report.explanation),
        _actions(report),
        _cited("Ruled out", report.ruled_out),
        _cited("Not checked", report.not_checked),
        _plain("Where to look next", report.next_steps),
        _causes(report),
        _changes(report),
        _checks(report),
        _findings(report),
        _plain("Notes", report.notes),
        _evidence(report),
        f"---\n{escape(wording.footer(report))} · {report.started_at:%Y-%m-%d %H:%M:%S} UTC · `{report.id}`",
    ]
    return "\n\n".join(b for b in blocks if b) + "\n"


def escape(text: str) -> str:
    """``text`` on one line with Markdown's markup made literal; code spans that we wrote ourselves (`` `x` ``) are kept."""
    parts = re.split(r"(`[^`\n]{1,200}`)", _one_line(text))
    return "".join(p if i % 2 else _literal(p) for i, p in enumerate(parts))


def _one_line(text: str) -> str:
    """Without line ends, which could begin a heading, and without what a terminal or a viewer would act on."""
    return " ".join(sanitise(text).split())


def _literal(text: str) -> str:
    """No markup, and no bare address that a reader's viewer would turn into a link."""
    return BARE_LINK.sub(lambda m: f"{m[1] or m[3]}\\{m[2] or m[4]}", MARKUP.sub(r"\\\1", text))


def _code(text: str) -> str:
    return "`" + (_one_line(text).replace("`", "'") or " ") + "`"


def _row(*cells: str) -> str:
    """A table's row; a bar inside a code span would end the cell and let loose what the span held."""
    return f"| {' | '.join(CELL_END.sub(BAR, cell) for cell in cells)} |"


def _fence(text: str, language: str = "") -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"


def _line(cited: Cited) -> str:
    marks = "" if cited.verified else " (unverified)"
    if cited.tainted:
        marks += " (rests on text that the workload wrote)"
    return f"- {escape(cited.text)}{wording.refs(cited.evidence)}{marks}"


def _cited(title: str, lines: tuple[Cited, ...]) -> str:
    return "\n".join([f"## {title}", "", *map(_line, lines)]) if lines else ""


def _plain(title: str, lines: tuple[str, ...]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {escape(line)}" for line in lines)]) if lines else ""


def _alert(report: Report) -> str:
    alert = report.alert
    words = [f"Alert {_code(alert.name)}", f"from {escape(alert.source)}"]
    if alert.severity:
        words.append(alert.severity)
    if alert.starts_at:
        words.append(f"firing since {alert.starts_at:%Y-%m-%d %H:%M} UTC")
    how = f" ({escape(report.chosen_because)})" if report.chosen_because else ""
    return " · ".join(words) + f"  \nPlaybook {_code(report.playbook)}{how}"


def _actions(report: Report) -> str:
    if not report.remediation:
        return ""
    lines = ["## What to do", ""]
    for action in report.remediation:
        lines.append(f"- {escape(action.do)} (risk: {action.risk}){wording.refs(action.evidence)}")
        if action.command:
            lines += ["", _fence(action.command, "sh"), ""]
    return "\n".join(lines).rstrip()


def _causes(report: Report) -> str:
    if not report.causes:
        return ""
    rows = ["## Causes considered", "", "| cause | object | confidence | evidence |", "|---|---|---|---|"]
    rows += [
        _row(f"{_code(c.code)} {escape(c.says)}", _code(c.object), f"{c.confidence:.2f}", " ".join(c.evidence))
        for c in report.causes[:10]
    ]
    return "\n".join(rows)


def _changes(report: Report) -> str:
    if not report.changes and not report.blind_spots:
        return ""
    lines = ["## What changed", ""]
    crowds: dict[str, list[ChangeLine]] = {}
    for change in report.changes:
        crowds.setdefault(change.kind, []).append(change)
    told = {kind: same[:SAME_KIND] for kind, same in crowds.items()}
    for change in [c for c in report.changes if c in told[c.kind]][:15]:
        before = change.minutes_before_onset
        when = f", {round(before)} min before the onset" if before is not None and before >= 0 else ""
        actor = f" by {_code(change.actor)}" if change.actor else ""
        lines.append(
            f"- {escape(change.at)} {_code(change.target)}: {escape(change.what)}{actor}{when} [{change.evidence}]"
        )
        lines += [f"  - {_code(d)}" for d in change.diff[:6]]
    for kind, same in crowds.items():
        if rest := same[SAME_KIND:]:
            first, last = min(c.at for c in rest), max(c.at for c in rest)
            names = ", ".join(_code(c.target) for c in rest[:6]) + (", …" if len(rest) > 6 else "")
            lines.append(
                f"- {len(rest)} more of the kind {_code(kind)}, {escape(first)} to {escape(last)}: {names} [{rest[0].evidence}]"
            )
    if not report.changes:
        lines.append("- Nothing that could be seen changed.")
    if report.blind_spots:
        lines.append("- Not visible: " + "; ".join(map(escape, report.blind_spots)))
    return "\n".join(lines)


def _checks(report: Report) -> str:
    rows = ["## Checks", "", "| check | result | evidence | time |", "|---|---|---|---|"]
    for check in report.checks:
        result = check.status if not check.reason else f"{check.status}: {check.reason}"
        took = f"{check.duration_ms:.0f} ms" if check.duration_ms else ""
        rows.append(_row(escape(check.title), escape(result), check.evidence, took))
    return "\n".join(rows)


def _findings(report: Report) -> str:
    shown = [f for f in report.findings if f.state == "true"]
    unknown = [f for f in report.findings if f.state == "unknown"]
    lines = ["## Findings", ""] if shown or unknown else []
    for f in shown:
        note = f", set aside by {_code(f.suppressed_by)}" if f.suppressed_by else ""
        lines.append(f"- {_code(f.id)} {escape(f.title)} on {_code(f.object or '-')}{wording.refs(f.evidence)}{note}")
    lines += [f"- {_code(f.id)} unknown: {escape(f.reason)}" for f in unknown]
    return "\n".join(lines)


def _evidence(report: Report) -> str:
    return "\n\n".join(["## Evidence", *map(_one, report.evidence)]) if report.evidence else ""


def _one(evidence: Evidence) -> str:
    arguments = json.dumps(evidence.arguments, ensure_ascii=False, sort_keys=True)
    head = f"### {evidence.id} {_code(f'{evidence.server}.{evidence.tool}')}"
    facts = [f"arguments {_code(arguments)}", f"{evidence.at:%H:%M:%S} UTC", f"{evidence.duration_ms:.0f} ms"]
    if evidence.cached:
        facts.append("from cache")
    if evidence.truncated:
        facts.append("shortened")
    if evidence.error is not None:
        body = f"Failed: {escape(evidence.error.code)}: {escape(evidence.error.message)} {escape(evidence.error.hint)}".rstrip()
    else:
        text = json.dumps(evidence.data, ensure_ascii=False, indent=1) if evidence.data is not None else evidence.text
        cut = len(text) - MAX_EVIDENCE_CHARS
        body = _fence(text if cut <= 0 else f"{text[:MAX_EVIDENCE_CHARS]}\n… {cut} more characters", "json")
    return f"{head}\n{' · '.join(facts)}\n\n{escape(evidence.summary)}\n\n{body}"
