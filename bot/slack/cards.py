"""The card: one message that is a plan while the investigation runs and a verdict when it is done. Pure functions, no Slack client.

The first line is the cause in an engineer's words, then how certain, since when, who is affected. What is not decisive stays in the
file. An inconclusive card has the same shape: it says what is known, what could not be seen, what was ruled out, where to look.
"""

from bot.investigation import wording
from bot.investigation.model import Action, Cited, Progress, Report, StepView
from bot.slack import rich
from bot.slack.joined import Joined
from bot.slack.message import Block, Message
from bot.slack.mrkdwn import mention, quiet, shorten, tidy

STOP = "rca_stop"
EVIDENCE = "rca_evidence"
RERUN = "rca_rerun"
ESCALATE = "rca_escalate"
FEEDBACK = "rca_feedback"

MAX_ROWS = 40  # a plan holds 50
SUMMARY = 280
LINE = 280
_STATUS = {"pending": "pending", "running": "in_progress", "done": "complete", "failed": "error", "skipped": "complete"}
_OVER = {"pending": "pending", "running": "pending", "done": "complete", "failed": "error", "skipped": "complete"}
_RISK = {"none": "no risk", "low": "low risk", "medium": "medium risk", "high": "high risk"}


# -- while it runs --------------------------------------------------------------------------------------------------------------


def progress_card(progress: Progress, joined: Joined | None = None) -> Message:
    """The plan with the state of each step and a Stop button; below it the alerts that joined."""
    where = f" in {progress.alert.namespace}" if progress.alert.namespace else ""
    title = f"Investigating {progress.alert.name}{where}"
    if progress.playbook:
        because = f" ({progress.chosen_because})" if progress.chosen_because else ""
        title += f" · playbook {progress.playbook}{because}"
    done = sum(s.status in {"done", "failed", "skipped"} for s in progress.steps)
    steps = f": {done} of {len(progress.steps)} checks done" if progress.steps else ""
    text = quiet(f"Investigating {progress.alert.name}{where}{steps}", SUMMARY)
    stop = _actions(_button(STOP, "Stop", progress.investigation))
    lines = [
        f"{'✓' if s.status == 'done' else '✗' if s.status == 'failed' else '·'} {s.title} {s.note}"
        for s in progress.steps
    ]
    more = [rich.block_of(joined.line())] if joined else []
    said = [joined.words] if joined else []
    return Message(
        text, [_plan(title, _tasks(progress, _STATUS)), *more, stop], _lines(text, [title, *lines, *said], [stop])
    )


def _tasks(progress: Progress, statuses: dict[str, str]) -> list[Block]:
    steps = list(progress.steps)
    tasks = [_task(s, statuses) for s in steps[:MAX_ROWS]]
    if len(steps) > MAX_ROWS:
        tasks.append(
            {
                "type": "task_card",
                "task_id": "more",
                "title": f"{len(steps) - MAX_ROWS} more checks",
                "status": "pending",
            }
        )
    busy = progress.stage not in {"cancelled", "failed", "done"}
    if progress.stage == "analysis" or (busy and not tasks) or (progress.stage == "accepted" and progress.line):
        doing = progress.line.strip() or ("Weighing the findings" if tasks else "Choosing a playbook")
        waits = progress.stage == "accepted" and progress.line
        tasks.append(
            {
                "type": "task_card",
                "task_id": "now",
                "title": tidy(doing[:1].upper() + doing[1:], 200) or "Working",
                "status": "pending" if waits else "in_progress",
            }
        )
    return tasks or [{"type": "task_card", "task_id": "none", "title": "No check had run", "status": "pending"}]


def _task(step: StepView, statuses: dict[str, str]) -> Block:
    task: Block = {
        "type": "task_card",
        "task_id": step.id[:200],
        "title": tidy(step.title, 200) or step.id[:200],
        "status": statuses[step.status],
    }
    note = f"skipped: {step.note}" if step.status == "skipped" and step.note else step.note
    leaves = rich.inline(note, 200)
    if step.evidence and leaves:
        leaves += rich.text(f" [{step.evidence}]")
    if leaves:
        task["output"] = rich.block_of(rich.section(leaves))
    return task


