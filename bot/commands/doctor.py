"""``rca doctor``: what works, what does not, what to do, in words that a newcomer understands. Reads only."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import settings as configuration
from bot.observe.checkup import Finding
from bot.settings import Settings

LOOKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "not set": ("–", "yellow")}


def run(config: Path | None) -> int:
    """Exit code 0 when nothing failed, else 1."""
    settings = configuration.load(config)
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    console = Console()
    console.print(Text(f"Configuration: {settings.source}", style="dim"))
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    failed = 0
    async for finding in findings(settings):
        symbol, style = LOOKS[finding.health]
        what = Text(finding.what)
        if finding.mend:
            what.append(f"\n→ {finding.mend}", style="dim")
        table.add_row(Text(symbol, style=style), finding.area, finding.name, what)
        failed += finding.health in ("failed", "not set")
    console.print(table)
    console.print()
    console.print(
        "Everything works."
        if not failed
        else f"{failed} thing{'s' if failed > 1 else ''} to mend; each line above says how."
    )
    return 1 if failed else 0


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """All findings, in the order in which a newcomer would mend them."""
    from bot.slack import checkup as slack

    for finding in await slack.check(settings.slack):
        yield finding
    for finding in await _servers(settings):
        yield finding
    yield _playbooks(settings)
    yield await _model(settings)
    yield _store(settings)


async def _servers(settings: Settings) -> list[Finding]:
    from bot.wiring import open_hub

    if not settings.servers:
        return [
            Finding(
                "Servers",
                "none",
                "not set",
                "no tool server is configured",
                "set KUBECONFIG, or list servers in rca.yaml",
            )
        ]
    found = []
    async with open_hub(settings) as hub:
        for health in hub.health():
            if not health.ok:
                mend = "start it, or mend its entry in rca.yaml; investigations say that it could not be asked"
                found.append(Finding("Servers", health.name, "failed", health.reason or health.state, mend))
                continue
            found.append(Finding("Servers", health.name, "ok", f"{health.tools} tools over {health.transport}"))
            if health.changed:
                names = ", ".join(health.changed)
                found.append(
                    Finding(
                        "Servers",
                        health.name,
                        "failed",
                        f"definitions changed: {names}",
                        "review them, then pin them anew",
                    )
                )
            if f"{health.name}.health" in hub.inventory():
                answer = await hub.call(f"{health.name}.health", {}, id="E0", step="doctor")
                what = answer.summary if answer.ok else (answer.error.message if answer.error else "failed")
                mend = "" if answer.ok else (answer.error.hint if answer.error else "")
                state = "failed" if not answer.ok else ("warning" if answer.notes else "ok")
                notes = "".join(f"\n{note}" for note in answer.notes)
                found.append(Finding("Servers", health.name, state, what + notes, mend))  # type: ignore[arg-type]
    return found


def _playbooks(settings: Settings) -> Finding:
    from bot.playbooks.loader import load_library

    library = load_library(settings.playbook_dirs)
    if library.problems:
        lines = "\n".join(str(p) for p in library.problems[:5])
        return Finding("Playbooks", "library", "failed", lines, "rca playbooks lint shows all of them")
    return Finding("Playbooks", "library", "ok", f"{len(library.playbooks)} playbooks")


async def _model(settings: Settings) -> Finding:
    if settings.model.kind is None:
        mend = "optional: OPENAI_API_KEY, or AZURE_OPENAI_ENDPOINT with AZURE_OPENAI_API_KEY"
        return Finding("Model", "none", "warning", "no model: verdicts come from rules alone", mend)
    from bot.investigation.analyst import Analyst

    analyst = Analyst(settings.model)
    try:
        trouble = await analyst.ping()
    finally:
        await analyst.close()
    if trouble:
        return Finding(
            "Model", settings.model.standard, "failed", trouble, "check the key, the address and the deployment's name"
        )
    return Finding("Model", settings.model.standard, "ok", f"answers ({settings.model.kind})")


def _store(settings: Settings) -> Finding:
    url = settings.store_url
    if not url.startswith("sqlite:///"):
        return Finding("Store", url.split("://", 1)[0], "ok", "is opened when the bot starts")
    path = Path(url.removeprefix("sqlite:///"))
    folder = path.parent.resolve()
    if not folder.is_dir():
        return Finding(
            "Store", "sqlite", "failed", f"the folder {folder} does not exist", f"mkdir -p {folder}, or set store_url"
        )
    if not os.access(folder, os.W_OK):
        return Finding(
            "Store",
            "sqlite",
            "failed",
            f"the folder {folder} cannot be written",
            "give the bot's user the right, or set store_url",
        )
    return Finding("Store", "sqlite", "ok", str(path))
