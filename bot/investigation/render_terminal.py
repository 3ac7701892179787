"""`Report` and `Progress` for a terminal (rich): the same order and words as the card in Slack."""

from typing import TypeVar

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bot.investigation import wording
from bot.investigation.model import Action, Cited, Progress, Report, StepView
from mcp_servers.common.untrusted import sanitise_tree

Shown = TypeVar("Shown", Progress, Report)

MARKS = {"pending": ("▢", "dim"), "done": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "dim")}
VERDICT_STYLE = {"confirmed": "bold green", "likely": "bold yellow", "inconclusive": "bold"}


def progress(state: Progress) -> RenderableType:
    """The plan with its steps; a running step spins."""
    state = _harmless(state)
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
        grid.add_row(_mark(step), Text(step.title), Text(step.note, style="dim"))
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
    report = _harmless(report)
    headline = _words(report.headline)
    headline.stylize("bold")
    parts: list[RenderableType] = [
        headline,
        Text(wording.certainty(report), style=VERDICT_STYLE[report.verdict]),
        Text(),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, lines in (("Why", report.why), ("Known", report.known), ("Explained", report.explanation)):
        _rows(table, label, [_cited(line) for line in lines])
    _rows(table, "Do", [_action(action) for action in report.remediation[:3]])
    if report.ruled_out:
        table.add_row("Ruled out", Text(" · ").join(_cited(line) for line in report.ruled_out))
    _rows(table, "Not checked", [_cited(line) for line in report.not_checked])
    _rows(table, "Next", [_words(step) for step in report.next_steps])
    _rows(table, "Note", [_words(note) for note in report.notes])
    parts += [table, Text(), Text(wording.footer(report), style="dim")]
    return Group(*parts)


def _harmless(model: Shown) -> Shown:
    """A copy without escape sequences and control characters: alerts and logs must not paint the reader's terminal."""
    return type(model).model_validate(sanitise_tree(model.model_dump()))


def _rows(table: Table, label: str, lines: list[Text]) -> None:
    for index, line in enumerate(lines):
        table.add_row(label if index == 0 else "", line)


def _words(text: str) -> Text:
    """Text in which `` `names` `` are set apart by colour instead of ticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a lone tick is a tick
        return Text(text)
    return Text.assemble(*((part, "cyan" if index % 2 else "") for index, part in enumerate(parts)))


def _action(action: Action) -> Text:
    text = _words(action.do)
    text.append(f"  (risk: {action.risk})", style="dim")
    if action.command:
        text.append(f"\n{action.command}", style="cyan")
    return text


def _cited(line: Cited) -> Text:
    text = _words(line.text)
    text.append(wording.refs(line.evidence), style="dim")
    if not line.verified:
        text.append(" unverified", style="yellow")
    if line.tainted:
        text.append(" (workload's own text)", style="yellow")
    return text