# -- how it ends ----------------------------------------------------------------------------------------------------------------


def verdict_card(report: Report, joined: Joined | None = None) -> Message:
    """The verdict with its reasons, what to do, what was ruled out, how much was checked; for a storm also what joined."""
    ran, due = report.ran
    certainty = wording.CERTAINTY[report.verdict]
    text = quiet(f"{tidy(report.headline, 200)} {certainty}, {ran} of {due} checks ran.", SUMMARY)
    head = [rich.section(rich.inline(report.headline, LINE, bold=True), rich.text("\n"), _facts(report))]
    if report.verdict == "inconclusive":
        groups = [
            head,
            _listed("Known", (*report.known, *report.why)[:4]),
            _listed("Not checked", report.not_checked[:4]),
            _joined("Ruled out", report.ruled_out[:5]),
            _next(report),
        ]
    else:
        groups = [
            head,
            _listed("Why", (report.why or report.explanation or report.known)[:4]),
            _do(report.remediation),
            [*_joined("Ruled out", report.ruled_out[:5]), *_listed("Not checked", report.not_checked[:2])],
        ]
    if joined:
        groups.insert(1, [joined.line()])
    groups = [g for g in groups if g]  # a block each, so that Slack sets them apart
    tail = [_footer(report), _verdict_buttons(report), feedback_buttons(report.id)]
    body = rich.plain([part for group in groups for part in group]).split("\n")
    return Message(text, [*(rich.block_of(*g) for g in groups), *tail], _lines(text, body, tail))


def _facts(report: Report) -> list[rich.Leaf]:
    leaves = rich.text(wording.CERTAINTY[report.verdict])
    if report.since:
        word, since = "since", rich.moment(report.since, report.started_at)
    elif report.alert.starts_at:
        word, since = "firing since", rich.moment(report.alert.starts_at, report.started_at)
    else:
        word, since = "seen at", rich.moment(report.started_at, report.started_at)
    leaves += [*rich.text(f" · {word} "), *since]
    if report.affected:
        leaves += [*rich.text(" · "), *rich.inline(report.affected, 200)]
    return leaves


def _listed(label: str, lines: tuple[Cited, ...]) -> list[rich.Part]:
    return [_label(label), rich.bullets([_cited(c) for c in lines])] if lines else []


def _joined(label: str, lines: tuple[Cited, ...]) -> list[rich.Part]:
    """Short facts in one line: ``Ruled out  memory [E1] · nodes [E5]``."""
    leaves = rich.text(f"{label}  ", bold=True)
    for number, line in enumerate(lines):
        leaves += [*(rich.text(" · ") if number else []), *_cited(line)]
    return [rich.section(leaves)] if lines else []


def _label(label: str) -> rich.Part:
    return rich.section(rich.text(label, bold=True))


def _cited(cited: Cited) -> list[rich.Leaf]:
    leaves = [*rich.inline(cited.text, LINE), *rich.text(wording.refs(cited.evidence[:4]))]
    if not cited.verified:
        leaves += rich.text(" (unverified)", italic=True)
    elif cited.tainted:
        leaves += rich.text(" (in the workload's own words)", italic=True)
    return leaves


def _do(actions: tuple[Action, ...]) -> list[rich.Part]:
    parts: list[rich.Part] = []
    for number, action in enumerate(actions[:2]):
        lead = rich.text("Do  " if number == 0 else "Or  ", bold=True)
        parts.append(rich.section(lead, rich.inline(action.do, LINE), rich.text(f" ({_RISK[action.risk]})")))
        if action.command:
            parts.append(rich.preformatted(action.command, 600))
    return parts


def _next(report: Report) -> list[rich.Part]:
    lines = [rich.inline(line, LINE) for line in report.next_steps[:3]]
    if not lines and report.remediation:
        return _do(report.remediation)
    return [_label("Next"), rich.bullets(lines)] if lines else []


