"""`Report` and `Progress` for a terminal (rich): the same order and words as the card in Slack."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bot.investigation import wording
from bot.investigation.model import Cited, Progress, Report, StepView

MARKS = {"pending": ("▢", "dim"), "done": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "dim")}
VERDICT_STYLE = {"confirmed": "bold green", "likely": "bold yellow", "inconclusive": "bold"}


def progress(state: Progress) -> RenderableType:
    """The plan with its steps; a running step spins."""
    title = Text(f"Investigating {state.alert.name}", style="bold")
    if state.playbook:
        title.append(f" · playbook {state.playbook}", style="dim")
        if state.chosen_because:
            title.append(f" ({state.chosen_because})", style="dim")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=2)
    grid.add_column(no_wrap=True, min_width=24)
    grid.add_column(overflow="ellipsis", no_wrap=True)
    for step in state.steps:
        grid.add_row(_mark(step), step.title, Text(step.note, style="dim"))
    parts: list[RenderableType] = [title, Padding(grid, (0, 0, 0, 2))]
    if state.line:
        parts.append(Text(f"  {state.line}", style="dim"))
    return Group(*parts)


def _mark(step: StepView) -> RenderableType:
    if step.status == "running":
        return Spinner("dots")
    symbol, style = MARKS[step.status]
    return Text(symbol, style=style)


def report(report: Report) -> RenderableType:
    """The verdict first, then why, what to do, what was ruled out and what was not seen."""
    parts: list[RenderableType] = [
        Text(report.headline, style="bold"),
        Text(wording.certainty(report), style=VERDICT_STYLE[report.verdict]),
        Text(),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, lines in (
        ("Why", report.why),
        ("Known", report.known),
        ("Explained", report.explanation),
        ("Ruled out", report.ruled_out),
        ("Not checked", report.not_checked),
    ):
        for index, line in enumerate(lines):
            table.add_row(label if index == 0 else "", _cited(line))
    for index, action in enumerate(report.remediation[:3]):
        text = Text(action.do)
        text.append(f"  (risk: {action.risk})", style="dim")
        if action.command:
            text.append(f"\n{action.command}", style="cyan")
        table.add_row("Do" if index == 0 else "", text)
    for index, step in enumerate(report.next_steps):
        table.add_row("Next" if index == 0 else "", Text(step))
    for index, note in enumerate(report.notes):
        table.add_row("Note" if index == 0 else "", Text(note))
    parts += [table, Text(), Text(wording.footer(report), style="dim")]
    return Group(*parts)


def _cited(line: Cited) -> Text:
    text = Text(line.text)
    text.append(wording.refs(line.evidence), style="dim")
    if not line.verified:
        text.append(" unverified", style="yellow")
    if line.tainted:
        text.append(" (workload's own text)", style="yellow")
    return text
