"""The one place where the parts are put together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bot import __version__
from bot.alerts.model import Alert
from bot.investigation.anchor import windows_of
from bot.investigation.investigator import Explain, Investigator
from bot.investigation.still_firing import StillFiring
from bot.playbooks.loader import Library, load_library
from bot.playbooks.shelf import Shelf
from bot.settings import Settings, SettingsError
from bot.tools.alertmanager import Alertmanager
from bot.tools.capabilities_door import CapableTools
from bot.tools.hub import CallRecord, Hub

if TYPE_CHECKING:
    from bot.investigation.analyst import Analyst
    from bot.observe.health import Health
    from bot.runtime.runtime import Runtime
    from bot.slack.room import SlackRoom

READY_S = 20.0  # how long a start waits for servers; what is not up by then is said in the report


@dataclass(frozen=True)
class Bot:
    """The running bot, for the command line and for tests."""

    runtime: "Runtime"
    slack: "SlackRoom"
    hub: Hub
    shelf: Shelf
    health: "Health"


def open_library(settings: Settings) -> Library:
    """The shipped playbooks and the team's own. A broken file is an error at start: nobody wants to learn of it at 03:00."""
    library = load_library(settings.playbook_dirs)
    if library.problems:
        raise SettingsError("playbooks cannot be used:\n" + "\n".join(f"  {p}" for p in library.problems))
    return library


@asynccontextmanager
async def open_hub(settings: Settings, on_call: Callable[[CallRecord], None] | None = None) -> AsyncIterator[Hub]:
    """The tool hub with its servers connected, or known to be away."""
    hub = Hub(settings.servers, on_call=on_call)
    await hub.start()
    try:
        await hub.wait_ready(READY_S)
        yield hub
    finally:
        await hub.stop()


@asynccontextmanager
async def open_analyst(settings: Settings) -> AsyncIterator["Analyst | None"]:
    """The analyst with its one shared client, or None when no model is configured."""
    if settings.model.kind is None:
        yield None
        return
    from bot.investigation.analyst import Analyst

    analyst = Analyst(settings.model)
    try:
        yield analyst
    finally:
        await analyst.close()


@dataclass(frozen=True)
class Desk:
    """What one investigation without Slack needs: who investigates, and who knows whether the alert still fires."""

    investigator: Investigator
    look: StillFiring


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Desk]:
    """Everything that one investigation needs, without Slack and without a store."""
    if not settings.servers:
        raise SettingsError(
            "no tool server is configured, so there is nothing to look at. "
            "Set KUBECONFIG, or list servers in rca.yaml (docs/configuration.md)."
        )
    library = open_library(settings)
    async with open_hub(settings) as hub, open_analyst(settings) as analyst:
        yield Desk(investigator(settings, hub, library, analyst)[0], looker(settings, hub))


def investigator(
    settings: Settings, hub: Hub, library: Library, analyst: "Analyst | None"
) -> tuple[Investigator, Shelf]:
    """The investigation's parts around a hub that is already open, and the shelf that its playbooks stand on."""
    tools = CapableTools(hub, settings.servers)
    shelf = Shelf(library, tools.instead)
    explain: Explain | None = None
    if analyst is not None:
        from bot.investigation.explain import Explainer

        explain = Explainer(analyst, hub)
    return Investigator(tools, shelf.choose, explain, windows_of(tools.known), settings.limits.parallel_steps), shelf


def looker(settings: Settings, hub: Hub) -> StillFiring:
    """What asks an alert's sender whether it still fires, as far as senders are configured."""
    token = settings.alertmanager_token.get_secret_value() if settings.alertmanager_token else ""
    url = settings.alertmanager_url
    return StillFiring(Alertmanager(url, token) if url else None, hub)


@asynccontextmanager
async def open_bot(settings: Settings) -> AsyncIterator[Bot]:
    """The whole bot, connected and listening; leaves in the reverse order.

    Raises `SettingsError` for what must be set and is not, and what Slack, store or port say when they cannot be had.
    """
    from bot.incidents.store import Store
    from bot.investigation import render_markdown
    from bot.investigation.answer import answer
    from bot.investigation.cassette_deck import investigate_recorded
    from bot.investigation.model import Report
    from bot.observe.health import Health
    from bot.observe.metrics import METRICS
    from bot.runtime.runtime import Runtime
    from bot.slack.room import SlackRoom

    library = open_library(settings)

    def counted(call: CallRecord) -> None:
        METRICS.tool_calls.labels(call.server, call.tool, call.status).inc()
        METRICS.tool_seconds.labels(call.server, call.tool).observe(call.seconds)

    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(open_hub(settings, counted))
        analyst = await stack.enter_async_context(open_analyst(settings))
        subject, shelf = investigator(settings, hub, library, analyst)
        stack.push_async_callback(_ended, asyncio.create_task(shelf.watch(), name="playbooks"))
        METRICS.build.labels(__version__).set(1)
        for server in settings.servers:
            METRICS.server_up.labels(server.name).set_function(partial(_up, hub, server.name))

        async def answered(question: str, report: Report) -> tuple[str, tuple[str, ...]]:
            found = await answer(question, report, report.evidence, analyst)
            return found.text, found.evidence

        async def investigated(alert: Alert, **more: Any) -> Report:
            report = await investigate_recorded(
                subject, alert, folder=settings.record_dir, servers=tuple(s.name for s in settings.servers), **more
            )
            if report.cost.model:
                METRICS.model_calls.labels(report.cost.model).inc(report.cost.calls)
                METRICS.model_tokens.labels(report.cost.model, "input").inc(report.cost.input_tokens)
                METRICS.model_tokens.labels(report.cost.model, "output").inc(report.cost.output_tokens)
                METRICS.model_usd.labels(report.cost.model).inc(report.cost.usd or 0.0)
            return report

        store = Store(settings.store_url)
        room = SlackRoom(
            settings.slack, store, render_file=render_markdown.render, playbooks=lambda: sorted(shelf.library.playbooks)
        )
        stack.push_async_callback(room.close)
        await room.prepare()
        runtime = Runtime(
            store,
            investigated,
            room.thread,
            answer=answered,
            limits=settings.limits,
            kin=lambda alert: shelf.choose(alert).playbook.gathers,
            look=looker(settings, hub),
        )
        stack.push_async_callback(runtime.stop)
        await runtime.start()
        stack.push_async_callback(room.disconnect)
        await room.connect(runtime)

        async def connected() -> bool:
            return await room.heard() > 0

        async def accepting() -> bool:
            return runtime.accepting

        health = Health(settings.health_port)
        health.add("slack", connected)
        health.add("runtime", accepting)
        stack.push_async_callback(health.stop)
        await health.start()
        yield Bot(runtime, room, hub, shelf, health)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


def _up(hub: Hub, name: str) -> float:
    return float(any(h.ok for h in hub.health() if h.name == name))
