"""The one place where the parts are put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.investigation.investigator import Investigator
from bot.playbooks.loader import Library, load_library
from bot.playbooks.router import Router
from bot.settings import Settings, SettingsError
from bot.tools.hub import Hub

READY_S = 20.0  # how long a start waits for servers; what is not up by then is said in the report


def open_library(settings: Settings) -> Library:
    """The shipped playbooks and the team's own. A broken file is an error at start: nobody wants to learn of it at 03:00."""
    library = load_library(settings.playbook_dirs)
    if library.problems:
        raise SettingsError("playbooks cannot be used:\n" + "\n".join(f"  {p}" for p in library.problems))
    return library


@asynccontextmanager
async def open_hub(settings: Settings) -> AsyncIterator[Hub]:
    """The tool hub with its servers connected, or known to be away."""
    hub = Hub(settings.servers)
    await hub.start()
    try:
        await hub.wait_ready(READY_S)
        yield hub
    finally:
        await hub.stop()


@asynccontextmanager
async def open_investigator(settings: Settings) -> AsyncIterator[Investigator]:
    """Everything that one investigation needs, without Slack and without a store."""
    if not settings.servers:
        raise SettingsError(
            "no tool server is configured, so there is nothing to look at. "
            "Set KUBECONFIG, or list servers in rca.yaml (docs/configuration.md)."
        )
    router = Router(open_library(settings))
    async with open_hub(settings) as hub:
        yield Investigator(hub, router.choose, parallel_steps=settings.limits.parallel_steps)
