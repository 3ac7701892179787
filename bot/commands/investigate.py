"""``rca investigate``: one alert without Slack, with the same parts."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot import settings as configuration
from bot.alerts.lead import lead
from bot.alerts.model import Alert, Parsed
from bot.alerts.parse import parse
from bot.investigation.cassette_deck import investigate_recorded
from bot.investigation.model import Progress, Report


class NoAlertError(Exception):
    """The input holds nothing to investigate; the message says what it was and what would do."""


def run(source: Path, output: str, playbook: str, config: Path | None, record: Path | None = None) -> int:
    """Exit code: 0 with a report, 2 for input or configuration that cannot be used."""
    settings = configuration.load(config)
    settings = settings.model_copy(update={"record_dir": record or settings.record_dir})
    try:
        alert = read_alert(source)
        report = asyncio.run(_investigate(settings, alert, playbook, live=output == "text" and sys.stderr.isatty()))
    except (NoAlertError, LookupError) as error:
        print(f"rca investigate: {error}", file=sys.stderr)
        return 2
    _print(report, output)
    return 0


def read_alert(source: Path) -> Alert:
    """The first firing alert of a Slack message, an Alertmanager webhook or an Alert as JSON."""
    try:
        text = sys.stdin.read() if str(source) == "-" else source.read_text(encoding="utf-8")
        message: Any = json.loads(text)
    except OSError as error:
        raise NoAlertError(
            f"{source} cannot be read: {error.strerror}. Give a file, or - for standard input."
        ) from None
    except ValueError as error:
        raise NoAlertError(
            f"{source} is not JSON ({error}). Give a Slack message, an Alertmanager webhook or an Alert."
        ) from None
    if not isinstance(message, dict):
        raise NoAlertError(f"{source} holds a JSON {type(message).__name__}, not an object.")
    parsed: Parsed = parse(message)
    if not parsed.is_alert or not parsed.alerts:
        raise NoAlertError(f"{source} holds no alert: {parsed.reason or 'nothing in it looks like one'}.")
    return lead(parsed.alerts)


async def _investigate(settings: configuration.Settings, alert: Alert, playbook: str, *, live: bool) -> Report:
    from bot.wiring import open_desk

    async with open_desk(settings) as desk:
        # Its sender may know the labels that the message left out. One that is over is examined all the same: somebody asks for it.
        standing = await desk.look(alert, seen_at=datetime.now(UTC))
        with _progress(live) as show:
            report = await investigate_recorded(
                desk.investigator,
                standing.alert,
                investigation="local",
                playbook=playbook,
                emit=show,
                folder=settings.record_dir,
                servers=tuple(s.name for s in settings.servers),
            )
    over = (f"does not fire any more: {standing.note}",) if standing.state == "over" else ()
    return report.model_copy(update={"notes": (*over, *report.notes)})


@contextmanager
def _progress(live: bool) -> Iterator[Callable[[Progress], None]]:
    """Where progress goes: to the terminal while it is ``live``, else nowhere."""
    if not live:
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.live import Live

    from bot.investigation import render_terminal

    with Live(console=Console(stderr=True), refresh_per_second=12, transient=True) as display:
        yield lambda progress: display.update(render_terminal.progress(progress))


def _print(report: Report, output: str) -> None:
    if output == "json":
        from bot.investigation import render_json

        sys.stdout.write(json.dumps(render_json.render(report), ensure_ascii=False, indent=2) + "\n")
    elif output == "md":
        from bot.investigation import render_markdown

        sys.stdout.write(render_markdown.render(report))
    else:
        from rich.console import Console

        from bot.investigation import render_terminal

        Console(soft_wrap=False).print(render_terminal.report(report))