def _footer(report: Report) -> Block:
    notes = [tidy(note, 200) for note in report.notes[:2]]
    more = f"and {len(report.notes) - 2} more notes in the report" if len(report.notes) > 2 else ""
    return context(wording.footer(report), *notes, more)


def _verdict_buttons(report: Report) -> Block:
    buttons = [_button(EVIDENCE, "Show evidence", report.id), _button(RERUN, "Re-run", report.id)]
    if report.mentions:
        group = tidy(report.mentions[0], 40)
        buttons.append(_button(ESCALATE, f"Escalate to {group if group.startswith('@') else '@' + group}", report.id))
    return _actions(*buttons)


def stopped_card(progress: Progress, by: str) -> Message:
    """What was known when somebody pressed Stop."""
    done = sum(s.status in {"done", "failed"} for s in progress.steps)
    title = f"Stopped: {progress.alert.name} · {done} of {len(progress.steps)} checks had run"
    if not progress.steps:
        title = f"Stopped before it began: {progress.alert.name}"
    blocks: list[Block] = (
        [_plan(title, _tasks(progress.model_copy(update={"stage": "cancelled"}), _OVER))] if progress.steps else []
    )
    if not blocks:
        blocks = [rich.block_of(rich.section(rich.text(tidy(title, LINE), bold=True)))]
    who = {"type": "context", "elements": [{"type": "mrkdwn", "text": f"Stopped by {mention(by)}", "verbatim": True}]}
    tail = [who, _actions(_button(RERUN, "Re-run", progress.investigation))]
    text = quiet(title, SUMMARY)
    lines = [f"{s.title}: {s.note}" for s in progress.steps if s.note]
    return Message(text, [*blocks, *tail], _lines(text, [title, *lines], tail))


def failed_card(investigation: str, name: str, message: str) -> Message:
    """One clear line, and the way to try again."""
    title = f"No investigation of {name}" if name else "This message was not investigated"
    text = quiet(f"{title}. {message}", SUMMARY)
    parts = [rich.section(rich.text(tidy(f"{title}.", LINE), bold=True), rich.text("\n"), rich.inline(message, 600))]
    tail = [_actions(_button(RERUN, "Re-run", investigation))] if name else []
    return Message(text, [rich.block_of(*parts), *tail], _lines(text, [title, message], tail))


# -- pieces ---------------------------------------------------------------------------------------------------------------------


def feedback_buttons(investigation: str) -> Block:
    """Thumbs; the value carries the vote and the investigation."""
    return {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": FEEDBACK,
                "positive_button": {
                    "text": {"type": "plain_text", "text": "Right"},
                    "accessibility_label": "This verdict is right",
                    "value": f"up:{investigation}",
                },
                "negative_button": {
                    "text": {"type": "plain_text", "text": "Wrong"},
                    "accessibility_label": "This verdict is wrong or of no use",
                    "value": f"down:{investigation}",
                },
            }
        ],
    }


def context(*lines: str) -> Block:
    """Small grey lines in plain text; empty ones are left out."""
    shown = [tidy(line, 400) for line in lines if line]
    return {
        "type": "context",
        "elements": [{"type": "plain_text", "text": line, "emoji": False} for line in shown[:10]],
    }


def _plan(title: str, tasks: list[Block]) -> Block:
    return {"type": "plan", "title": tidy(title, 240), "tasks": tasks}


def _button(action: str, label: str, value: str) -> Block:
    return {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": shorten(label, 75), "emoji": False},
        "value": value[:2000],
    }


def _actions(*buttons: Block) -> Block:
    return {"type": "actions", "elements": list(buttons)}


def _lines(text: str, lines: list[str], tail: list[Block]) -> Message:
    """The same in plain sections, and below that in one sentence."""
    body = shorten("\n".join(tidy(line, LINE) for line in lines if line.strip()), 2800)
    simple: Block = {"type": "section", "text": {"type": "plain_text", "text": body or text, "emoji": False}}
    buttons = [block for block in tail if block["type"] == "actions"]
    return Message(text, [simple, *buttons], Message(text))
