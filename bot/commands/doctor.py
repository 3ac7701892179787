"""``rca doctor``: what works, what does not, what to do, in words that a newcomer understands. Reads only."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from difflib import SequenceMatcher
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bot import settings as configuration
from bot.commands import doctor_page as page
from bot.commands import doctor_servers as servers
from bot.observe.checkup import Finding
from bot.settings import Settings


def run(config: Path | None) -> int:
    """Exit code 0 when nothing failed, else 1."""
    settings = configuration.load(config)
    return asyncio.run(report(settings, Console()))


async def report(settings: Settings, console: Console) -> int:
    """Look at everything and print the page; the exit code."""
    console.print(Text(f"Configuration: {settings.source}", style="dim"))
    found = [finding async for finding in findings(settings)]
    return 1 if page.show(found, console) else 0


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """All findings, in the order in which a newcomer would mend them."""
    from bot.slack import checkup as slack

    for finding in unread(os.environ):
        yield finding
    for finding in await slack.check(settings.slack):
        yield finding
    for finding in await servers.check(settings):
        yield finding
    yield _playbooks(settings)
    yield await _model(settings)
    yield _store(settings)


# How the names of our variables begin; what comes after that is judged by whoever reads it.
_FAMILIES = (
    *("RCA_K8S_", "RCA_SIGNOZ_", "RCA_CH_", "RCA_MONGO_", "RCA_ALLOW_PRIVILEGED", "RCA_INSTANCE", "RCA_REDACT_"),
    *("RCA_HASH_KEY", "RCA_TOOL_TIMEOUT_S", "RCA_MAX_", "RCA_CACHE_S", "RCA_MCP_", "RCA_LOG_LEVEL", "RCA_CONFIG"),
    *("RCA_MODEL_", "RCA_STORE_URL", "RCA_RECORD_DIR", "RCA_HEALTH_PORT", "RCA_TEST_"),
)


def unread(environ: Mapping[str, str]) -> list[Finding]:
    """Variables that look like ours and that nothing reads: a misspelt deny-list protects nobody, and nobody says so."""
    found = []
    for name in sorted(environ):
        if not name.startswith("RCA_") or name.startswith(_FAMILIES):
            continue
        scores = {family: SequenceMatcher(None, name[: len(family) + 1], family).ratio() for family in _FAMILIES}
        near = max(_FAMILIES, key=lambda family: scores[family])
        meant = f"{near}{'…' if near.endswith('_') else ''}"
        mend = f"was {meant} meant?" if scores[near] >= 0.8 else "unset it, unless rca.yaml refers to it"
        found.append(Finding("Settings", name, "warning", "is set, and no part of the bot reads it", mend))
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
