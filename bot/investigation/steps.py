"""Running a playbook's steps: everything at once that does not wait for something else.

A step starts when the steps that its expressions refer to have settled. A failed step is evidence too (status error); what needs its
data is skipped and says so. Evidence ids follow the playbook's order (step 3 is E3, its second item E3.2), so that a resumed run
cites the same ids. Every finished step goes to the journal before anything else sees it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from bot.alerts.model import Alert
from bot.investigation.journal import Journal
from bot.investigation.model import StepView
from bot.investigation.related import SERVER as LOCAL_SERVER
from bot.investigation.related import TOOL as RELATED
from bot.investigation.related import related
from bot.playbooks.context import StepResult, alert_view, context
from bot.playbooks.errors import ExpressionError, MissingValue
from bot.playbooks.expressions import Condition, Extraction, Template
from bot.playbooks.model import Playbook, Step
from bot.playbooks.plan import Plan
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import ErrorInfo

NOTE_CHARS = 140
ABSENT = "no server"  # begins the reason of a step whose server is not configured here: the same
NEEDS = "needs"  # begins the reason of a step that is skipped because another one failed: its findings are unknown, not false
NOT_NEEDED = "not needed here"


def is_blind(result: StepResult) -> bool:
    """Whether a step could not look, so that what it might have found is unknown; a step that was not needed is no such thing."""
    return result.status == "error" or (result.status == "skipped" and result.error.startswith((NEEDS, ABSENT)))


class ToolCaller(Protocol):
    """The hub, as far as steps need it."""

    async def call(
        self, tool: str, arguments: dict[str, Any], *, id: str, step: str, title: str = "", timeout: float | None = None
    ) -> Evidence:
        """One call; failures are evidence with status error. Raises only `asyncio.CancelledError`."""

    def has_server(self, name: str) -> bool:
        """Whether a server of this name is configured, up or down."""


@dataclass
class StepRun:
    """One run of a playbook's steps. ``results`` holds every step once it has settled."""

    playbook: Playbook
    plan: Plan
    alert: Alert
    tools: ToolCaller
    journal: Journal
    changed: Callable[[tuple[StepView, ...]], None]
    parallel: int = 6
    results: dict[str, StepResult] = field(default_factory=dict)
    evidence: dict[str, tuple[Evidence, ...]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    calls: int = 0
    variables: dict[str, Any] = field(default_factory=dict)
    items: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = {step.id: n for n, step in enumerate(self.playbook.steps, 1)}
        self._views: dict[str, StepView] = {}
        self._shown_soon = False
        self._alert = alert_view(self.alert)

    async def run(self) -> dict[str, StepResult]:
        """All steps, settled. Raises only `asyncio.CancelledError`; a step that outlives the playbook's timeout is an error."""
        self._render_variables()
        for step_id, kept in (await self.journal.load()).items():
            if step := self._step(step_id):
                self.results[step_id] = self._settle(step, kept)
        self._show()
        gate = asyncio.Semaphore(min(self.parallel, self.playbook.max_parallel))
        tasks: dict[asyncio.Task[None], str] = {}
        deadline = asyncio.get_running_loop().time() + self.playbook.timeout
        try:
            while len(self.results) < len(self.playbook.steps):
                for step in self.playbook.steps:
                    if step.id not in self.results and step.id not in tasks.values() and self._ready(step):
                        tasks[asyncio.create_task(self._one(step, gate), name=f"step {step.id}")] = step.id
                left = deadline - asyncio.get_running_loop().time()
                done, _ = await asyncio.wait(tasks, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    self._expire(tasks.values())
                    break
                for task in done:
                    tasks.pop(task)
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            self._shown_soon = False  # nothing is shown after a stop
            await asyncio.gather(*tasks, return_exceptions=True)
        self._shown_soon = True
        self._show_now()
        return {step.id: self.results[step.id] for step in self.playbook.steps}

    def _has(self, server: str) -> bool:
        return server == LOCAL_SERVER or self.tools.has_server(server)

    @property
    def absent(self) -> dict[str, int]:
        """Servers (``any.NAME`` for capabilities) that the playbook names and that are not configured here, each with the number of its
        steps, in the playbook's order."""
        counts: dict[str, int] = {}
        for step in self.playbook.steps:
            if not self._has(step.provider):
                counts[step.provider] = counts.get(step.provider, 0) + 1
        return counts

    def context(self, **more: Any) -> Mapping[str, Any]:
        """What expressions see now."""
        return context(self._alert, self.results, variables=self.variables, playbook=self.playbook, **more)

    def _render_variables(self) -> None:
        for name, source in self.playbook.vars.items():
            try:
                self.variables[name] = Template(source).render(self.context())
            except ExpressionError:
                continue  # an argument that needs it will name it as missing

    def _step(self, step_id: str) -> Step | None:
        return next((s for s in self.playbook.steps if s.id == step_id), None)

    def _ready(self, step: Step) -> bool:
        return all(d in self.results for d in self.plan.waits_for(step.id))

    def _evidence_id(self, step: Step) -> str:
        return f"E{self._numbers[step.id]}"

    async def _one(self, step: Step, gate: asyncio.Semaphore) -> None:
        reason = self._not_due(step)
        if reason is not None:
            self.results[step.id] = StepResult(id=step.id, status="skipped", error=reason)
            self._show()
            return
        async with gate:
            self.running.add(step.id)
            self._show()
            try:
                found = await self._calls(step)
            finally:
                self.running.discard(step.id)
        await self.journal.save(step.id, found)
        self.results[step.id] = self._settle(step, found)
        if step.on_error == "stop" and self.results[step.id].status == "error":
            self._stop_after(step)
        self._show()

    def _not_due(self, step: Step) -> str | None:
        """Why the step must not run, or None."""
        if not self._has(step.provider):
            return (
                f"{ABSENT} offers {step.capability}" if step.capability else f"{ABSENT} “{step.provider}” is configured"
            )
        for needed in self.plan.needs_data_of(step.id):
            result = self.results[needed]
            if result.status == "skipped" and not is_blind(result):
                return NOT_NEEDED
            if result.status != "ok":
                title = next(s.title for s in self.playbook.steps if s.id == needed)
                return f"{NEEDS} “{title}”, which {'failed' if result.status == 'error' else 'did not run'}"
        if step.when:
            try:
                if not Condition(step.when).holds(self.context()):
                    return NOT_NEEDED
            except MissingValue as missing:
                return f"{NOT_NEEDED} ({missing.field} is not known)" if missing.field else NOT_NEEDED
            except ExpressionError as error:
                return f"its condition cannot be evaluated: {error}"
        return None

    async def _calls(self, step: Step) -> list[Evidence]:
        if not step.for_each:
            return [await self._call(step, self._evidence_id(step), {})]
        try:
            items = Condition(step.for_each).value(self.context())
        except ExpressionError as error:
            return [self._refused(step, self._evidence_id(step), f"for_each: {error}")]
        if not isinstance(items, list | tuple):
            return [self._refused(step, self._evidence_id(step), "for_each gave no list")]
        chosen = list(items)[: step.max_items]
        self.items[step.id] = tuple(chosen)
        numbered = [(f"{self._evidence_id(step)}.{n}", item) for n, item in enumerate(chosen, 1)]
        return list(await asyncio.gather(*(self._call(step, eid, {"item": item}) for eid, item in numbered)))

    async def _call(self, step: Step, evidence_id: str, more: dict[str, Any]) -> Evidence:
        try:
            arguments = self.plan.arguments[step.id].render(self.context(**more))
        except ExpressionError as error:
            return self._refused(step, evidence_id, str(error))
        if step.tool == RELATED:
            return related(self.alert, id=evidence_id, step=step.id, title=step.title)
        for attempt in range(1, step.retry.attempts + 1):
            self.calls += 1
            found = await self.tools.call(
                step.tool, arguments, id=evidence_id, step=step.id, title=step.title, timeout=step.timeout
            )
            if found.ok or attempt == step.retry.attempts or not (found.error and found.error.retryable):
                break
            await asyncio.sleep(step.retry.backoff * attempt)
        return found

    def _refused(self, step: Step, evidence_id: str, why: str) -> Evidence:
        """A call that was not made because its arguments could not be worked out."""
        server, _, tool = step.tool.partition(".")
        return Evidence(
            id=evidence_id,
            step=step.id,
            title=step.title,
            server=server,
            tool=tool,
            status="error",
            error=ErrorInfo(code="VALIDATION", message=f"not called: {why}"),
            summary=f"not called: {why}",
            at=datetime.now(UTC),
        )

    def _settle(self, step: Step, found: list[Evidence]) -> StepResult:
        self.evidence[step.id] = tuple(found)
        if step.for_each and not found:
            return StepResult(id=step.id, status="skipped", error="nothing to look at", each=True)
        good = [e for e in found if e.ok]
        each = bool(step.for_each)
        items = self.items.get(step.id, ())
        if found and not good:
            error = found[0].error
            why = f"{error.message} {error.hint}".strip() if error else "failed"
            return StepResult(id=step.id, status="error", evidence=tuple(found), error=why, each=each, items=items)
        extracted: dict[str, Any] = {}
        for name, path in step.extract.items():
            try:
                extracted[name] = Extraction(path).apply([e.data for e in good] if each else good[0].data)
            except ExpressionError:
                continue  # what needs it will name it as missing
        return StepResult(id=step.id, status="ok", evidence=tuple(found), extracted=extracted, each=each, items=items)

    def _expire(self, unfinished: Any) -> None:
        running = set(unfinished)
        for step in self.playbook.steps:
            if step.id in self.results:
                continue
            why = f"did not finish within the playbook's {self.playbook.timeout:.0f} s"
            if step.id in running:
                found = self._refused(step, self._evidence_id(step), why)
                found = found.model_copy(update={"error": ErrorInfo(code="TIMEOUT", message=why), "summary": why})
                self.evidence[step.id] = (found,)
                self.results[step.id] = StepResult(id=step.id, status="error", evidence=(found,), error=why)
            else:
                self.results[step.id] = StepResult(id=step.id, status="skipped", error=f"no time left: {why}")

    def _stop_after(self, failed: Step) -> None:
        for step in self.playbook.steps:
            if step.id not in self.results and step.id not in self.running:
                self.results[step.id] = StepResult(
                    id=step.id, status="skipped", error=f"“{failed.title}” failed and ends the checks"
                )

    def _show(self) -> None:
        """Soon, once for everything that changes in the same moment: a thousand investigations at once must not show each step apart."""
        if not self._shown_soon:
            self._shown_soon = True
            asyncio.get_running_loop().call_soon(self._show_now)

    def _show_now(self) -> None:
        if not self._shown_soon:
            return  # the end came first
        self._shown_soon = False
        self.changed(tuple(self.view(step) for step in self.playbook.steps if self._due(step)))

    def _due(self, step: Step) -> bool:
        """Whether people should see the step: not before it is known that it is needed, and not when it is not."""
        result = self.results.get(step.id)
        if result is None:
            return step.id in self.running or (self._has(step.provider) and not (step.when or step.for_each))
        return result.status != "skipped" or (is_blind(result) and not result.error.startswith(ABSENT))

    def view(self, step: Step) -> StepView:
        """The step as the card shows it."""
        if (known := self._views.get(step.id)) is not None:
            return known
        result = self.results.get(step.id)
        if result is None:
            status = "running" if step.id in self.running else "pending"
            return StepView(id=step.id, title=step.title, status=status)
        status = {"ok": "done", "error": "failed", "skipped": "skipped"}[result.status]
        note = result.error if result.status != "ok" else self._note(step, result)
        evidence = ", ".join(e.id for e in self.evidence.get(step.id, ()))
        made = StepView(id=step.id, title=step.title, status=status, note=clip(note), evidence=evidence)
        if not step.note:  # a note of the playbook's own may look at other steps
            self._views[step.id] = made
        return made

    def _note(self, step: Step, result: StepResult) -> str:
        if step.note:
            try:
                if text := Template(step.note).text(self.context()).strip():
                    return text
            except ExpressionError:
                pass  # the answer's own summary is the fall-back
        return "; ".join(e.summary for e in result.evidence[:3] if e.summary)


def clip(text: str, limit: int = NOTE_CHARS) -> str:
    """One line of at most ``limit`` characters, cut at a word; arrows as people write them."""
    line = " ".join(text.split()).replace(" -> ", " → ")
    if len(line) <= limit:
        return line
    return line[: limit - 1].rsplit(" ", 1)[0].rstrip(",;:. ") + "…"
